/** The account page: the way in, and behind it everything one can look at and change. */

import { $, h, t } from "../live/dom.js";
import { isSignedIn, request, signOut, whenSignedOut } from "../live/api.js";
import { enter } from "./entering.js";
import { button, show } from "./parts.js";
import * as data from "./my_data.js";
import * as profile from "./my_profile.js";
import * as apps from "./my_apps.js";
import * as security from "./my_security.js";

const TABS = [
  ["profile", t("Profile"), profile.sections],
  ["security", t("Security"), security.sections],
  ["apps", t("Apps"), apps.sections],
  ["data", t("Your data"), data.sections],
];

async function open(name = location.hash.slice(1) || "profile") {
  const me = await request("identity/me");
  const chosen = TABS.find(([tab]) => tab === name) ?? TABS[0];
  $("corner").replaceChildren(button(t("Sign out"), () => signOut(), "quiet"));
  const tabs = TABS.map(([tab, text]) => h("button", {
    class: "button", type: "button", role: "tab", "aria-selected": String(tab === chosen[0]),
    onclick: () => { if (tab !== chosen[0]) { history.replaceState(null, "", `#${tab}`); open(tab); } },
  }, text));
  const again = () => open(chosen[0]);
  const parts = await chosen[2](me, again);
  show(h("h1", {}, me.display_name), h("div", { class: "tabs", role: "tablist", "aria-label": t("Account") }, ...tabs), ...parts);
}

function start(note) {
  $("corner").replaceChildren();
  enter(() => open(), note);
}

whenSignedOut(() => start());
if (isSignedIn()) open().catch(() => start());
else start(new URLSearchParams(location.search).has("confirmed") ? t("Your address is confirmed. Sign in to begin.") : "");
