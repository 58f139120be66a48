/** The consent screen: who asks, for what, and for how long. */

import { h, t } from "../live/dom.js";
import { Refusal, isSignedIn, request } from "../live/api.js";
import { button, section, show, told, trying, withProof } from "./parts.js";
import { enter } from "./entering.js";

const asked = Object.fromEntries(new URLSearchParams(location.search));

async function ask() {
  let wanted;
  try {
    wanted = await request(`identity/oauth/authorization?${new URLSearchParams(asked)}`);
  } catch (error) {
    if (error instanceof Refusal && error.problem.redirect_to) { location.replace(error.problem.redirect_to); return; }
    show(h("h1", {}, t("This app cannot be connected")), section(t("Something is wrong with its request"), h("p", { class: "form-error", role: "alert" }, told(error))));
    return;
  }
  const me = await request("identity/me");
  const scopes = wanted.scopes.map((scope) => h("li", { class: scope.is_medical ? "medical" : "" }, scope.description));
  const homepage = wanted.app.homepage ? h("a", { href: wanted.app.homepage, rel: "noreferrer noopener", target: "_blank" }, wanted.app.homepage) : "";
  const answer = (approve) => trying(async () => {
    const { redirect_to: onward } = await withProof(() => request("identity/oauth/authorization", { method: "POST", json: { ...asked, approve } }));
    location.assign(onward);
  });
  show(
    h("h1", {}, t("Connect %s?").replace("%s", wanted.app.name)),
    section(t("It asks to"), h("ul", { class: "scopes" }, ...scopes), homepage,
      h("p", { class: "hint" }, t("You are %s. The connection lasts 90 days at most, and you can end it at any time.").replace("%s", me.email)),
      h("div", { class: "actions" }, button(t("Allow"), () => answer(true), "primary"), button(t("No"), () => answer(false)))),
  );
}

if (isSignedIn()) ask(); else enter(ask);
