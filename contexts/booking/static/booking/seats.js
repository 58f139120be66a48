/** Places with names: a plan in which one chooses, and which follows what others take. */

import { h, t, toast } from "../live/dom.js";
import { request } from "../live/api.js";
import { money } from "./words.js";

/** The plan of a numbered event: its element, the places chosen, and `look` to ask which are still free. */
export function seatChoice(event, most) {
  const element = h("div", { class: "plan" }, h("p", { class: "hint" }, t("Choose your places; those of others are crossed out.")));
  const boxes = new Map();
  const look = async () => {
    const { seats } = await request(`booking/events/${event.id}/seats`);
    if (!boxes.size) element.append(...event.ticket_types.map((type) => group(type, seats, event.currency, boxes)));
    for (const seat of seats) mark(boxes.get(seat.label), seat);
    keepWithin(boxes, most);
  };
  element.addEventListener("change", () => keepWithin(boxes, most));
  look().catch((error) => toast(error.message));
  return { element, look, places: () => chosen(event, boxes) };
}

/** The seats of one ticket type. */
function group(type, seats, currency, boxes) {
  const shown = seats.filter((seat) => seat.ticket_type_id === type.id).map((seat) => {
    const box = h("input", { type: "checkbox", value: seat.label, "data-type": type.id });
    boxes.set(seat.label, box);
    return h("label", { class: "seat" }, box, h("span", {}, seat.label));
  });
  return h("fieldset", {}, h("legend", {}, `${type.name} · ${money(type.price_minor, currency)}`), h("div", { class: "seats" }, ...shown));
}

/** What somebody else took meanwhile is not chosen any more. */
function mark(box, { label, is_free: isFree }) {
  if (!box) return;
  box.dataset.taken = String(!isFree);
  if (isFree || !box.checked) return;
  box.checked = false;
  box.dispatchEvent(new Event("input", { bubbles: true }));
  toast(t("{seat} has just been taken.", { seat: label }));
}

/** Nobody can choose what is taken, nor more than a booking may have. */
function keepWithin(boxes, most) {
  const isFull = [...boxes.values()].filter((box) => box.checked).length >= most;
  for (const box of boxes.values()) box.disabled = box.dataset.taken === "true" || (isFull && !box.checked);
}

function chosen(event, boxes) {
  return event.ticket_types.map((type) => {
    const seats = [...boxes.values()].filter((box) => box.checked && box.dataset.type === type.id).map((box) => box.value);
    return { ticket_type_id: type.id, quantity: seats.length, seats };
  }).filter((one) => one.quantity);
}
