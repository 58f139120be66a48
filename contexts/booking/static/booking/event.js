/** One event: what it is, how many places are free as it happens, and choosing some of them. */

import { freshId, h, number, sportName, t, toast } from "../live/dom.js";
import { follow, isSignedIn, request } from "../live/api.js";
import { button, section } from "../account/parts.js";
import { EVENT_STATES, cancelReason, countdown, freeWords, isActive, localMoment, localSpan, money, soon, statusOf, why } from "./words.js";
import { seatChoice } from "./seats.js";
import { waiting } from "./waiting.js";

const MOST_PLACES = 10;

/** Show one event and follow it. */
export async function open(stage, id) {
  const event = await request(`booking/events/${id}`);
  const places = placesLine(event);
  const area = h("div", { class: "area" });
  const board = { stage, id, area, places, drawn: "", seats: null };
  stage.show(event.title, facts(event), section(t("Places"), places.element, area));
  await redraw(board, event);
  if (!isSignedIn()) return;
  const again = soon(() => { if (stage.isOpen()) redraw(board).catch((error) => toast(why(error))); });
  const line = follow(`booking/events/${id}`, {
    onFrame: (frame) => {
      if (frame.type === "places") places.show(frame);
      if (frame.type === "offer" && frame.sport_event_id === id) toast(t("A place has become free for you."));
      again();
    },
  });
  stage.onLeave(() => line.close());
}

/** What one decides by. */
function facts(event) {
  const state = EVENT_STATES[event.status];
  return section(sportName(event.sport),
    state ? h("p", { class: "danger", role: "alert" }, [state, cancelReason(event)].filter(Boolean).join(": ")) : "",
    h("dl", { class: "facts" },
      ...fact(t("When"), localSpan(event)),
      ...fact(t("Where"), [event.venue, event.address].filter(Boolean).join(", ")),
      ...fact(t("For"), ages(event)),
      ...fact(t("If you cancel"), event.ticket_types.some((one) => one.price_minor) ? policy(event) : "")),
    event.description ? h("p", { class: "text" }, event.description) : "");
}

const fact = (name, value) => (value ? [h("dt", {}, name), h("dd", {}, value)] : []);

function ages({ min_age: from, max_age: to }) {
  if (from !== null && to !== null) return t("ages {from} to {to}", { from, to });
  if (from !== null) return t("ages {from} and over", { from });
  return to !== null ? t("ages up to {to}", { to }) : "";
}

/** How much comes back until when. */
function policy({ refund_tiers: tiers }) {
  if (!tiers.length) return t("No money comes back.");
  const ordered = [...tiers].sort((one, other) => other.hours - one.hours);
  return ordered.map(({ hours, percent }) => t("{percent}% back until {hours} h before", { percent, hours })).join(", ");
}

/** The counts, which change by themselves. */
function placesLine(event) {
  const words = h("strong", { id: "free-places" });
  const meter = h("div", { class: "meter", "aria-hidden": "true" }, h("i", {}));
  const show = ({ free, capacity, waiting: line }) => {
    const said = [freeWords({ free, capacity }), line ? t("{waiting} waiting", { waiting: number(line) }) : ""].filter(Boolean).join(" · ");
    if (words.textContent !== said) words.textContent = said;
    meter.firstChild.style.width = `${capacity ? (100 * (capacity - free)) / capacity : 0}%`;
  };
  show(countsOf(event));
  return { show, element: h("div", { class: "counts" }, h("p", { role: "status" }, words), meter) };
}

const countsOf = ({ free_places: free, capacity, waiting: line }) => ({ free, capacity, waiting: line });

/** Draw what the person can do now, unless that is what is drawn already: a choice being made is left alone. */
async function redraw(board, known = null) {
  const event = known ?? await request(`booking/events/${board.id}`);
  const [booking, standing] = isSignedIn() ? await Promise.all([myBooking(event), myStanding(event)]) : [null, null];
  if (!board.stage.isOpen()) return;
  const canChoose = event.status === "published" && event.free_places > 0 && Date.parse(event.closes_at) > Date.now();
  board.places.show(countsOf(event));
  const drawn = JSON.stringify([isSignedIn(), event.status, canChoose, booking?.id, booking?.status, standing]);
  board.seats?.look();
  if (drawn === board.drawn) return;
  Object.assign(board, { drawn, seats: null });
  board.area.replaceChildren(...parts(board, { event, booking, standing, canChoose }));
}

