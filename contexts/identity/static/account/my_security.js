/** The ways into the account, and what is signed in. */

import { h, t, toast } from "../live/dom.js";
import { adopt, request, signOut } from "../live/api.js";
import { button, field, form, moment, password, section, trying, withProof } from "./parts.js";
import { goTo, strengthMeter } from "./entering.js";
import { isOffered, newCredential } from "./passkeys.js";

const post = (path, json) => request(`identity/${path}`, { method: "POST", json });
const remove = (path, json) => request(`identity/${path}`, { method: "DELETE", json });

export async function sections(me, again) {
  const [factors, open, accounts, providers] = await Promise.all([
    request("identity/mfa"), request("identity/sessions?limit=50"),
    request("identity/external/accounts"), request("identity/external/providers"),
  ]);
  return [
    section(t("Second factor"), ...secondFactor(factors, again)),
    section(t("Passkeys"), ...keys(factors, again)),
    section(t("Where you are signed in"), ...sessions(open.items, again)),
    section(t("Password"), newPassword()),
    section(t("Email"), h("p", {}, me.email), newAddress()),
    ...(providers.items.length ? [section(t("Other ways to sign in"), ...external(accounts.items, providers.items, again))] : []),
  ];
}

function secondFactor(factors, again) {
  if (!factors.totp) {
    return [h("p", {}, t("An authenticator app shows a code that changes every half minute. Medical data open with a second factor only.")),
      button(t("Add an authenticator app"), (event) => trying(() => enrol(event.target.closest("section"), again)), "primary")];
  }
  const left = h("p", { class: "hint" }, `${t("Recovery codes left:")} ${factors.recovery_codes_left}`);
  const off = form([field(t("Code from your authenticator app, or a recovery code"), { name: "code", autocomplete: "one-time-code" })], t("Remove the app"),
    async ({ code }) => { await withProof(() => remove("mfa/totp", { code })); again(); });
  return [h("p", { class: "good" }, t("Your authenticator app is on.")), left,
    button(t("New recovery codes"), (event) => trying(async () => {
      const { recovery_codes: codes } = await withProof(() => post("mfa/recovery-codes"));
      event.target.replaceWith(shownOnce(codes));
    })), off];
}

const shownOnce = (codes) => h("div", { class: "form" },
  h("p", {}, t("Keep these recovery codes in a safe place. Each opens your account once, and they are shown this once only.")),
  h("div", { class: "codes", id: "recovery-codes" }, ...codes.map((code) => h("span", {}, code))));

async function enrol(place, again) {
  const made = await withProof(() => post("mfa/totp"));
  const proof = form([field(t("The six digits it shows"), { name: "code", autocomplete: "one-time-code", inputmode: "numeric", required: true })], t("Turn it on"),
    async ({ code }) => {
      const done = await post("mfa/totp/confirm", { code });
      adopt(done);
      place.replaceChildren(h("h2", {}, t("Second factor")), h("p", { class: "good" }, t("Your authenticator app is on.")),
        shownOnce(done.recovery_codes), button(t("I have kept them"), again, "primary"));
    });
  place.replaceChildren(h("h2", {}, t("Second factor")), h("p", {}, t("Scan this with your authenticator app, or type the letters into it.")),
    h("img", { class: "qr", src: made.qr, alt: t("The same as a picture to scan") }), h("p", { class: "code", id: "totp-secret" }, made.secret), proof);
}

function keys(factors, again) {
  const rows = factors.passkeys.map((key) => h("div", { class: "row" },
    h("div", {}, h("strong", {}, key.name), h("span", { class: "hint" }, key.last_used_at ? `${t("Last used")} ${moment(key.last_used_at)}` : t("Not used yet"))),
    button(t("Remove"), () => trying(async () => { await withProof(() => remove(`passkeys/${key.id}`)); again(); }), "quiet")));
  if (!isOffered()) return [...rows, h("p", { class: "hint" }, t("This browser has no passkeys."))];
  const adding = form([field(t("A name for it, for example this laptop"), { name: "name", maxlength: 40, required: true })], t("Add a passkey"),
    async ({ name }) => {
      const asked = await withProof(() => post("passkeys/options"));
      const credential = await newCredential(asked.options);
      const { recovery_codes: codes = [] } = await post("passkeys", { name, challenge_id: asked.challenge_id, credential });
      if (codes.length) adding.replaceWith(h("div", { class: "form" }, shownOnce(codes), button(t("I have kept them"), again, "primary")));
      else again();
      toast(t("The passkey is added."));
    });
  return [h("p", { class: "hint" }, t("A passkey signs you in without a password: by your fingerprint, your face or the PIN of your device.")), ...rows, adding];
}

function sessions(items, again) {
  const rows = items.map((one) => h("div", { class: "row" },
    h("div", {}, h("strong", {}, one.app ? one.app.name : one.device || t("Unknown device")),
      h("span", { class: "hint" }, `${one.network} · ${t("Last seen")} ${moment(one.last_seen_at)}`)),
    one.is_current ? h("span", { class: "tag" }, t("Here"))
      : button(t("End"), () => trying(async () => { await remove(`sessions/${one.id}`); again(); }), "quiet")));
  return [h("div", {}, ...rows), h("div", { class: "actions" },
    button(t("Sign out everywhere else"), () => trying(async () => { await remove("sessions"); again(); })),
    button(t("Sign out"), () => signOut(), "quiet"))];
}

function newPassword() {
  const fresh = password(t("New password"), { name: "new_password", autocomplete: "new-password" });
  const made = form([password(t("Password as it is"), { name: "password", autocomplete: "current-password" }), fresh, strengthMeter(fresh.querySelector("input"))],
    t("Change the password"),
    async (values) => { adopt(await post("password/change", values)); made.reset(); toast(t("Changed. All other devices are signed out.")); });
  return made;
}

function newAddress() {
  const made = form([field(t("New email"), { name: "email", type: "email", required: true }), password(t("Password"), { name: "password", autocomplete: "current-password" })],
    t("Change the email"),
    async (values) => { await post("email/change", values); made.reset(); toast(t("A link is on its way to the new address.")); });
  return made;
}

function external(accounts, providers, again) {
  const label = (name) => providers.find((one) => one.name === name)?.label ?? name;
  const rows = accounts.map((one) => h("div", { class: "row" }, h("div", {}, h("strong", {}, label(one.provider)), h("span", { class: "hint" }, moment(one.linked_at))),
    button(t("Unlink"), () => trying(async () => { await withProof(() => remove(`external/accounts/${one.id}`)); again(); }), "quiet")));
  const free = providers.filter((one) => !accounts.some((linked) => linked.provider === one.name));
  return [...rows, h("div", { class: "actions" }, ...free.map((one) =>
    button(t("Link %s").replace("%s", one.label), () => trying(() => withProof(() => goTo(one.name, "link"))))))];
}
