/** Apps one has let in, apps one has written, coaches one has named. */

import { h, t } from "../live/dom.js";
import { request } from "../live/api.js";
import { button, field, form, moment, section, trying, withProof } from "./parts.js";

const SCOPES = ["profile:read", "workout:read", "workout:write", "health:read", "health:write", "social:read", "social:write", "gamification:read", "gamification:write"];

export async function sections(me, again) {
  const [connected, own, coaches] = await Promise.all([
    request("identity/connected-apps"), request("identity/apps"), request("identity/coaches"),
  ]);
  return [
    section(t("Connected apps"), ...letIn(connected.items, again)),
    section(t("Connected accounts"),
      h("a", { class: "button", href: "/account/integrations" }, t("Scales, watches and rings with a cloud of their own"))),
    section(t("Your coaches"), ...coached(coaches.items, again)),
    section(t("Apps you have written"), ...written(own.items, again)),
  ];
}

function letIn(items, again) {
  if (!items.length) return [h("p", { class: "hint" }, t("No app acts for you."))];
  return items.map((app) => h("div", { class: "row" },
    h("div", {}, h("strong", {}, app.name), h("span", { class: "hint" }, `${app.scopes.join(", ")} · ${t("Last used")} ${moment(app.last_used_at)}`)),
    button(t("Disconnect"), () => trying(async () => { await request(`identity/connected-apps/${app.id}`, { method: "DELETE" }); again(); }), "quiet")));
}

function coached(items, again) {
  const rows = items.map((grant) => h("div", { class: "row" },
    h("div", {}, h("strong", {}, grant.display_name), h("span", { class: "hint" }, grant.scopes.join(", "))),
    button(t("End"), () => trying(async () => { await request(`identity/coaches/${grant.coach_id}`, { method: "DELETE" }); again(); }), "quiet")));
  const adding = form([field(t("Your coach's id"), { name: "coach_id", required: true }),
    h("label", { class: "check" }, h("input", { type: "checkbox", name: "health" }), t("They may see my health data too"))], t("Let them see my workouts"),
    async ({ coach_id, health }) => {
      const scopes = health ? ["workout:read", "health:read"] : ["workout:read"];
      await withProof(() => request("identity/coaches", { method: "POST", json: { coach_id, scopes } }));
      again();
    });
  return [...rows, adding];
}

function written(items, again) {
  const rows = items.map((app) => h("div", { class: "row" },
    h("div", {}, h("strong", {}, app.name), h("span", { class: "hint" }, `${app.client_id} · ${app.is_public ? t("public") : t("confidential")}`)),
    button(t("Remove"), () => trying(async () => { await withProof(() => request(`identity/apps/${app.id}`, { method: "DELETE" })); again(); }), "quiet")));
  const shown = h("div", {});
  const boxes = SCOPES.map((scope) => h("label", { class: "check" }, h("input", { type: "checkbox", name: scope, checked: scope === "workout:read" }), scope));
  const adding = form(
    [
      field(t("Name"), { name: "name", required: true, maxlength: 80 }),
      field(t("Homepage"), { name: "homepage", type: "url" }),
      field(t("Address to return to"), { name: "redirect_uri", required: true, placeholder: "https://" }),
      ...boxes,
      h("label", { class: "check" }, h("input", { type: "checkbox", name: "confidential" }), t("It can keep a secret (it runs on a server)")),
    ],
    t("Register"),
    async ({ name, homepage, redirect_uri, ...ticked }) => {
      const json = { name, homepage, redirect_uris: [redirect_uri], scopes: SCOPES.filter((scope) => ticked[scope]), confidential: Boolean(ticked.confidential) };
      const made = await withProof(() => request("identity/apps", { method: "POST", json }));
      shown.replaceChildren(h("p", { class: "code" }, `client_id ${made.client_id}`),
        made.client_secret ? h("p", { class: "code" }, `client_secret ${made.client_secret}`) : "",
        button(t("I have kept them"), again, "primary"));
    },
  );
  return [...rows, shown, adding];
}
