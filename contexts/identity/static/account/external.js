/** Coming back from a provider. */

import { h, t } from "../live/dom.js";
import { Refusal, adopt, request } from "../live/api.js";
import { field, form, section, show, told } from "./parts.js";
import { answerOf } from "./passkeys.js";

const KEPT = "stayer.external";
const post = (path, json) => request(`identity/external/${path}`, { method: "POST", json });
const entered = (tokens) => { adopt(tokens); location.replace("/account/"); };

async function comeBack() {
  const back = new URLSearchParams(location.search);
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  sessionStorage.removeItem(KEPT);
  history.replaceState(null, "", location.pathname);
  if (!kept || kept.state !== back.get("state") || !back.get("code")) {
    throw new Error(back.get("error_description") ?? t("This sign-in was not begun in this tab, or was called off."));
  }
  const json = { state: kept.state, code: back.get("code"), binding: kept.binding, iss: back.get("iss") ?? "" };
  try {
    const made = await post("complete", json);
    if (made.outcome === "linked") location.replace("/account/#security");
    else if (made.outcome === "signed_in") entered(made);
    else askForRest(made);
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== "otp_required") throw error;
    await askForFactor(error.problem);
  }
}

function askForRest({ ticket, display_name: name }) {
  const made = form(
    [field(t("Your name"), { name: "display_name", value: name ?? "", required: true }), field(t("Birth date (never shown)"), { name: "birth_date", type: "date", required: true })],
    t("Create an account"),
    async (values) => entered(await post("register", { ticket, ...values })),
  );
  show(h("h1", {}, t("Almost there")), section(t("What your provider does not tell"), made));
}

async function askForFactor({ ticket, mfa_methods: methods = ["totp"], passkey }) {
  if (passkey && !methods.includes("totp")) {
    const credential = await answerOf(passkey.options);
    entered(await post("second-factor", { ticket, passkey: { challenge_id: passkey.challenge_id, credential } }));
    return;
  }
  let current = ticket;
  const made = form([field(t("Code from your authenticator app, or a recovery code"), { name: "otp", autocomplete: "one-time-code" })], t("Continue"),
    async ({ otp }) => {
      try {
        entered(await post("second-factor", { ticket: current, otp }));
      } catch (error) {
        current = error.problem?.ticket ?? current;
        throw error;
      }
    });
  show(h("h1", {}, t("Is it you?")), section(t("Second factor"), made));
}

show(h("h1", {}, t("Sign in")), section(t("One moment …")));
comeBack().catch((error) => show(h("h1", {}, t("This did not work")),
  section(t("This did not work"), h("p", { class: "form-error", role: "alert" }, told(error)), h("a", { class: "button primary", href: "/account/" }, t("To sign-in")))));
