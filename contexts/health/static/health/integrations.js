/** Accounts at vendors: whoever comes back from one is connected; then all of them, and how far they are. */

import { h, t } from "../live/dom.js";
import { request } from "../live/api.js";
import { button, moment, section, show, told, trying } from "../account/parts.js";

const KEPT = "stayer.integration";
const TITLE = t("Connected accounts");
const STATES = {
  connected: t("Connected"),
  needs_reconnect: t("Has to be connected anew"),
};

async function comeBack() {
  const back = new URLSearchParams(location.search);
  const kept = sessionStorage.getItem(KEPT);
  if (!back.size) return;
  sessionStorage.removeItem(KEPT);
  history.replaceState(null, "", location.pathname);
  if (!kept || kept !== back.get("state") || !back.get("code")) {
    throw new Error(back.get("error_description") ?? t("This was not begun in this tab, or was called off."));
  }
  const json = { state: kept, code: back.get("code") };
  await request("health/integrations/complete", { method: "POST", json });
}

async function connect(vendor) {
  const begun = await request("health/integrations", { method: "POST", json: { vendor } });
  sessionStorage.setItem(KEPT, begun.state);
  location.assign(begun.authorization_url);
}

async function disconnect(connection) {
  await request(`health/integrations/${connection.connection_id}`, { method: "DELETE" });
  await showAll();
}

function account(one) {
  const { done, portions } = one.backfill;
  return section(one.label,
    h("p", {}, STATES[one.state] ?? one.state),
    one.devices.length ? h("p", {}, one.devices.join(", ")) : "",
    one.synced_at ? h("p", { class: "hint" }, t("Last readings: {time}", { time: moment(one.synced_at) })) : "",
    done < portions ? h("progress", { max: portions, value: done, "aria-label": t("Fetching your past") }) : "",
    one.state === "needs_reconnect" ? button(t("Connect anew"), () => trying(() => connect(one.vendor)), "primary") : "",
    button(t("Disconnect"), () => trying(() => disconnect(one))));
}

function offer(vendor) {
  const act = button(t("Connect"), () => trying(() => connect(vendor.vendor)), "primary");
  act.disabled = !vendor.available;
  return section(vendor.label, vendor.available ? "" : h("p", { class: "hint" }, t("Not available here.")), act);
}

async function showAll() {
  const [vendors, listed] = await Promise.all([request("health/integrations/vendors"), request("health/integrations")]);
  const accounts = await Promise.all(listed.items.map((one) => request(`health/integrations/${one.connection_id}`)));
  const free = vendors.items.filter((vendor) => !accounts.some((one) => one.vendor === vendor.vendor));
  show(h("h1", {}, TITLE), ...accounts.map(account), ...free.map(offer));
}

show(h("h1", {}, TITLE), section(t("One moment …")));
comeBack().then(showAll).catch((error) => show(h("h1", {}, TITLE),
  section(t("This did not work"), h("p", { class: "form-error", role: "alert" }, told(error)),
    h("a", { class: "button primary", href: "/account/integrations" }, t("Again")))));