function parts(board, { event, booking, standing, canChoose }) {
  if (booking) return [mineAlready(board.stage, booking)];
  if (event.status !== "published") return [];
  if (Date.parse(event.closes_at) <= Date.now()) return [h("p", {}, t("Registration is closed."))];
  if (!isSignedIn()) return [h("div", { class: "actions" }, button(t("Sign in to book"), board.stage.signIn, "primary"))];
  const again = () => { board.drawn = ""; return redraw(board); };
  return [
    canChoose && !standing ? opening(event) : "",
    canChoose ? choosing(board, event) : "",
    !canChoose || standing ? waiting(board.stage, event, standing, again) : "",
  ].filter(Boolean);
}

function mineAlready(stage, booking) {
  return h("div", { class: "mine" }, h("p", {}, h("strong", {}, statusOf(booking)), " ",
    booking.expires_at ? countdown(stage, booking.expires_at) : ""),
  h("div", { class: "actions" }, h("a", { class: "button primary", href: `#booking=${booking.id}` }, t("Open your booking"))));
}

/** Who can book from when, while that is not everybody. */
function opening({ opens_at: opens, premium_opens_at: premium, time_zone: zone }) {
  if (Date.parse(opens) <= Date.now()) return "";
  return h("p", { class: "hint" }, t("Opens {moment}, for premium members {earlier}.",
    { moment: localMoment(opens, zone), earlier: localMoment(premium, zone) }));
}

async function myBooking(event) {
  const { items } = await request("booking/bookings?limit=100");
  return items.find((one) => one.event_id === event.id && isActive(one)) ?? null;
}

/** Where the person stands on the waitlist; nobody is asked about an empty one. */
async function myStanding(event) {
  if (!event.waiting) return null;
  const standing = await request(`booking/events/${event.id}/waitlist`).catch((error) => { if (error.status !== 404) throw error; });
  return standing?.status === "waiting" ? standing : null;
}

/** Choosing places and holding them. */
function choosing(board, event) {
  const made = h("form", { class: "form", "aria-label": t("Choose places") });
  const problem = h("p", { class: "form-error", role: "alert", hidden: true });
  const total = h("output", { class: "total" });
  const hold = h("button", { class: "button primary", type: "submit" }, t("Hold for 15 minutes"));
  const choice = event.is_numbered ? seatChoice(event, MOST_PLACES) : quantities(event);
  if (event.is_numbered) board.seats = choice;
  const show = () => {
    const places = choice.places();
    const count = places.reduce((sum, one) => sum + one.quantity, 0);
    total.textContent = count ? `${number(count)} · ${money(priceOf(event, places), event.currency)}` : "";
    hold.disabled = !count;
  };
  made.append(choice.element, h("p", { class: "sum" }, t("Together"), " ", total), problem, hold);
  made.addEventListener("input", show);
  const attempt = holding(event);
  made.addEventListener("submit", async (submitted) => {
    submitted.preventDefault();
    hold.disabled = true;
    problem.hidden = true;
    try {
      location.hash = `#booking=${(await attempt(choice.places())).id}`;
    } catch (error) {
      Object.assign(problem, { textContent: why(error), hidden: false });
      await choice.look?.();
      show();
    }
  });
  show();
  return made;
}

const priceOf = (event, places) => places.reduce(
  (sum, one) => sum + one.quantity * event.ticket_types.find((type) => type.id === one.ticket_type_id).price_minor, 0,
);

/** Hold places; asked again for the same ones after a lost answer, it is the same request. */
function holding(event) {
  let [key, asked] = [freshId(), ""];
  return (places) => {
    if (JSON.stringify(places) !== asked) [key, asked] = [freshId(), JSON.stringify(places)];
    return request(`booking/events/${event.id}/bookings`, { method: "POST", json: { places }, key });
  };
}

/** So many of each ticket type. */
function quantities(event) {
  const rows = event.ticket_types.map((type, nth) => {
    const most = Math.min(MOST_PLACES, type.free, event.free_places);
    const options = Array.from({ length: most + 1 }, (_, count) => h("option", { value: count, selected: !nth && count === 1 }, number(count)));
    const pick = h("select", { name: type.id, "aria-label": t("Places: {type}", { type: type.name }), disabled: !most }, ...options);
    return h("div", { class: "row" }, h("div", {}, h("strong", {}, type.name),
      h("span", { class: "hint" }, most ? money(type.price_minor, event.currency) : t("Full"))), h("span", { class: "field quantity" }, pick));
  });
  const element = h("div", {}, ...rows);
  const places = () => [...element.querySelectorAll("select")]
    .map((pick) => ({ ticket_type_id: pick.name, quantity: Number(pick.value || 0) })).filter((one) => one.quantity);
  return { element, places };
}
