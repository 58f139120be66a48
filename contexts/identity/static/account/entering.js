/** Getting in: signing in with a password, a passkey or a provider, registering, a forgotten password. */

import { h, t } from "../live/dom.js";
import { Refusal, adopt, request, signIn } from "../live/api.js";
import { button, field, form, password, section, show, trying } from "./parts.js";
import { answerOf, isOffered } from "./passkeys.js";

/** Show the way in; `done()` is called once somebody is signed in. */
export async function enter(done, note = "") {
  const code = h("label", { class: "field", hidden: true }, t("Code from your authenticator app, or a recovery code"),
    h("input", { name: "otp", autocomplete: "one-time-code", inputmode: "numeric" }));
  const asked = form(
    [
      field(t("Email"), { name: "email", type: "email", autocomplete: "username webauthn", required: true }),
      password(t("Password"), { name: "password", autocomplete: "current-password" }),
      code,
    ],
    t("Sign in"),
    (values) => withSecondFactor(values, code, done),
  );
  const ways = h("div", { class: "actions" });
  if (isOffered()) ways.append(button(t("Sign in with a passkey"), () => trying(() => byPasskey(done))));
  show(h("h1", {}, t("Sign in")), section(t("Welcome back"), note ? h("p", { class: "good" }, note) : "", asked, ways,
    h("div", { class: "actions" }, button(t("Create an account"), () => register(done), "quiet"),
      button(t("Forgotten your password?"), () => forgotten(done), "quiet"))));
  offerProviders(ways);
}

async function withSecondFactor(values, code, done) {
  const { otp, ...known } = values;
  try {
    await signIn({ ...known, otp: otp || undefined });
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== "otp_required") throw error;
    const { mfa_methods: methods = ["totp"], passkey } = error.problem;
    if (passkey && !methods.includes("totp")) {
      const credential = await answerOf(passkey.options);
      adopt(await request("identity/login", { method: "POST", json: { ...known, passkey: { challenge_id: passkey.challenge_id, credential } } }));
      return done();
    }
    code.hidden = false;
    code.querySelector("input").focus();
    throw new Error(t("Now the code of your second factor."));
  }
  done();
}

async function byPasskey(done) {
  const asked = await request("identity/passkeys/sign-in/options", { method: "POST" });
  const credential = await answerOf(asked.options);
  adopt(await request("identity/passkeys/sign-in", { method: "POST", json: { challenge_id: asked.challenge_id, credential } }));
  done();
}

async function offerProviders(ways) {
  const { items = [] } = await request("identity/external/providers").catch(() => ({}));
  for (const provider of items) {
    ways.append(button(t("Sign in with %s").replace("%s", provider.label), () => trying(() => goTo(provider.name, "sign_in"))));
  }
}

/** Leave for a provider; what binds the answer to this tab stays here. */
export async function goTo(provider, purpose) {
  const begun = await request(`identity/external/${provider}/begin`, { method: "POST", json: { purpose } });
  sessionStorage.setItem("stayer.external", JSON.stringify({ state: begun.state, binding: begun.binding, purpose }));
  location.assign(begun.authorization_url);
}

/** A meter that asks the server how strong a password is, while it is being typed. */
export function strengthMeter(input, about = () => ({})) {
  const meter = h("div", { class: "meter", "data-score": "0" }, h("i", {}));
  const words = h("p", { class: "hint", "aria-live": "polite" });
  let timer = null;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      if (!input.value) return;
      const told = await request("identity/password/strength", { method: "POST", json: { password: input.value, ...about() } }).catch(() => null);
      if (!told) return;
      meter.dataset.score = told.score;
      words.textContent = told.acceptable ? told.hint : told.reasons[0];
    }, 250);
  });
  return h("div", { class: "form" }, meter, words);
}

function register(done) {
  const secret = password(t("Password"), { name: "password", autocomplete: "new-password" });
  const made = form(
    [
      field(t("Your name"), { name: "display_name", autocomplete: "name", required: true }),
      field(t("Email"), { name: "email", type: "email", autocomplete: "username", required: true }),
      secret,
      strengthMeter(secret.querySelector("input"), () => {
        const { email, display_name } = Object.fromEntries(new FormData(made));
        return { email, display_name };
      }),
      field(t("Birth date (never shown)"), { name: "birth_date", type: "date", autocomplete: "bday", required: true }),
    ],
    t("Create an account"),
    async (values) => {
      await request("identity/register", { method: "POST", json: values });
      posted(t("Look into your mailbox"), t("We have sent a link to confirm your address. It is good for three days."),
        () => request("identity/email/confirm/resend", { method: "POST", json: { email: values.email } }), done);
    },
  );
  show(h("h1", {}, t("Create an account")), section(t("Everything is private until you say otherwise."), made,
    button(t("I have an account"), () => enter(done), "quiet")));
}

function forgotten(done) {
  const made = form([field(t("Email"), { name: "email", type: "email", autocomplete: "username", required: true })], t("Send a link"),
    async (values) => {
      await request("identity/password/forgotten", { method: "POST", json: values });
      posted(t("Look into your mailbox"), t("If the address has an account, a link to choose a new password is on its way."), null, done);
    });
  show(h("h1", {}, t("Forgotten your password?")), section(t("It happens."), made, button(t("Back"), () => enter(done), "quiet")));
}

function posted(title, text, again, done) {
  show(h("h1", {}, title), section(title, h("p", {}, text), h("div", { class: "actions" },
    again ? button(t("Send it again"), () => trying(again)) : "", button(t("To sign-in"), () => enter(done), "quiet"))));
}
