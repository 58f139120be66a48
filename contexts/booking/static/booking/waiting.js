/** The waitlist of a full event: standing in it, seeing how far one has come, leaving it. */

import { h, number, t } from "../live/dom.js";
import { request } from "../live/api.js";
import { button, choice, field, form, trying } from "../account/parts.js";

const REASONS = {
  others_come_first: t("Others come before you."),
  not_enough_free: t("No place is free yet. You are next."),
  ticket_type_full: t("The ticket you want is full. You are next."),
};

/** Where the person stands, or the way into the line; `again` draws it anew. */
export function waiting(stage, event, standing, again) {
  return standing ? standingIn(event, standing, again) : joining(event, again);
}

function standingIn(event, { position, reason, quantity }, again) {
  const leave = button(t("Leave the waitlist"), () => trying(async () => {
    await request(`booking/events/${event.id}/waitlist`, { method: "DELETE" });
    await again();
  }));
  return h("div", { class: "mine" },
    h("p", { role: "status" }, h("span", {}, t("You are on the waitlist.")), " ",
      h("strong", { id: "position" }, t("Your position: {position}", { position: number(position) }))),
    h("p", { class: "hint" }, REASONS[reason] ?? "", " ", quantity > 1 ? t("You wait for {quantity} places.", { quantity: number(quantity) }) : ""),
    h("div", { class: "actions" }, leave));
}

function joining(event, again) {
  const types = [["", t("Any")], ...event.ticket_types.map((type) => [type.id, type.name])];
  const most = Math.min(10, event.capacity);
  const asked = form(
    [
      field(t("How many places"), { name: "quantity", type: "number", min: 1, max: most, value: 1, inputmode: "numeric", required: true }),
      ...(event.ticket_types.length > 1 ? [choice(t("Ticket"), "ticket_type_id", types, "")] : []),
    ],
    t("Join the waitlist"),
    async ({ quantity, ticket_type_id: type }) => {
      const json = { quantity: Number(quantity), ticket_type_id: type || null };
      await request(`booking/events/${event.id}/waitlist`, { method: "POST", json });
      await again();
    },
  );
  return h("div", { class: "mine" }, h("p", {}, t("All places are taken. A place that becomes free is kept for the first in line.")), asked);
}
