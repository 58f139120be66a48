/** What one has agreed to, who looked, taking everything along, and leaving. */

import { h, t, toast } from "../live/dom.js";
import { request } from "../live/api.js";
import { button, form, moment, password, section, show, told, trying, withProof } from "./parts.js";

const PURPOSES = {
  terms: t("The terms of use"),
  health_processing: t("Stayer may process the health data my devices send"),
  marketing: t("Stayer may send me news and tips"),
};

export async function sections(me, again) {
  const [consents, exports, audit, membership] = await Promise.all([
    request("identity/consents"), request("identity/exports"), request("identity/audit?limit=20"), request("identity/membership"),
  ]);
  return [
    section(t("What you have agreed to"), ...agreed(consents.purposes ?? consents.items ?? [], again)),
    section(t("Membership"), h("p", {}, TIERS[membership.tier], membership.until ? h("span", { class: "hint" }, ` · ${t("until")} ${moment(membership.until)}`) : "")),
    section(t("Who looked, what happened"), ...trail(audit.items)),
    section(t("Take everything along"), ...taking(exports.items, again)),
    section(t("Erase the account"), ...leaving()),
  ];
}

function agreed(purposes, again) {
  return purposes.filter((one) => one.purpose !== "terms").map((one) => {
    const box = h("input", { type: "checkbox", checked: one.given, name: one.purpose });
    box.addEventListener("change", () => trying(async () => {
      const json = { purpose: one.purpose, version: one.version_in_force, given: box.checked };
      await request("identity/consents", { method: "POST", json });
      toast(t("Saved."));
      again();
    }));
    return h("label", { class: "check" }, box, h("span", {}, PURPOSES[one.purpose] ?? one.purpose,
      one.decided_at ? h("span", { class: "hint" }, ` · ${moment(one.decided_at)}`) : ""));
  });
}

const TIERS = { free: t("Free"), premium: t("Premium"), pro: t("PRO") };

const WHO = { person: t("Somebody"), staff: t("Staff"), app: t("An app"), system: t("Stayer") };

const HAPPENED = {
  "identity.user_registered": t("The account was opened"), "identity.email_confirmed": t("The address was confirmed"),
  "identity.user_authenticated": t("Signed in"), "identity.session_revoked": t("A session ended"),
  "identity.credentials_changed": t("A way into the account was changed"), "identity.profile_updated": t("The profile was changed"),
  "identity.consent_changed": t("A consent was given or withdrawn"), "identity.membership_changed": t("The membership changed"),
  "identity.coaching_changed": t("What a coach may see was changed"), "identity.role_changed": t("A role was given or taken away"),
  "identity.person_blocked": t("The account was blocked"), "identity.person_unblocked": t("The account was unblocked"),
  "identity.user_export_requested": t("The data were asked for"), "health.medical_data_read": t("Looked at health data"),
  "workout.viewed": t("Looked at a workout"), "workout.schedule_viewed": t("Looked at a schedule"), "admin.looked_at": t("Looked at your page"), "admin.listed": t("Saw you in a list"),
};

const ROLES = {
  moderator: t("A moderator"), support: t("Support"), operator: t("An operator"), medical_reviewer: t("A medical reviewer"),
  superuser: t("An operator"),
};

function trail(items) {
  if (!items.length) return [h("p", { class: "hint" }, t("Nothing yet."))];
  return items.map((one) => h("div", { class: "row" },
    h("div", {}, h("strong", {}, one.is_self ? t("You") : one.app ?? ROLES[one.role] ?? WHO[one.actor_kind]), h("span", { class: "hint" }, `${HAPPENED[one.action] ?? one.action} · ${moment(one.at)}`))));
}

function taking(items, again) {
  const rows = items.map((one) => h("div", { class: "row" },
    h("div", {}, h("strong", {}, moment(one.requested_at)), h("span", { class: "hint" }, one.ready_at ? t("Ready") : `${t("Being collected:")} ${one.done.length} / ${one.done.length + one.waiting.length}`)),
    one.ready_at ? button(t("Download"), () => trying(() => withProof(() => download(one.id)))) : button(t("Look again"), again, "quiet")));
  return [h("p", { class: "hint" }, t("One archive with all that Stayer keeps about you. It is there for a day.")), ...rows,
    button(t("Collect my data"), () => trying(async () => { await withProof(() => request("identity/exports", { method: "POST" })); again(); }), "primary")];
}

async function download(id) {
  const { access } = JSON.parse(sessionStorage.getItem("stayer.tokens"));
  const answer = await fetch(`/api/v1/identity/exports/${id}/archive`, { headers: { Authorization: `Bearer ${access}` } });
  if (!answer.ok) {
    await request(`identity/exports/${id}/archive`);
    return;
  }
  const url = URL.createObjectURL(await answer.blob());
  h("a", { href: url, download: "stayer.zip" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function leaving() {
  const sure = h("label", { class: "check" }, h("input", { type: "checkbox", name: "sure", required: true }), t("I know that nothing can be brought back"));
  const made = form([password(t("Password"), { name: "password", autocomplete: "current-password" }), sure], t("Erase my account"),
    async ({ password: secret, sure: ticked }) => {
      if (!ticked) throw new Error(t("Tick the box first."));
      const begun = await withProof(() => request("identity/erasure", { method: "POST", json: { password: secret } }));
      sessionStorage.removeItem("stayer.tokens");
      receipt(begun.erasure_id);
    });
  return [h("p", {}, t("Your account is shut at once, and everything about you is erased everywhere.")), made];
}

async function receipt(id) {
  const state = h("p", { id: "erasure-state" }, t("Being erased …"));
  show(h("h1", {}, t("Farewell")), section(t("Your account is erased."), state, h("p", { class: "hint" }, t("Your receipt:")), h("p", { class: "code" }, id)));
  for (let tries = 0; tries < 60; tries += 1) {
    try {
      const seen = await request(`identity/erasures/${id}`);
      state.textContent = seen.completed_at ? t("Done. Nothing of you is left.") : `${t("Erased in:")} ${seen.done.join(", ")}`;
      if (seen.completed_at) return;
    } catch (error) {
      state.textContent = told(error);
    }
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
  }
}
