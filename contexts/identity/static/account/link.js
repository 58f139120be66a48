/** Pages behind the links in mails: confirming, a new password, a new address, an open door. */

import { $, h, t } from "../live/dom.js";
import { request } from "../live/api.js";
import { form, password, section, show, takeFragment, told } from "./parts.js";
import { strengthMeter } from "./entering.js";

const token = takeFragment();
const post = (path, json) => request(`identity/${path}`, { method: "POST", json: { token, ...json } });
const toAccount = (text) => h("a", { class: "button primary", href: "/account/" }, text);

function done(title, text) {
  show(h("h1", {}, title), section(title, h("p", {}, text), toAccount(t("To sign-in"))));
}

const PAGES = {
  confirm() {
    const made = form([password(t("The password you chose"), { name: "password", autocomplete: "current-password" })], t("Confirm"),
      async (values) => { await post("email/confirm", values); location.assign("/account/?confirmed"); });
    show(h("h1", {}, t("Confirm your address")), section(t("One step left"), made,
      h("p", { class: "hint" }, t("If you have not registered, close this page, or ask for a new password: the account becomes yours."))));
  },
  reset() {
    const fresh = password(t("New password"), { name: "password", autocomplete: "new-password" });
    const made = form([fresh, strengthMeter(fresh.querySelector("input"))], t("Set the password"),
      async (values) => { await post("password/reset", values); done(t("Your password is set"), t("All devices are signed out. Your second factor is as it was.")); });
    show(h("h1", {}, t("A new password")), section(t("Choose well"), made));
  },
  email() {
    act("email/change/confirm", t("Your new address counts"), t("Sign in with it from now on."));
  },
  unlock() {
    act("unlock", t("The door is open again"), t("You can sign in."));
  },
};

async function act(path, title, text) {
  try {
    await post(path);
    done(title, text);
  } catch (error) {
    show(h("h1", {}, t("This did not work")), section(t("This did not work"), h("p", { class: "form-error", role: "alert" }, told(error)), toAccount(t("To sign-in"))));
  }
}

PAGES[$("link").dataset.purpose]();
