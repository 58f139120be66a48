/** What every account page is made of: words in the reader's language, forms that say what is wrong, sections. */

import { $, h, t, toast } from "../live/dom.js";
import { Refusal, adopt, request } from "../live/api.js";
import { answerOf } from "./passkeys.js";

/** A button. */
export const button = (text, onclick, kind = "") => h("button", { class: `button ${kind}`, type: "button", onclick }, text);

/** A labelled input. */
export function field(label, attributes) {
  return h("label", { class: "field" }, label, h("input", { ...attributes }));
}

/** A labelled choice of `[value, text]`. */
export function choice(label, name, options, chosen) {
  const made = options.map(([value, text]) => h("option", { value, selected: value === chosen }, text));
  return h("label", { class: "field" }, label, h("select", { name }, ...made));
}

/** A password with a button to look at it. */
export function password(label, attributes) {
  const input = h("input", { type: "password", required: true, ...attributes });
  const look = h("button", { class: "link-button hint", type: "button" }, t("Show"));
  look.addEventListener("click", () => {
    const shown = input.type === "text";
    input.type = shown ? "password" : "text";
    look.textContent = shown ? t("Show") : t("Hide");
  });
  return h("div", {}, h("label", { class: "field" }, label, input), look);
}

/** A form: `send(values)` is awaited, its refusal is shown below the fields. */
export function form(parts, submit, send) {
  const problem = h("p", { class: "form-error", role: "alert", hidden: true });
  const go = h("button", { class: "button primary", type: "submit" }, submit);
  const made = h("form", { class: "form", novalidate: true }, ...parts, problem, go);
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    problem.hidden = true;
    try {
      await send(Object.fromEntries(new FormData(made)), made);
    } catch (error) {
      problem.textContent = told(error);
      problem.hidden = false;
    } finally {
      go.disabled = false;
    }
  });
  return made;
}

/** Why something was refused, in words. */
export function told(error) {
  const all = error instanceof Refusal ? error.problem.errors : null;
  return all?.length ? all.map((one) => one.detail).join(" ") : error.message;
}

/** Try something; a refusal becomes a short message. */
export async function trying(act) {
  try { return await act(); } catch (error) { toast(told(error)); return undefined; }
}

/** A card with a heading. */
export const section = (title, ...parts) => h("section", { class: "card section" }, h("h2", {}, title), ...parts);

/** Replace the page. */
export function show(...parts) {
  const page = $("page");
  page.replaceChildren(...parts.flat());
  page.classList.toggle("narrow", parts.length <= 2);
  page.focus();
}

/** A moment as people write it. */
const MOMENT = new Intl.DateTimeFormat(document.documentElement.lang || "en", { dateStyle: "medium", timeStyle: "short" });
export const moment = (value) => MOMENT.format(new Date(value));

/** What the token behind `#` is; it leaves the address bar at once. */
export function takeFragment() {
  const token = location.hash.slice(1);
  if (token) history.replaceState(null, "", location.pathname + location.search);
  return decodeURIComponent(token);
}

/** Ask, and where the second factor is wanted let the person show it and ask again. */
export async function withProof(ask) {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof Refusal) || !["mfa_required", "sign_in_again"].includes(error.code)) throw error;
    await prove();
    return ask();
  }
}

/** A dialogue that ends when the person has shown who they are, or says no. */
async function prove() {
  const factors = await request("identity/mfa");
  const enrolled = factors.totp || factors.passkeys.length;
  return new Promise((resolve, reject) => {
    const dialog = h("dialog", {});
    const done = (grant) => { adopt(grant); dialog.close(); dialog.remove(); resolve(); };
    const stop = () => { dialog.remove(); reject(new Error(t("Nothing was changed."))); };
    const byCode = form(
      [field(t("Code from your authenticator app, or a recovery code"), { name: "code", autocomplete: "one-time-code", inputmode: "numeric" })],
      t("Continue"),
      async ({ code }) => done(await request("identity/mfa/step-up", { method: "POST", json: { code } })),
    );
    const byKey = button(t("Use a passkey"), () => trying(async () => {
      const asked = await request("identity/mfa/step-up/passkey/options", { method: "POST" });
      const credential = await answerOf(asked.options);
      done(await request("identity/mfa/step-up/passkey", { method: "POST", json: { challenge_id: asked.challenge_id, credential } }));
    }), "primary");
    const none = h("p", {}, t("For this you need a recent sign-in or a second factor. Sign out and in again, and add a second factor under Security."));
    dialog.append(h("div", { class: "form" }, h("h2", {}, t("Is it you?")),
      ...(enrolled ? [factors.totp ? byCode : null, factors.passkeys.length ? byKey : null] : [none]),
      button(t("Cancel"), () => { dialog.close(); stop(); }, "quiet")));
    dialog.addEventListener("cancel", stop);
    document.body.append(dialog);
    dialog.showModal();
  });
}
