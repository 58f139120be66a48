/** How the booking page says money, moments, states and refusals, and how it counts down. */

import { LANGUAGE, clock, h, number, t } from "../live/dom.js";
import { told } from "../account/parts.js";

const HERE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** 1,200 minor units of EUR as `€12.00`; nothing as words. */
export function money(minor, currency) {
  if (!minor) return t("Free of charge");
  const format = new Intl.NumberFormat(LANGUAGE, { style: "currency", currency });
  return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits);
}

const clockOf = (timeZone) => new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "full", timeStyle: "short", timeZone });
const withZone = (said, timeZone) => (timeZone === HERE ? said : `${said} (${timeZone})`);

/** A moment by the clocks of the venue; the zone is named where the reader's clock shows another time. */
export const localMoment = (value, timeZone) => withZone(clockOf(timeZone).format(new Date(value)), timeZone);

/** From when to when an event lasts, by the clocks of the venue. */
export const localSpan = ({ starts_at: from, ends_at: to, time_zone: timeZone }) => (
  withZone(clockOf(timeZone).formatRange(new Date(from), new Date(to)), timeZone)
);

/** The month and the day of the month at the venue. */
export function dayOf(value, timeZone) {
  const say = (options) => new Intl.DateTimeFormat(LANGUAGE, { timeZone, ...options }).format(new Date(value));
  return { month: say({ month: "short" }), day: say({ day: "numeric" }) };
}

/** How many places are free of how many. */
export const freeWords = ({ free, capacity }) => t("{free} of {capacity} places free", { free: number(free), capacity: number(capacity) });

/** What may be said of an event that is not simply open. */
export const EVENT_STATES = { draft: t("Not published"), cancelled: t("Does not take place"), finished: t("Over") };

const CANCEL_REASONS = {
  too_few_participants: t("Too few took part."), cancelled_by_staff: t("Staff cancelled it."), organiser_left: t("Its organiser has left."),
};
/** Why an event does not take place: in its organiser's words, or in ours. */
export const cancelReason = ({ cancel_reason: reason }) => CANCEL_REASONS[reason] ?? reason;

const STATES = {
  held: t("Held for you"), pending_payment: t("Waiting for your payment"), confirmed: t("Confirmed"),
  cancelled: t("Cancelled"), expired: t("Time ran out"),
};
export const statusOf = (booking) => (booking.status === "held" && booking.is_offer ? t("Offered to you") : STATES[booking.status]);
export const isActive = ({ status }) => ["held", "pending_payment", "confirmed"].includes(status);

const ENDINGS = {
  expired: t("The places were not paid for in time."), cancelled_by_participant: t("You gave the places back."),
  event_cancelled: t("The event does not take place."), payment_failed: t("The money could not be taken."),
  cancelled_by_staff: t("Staff ended this booking."),
};
export const endOf = ({ end_reason: reason }) => ENDINGS[reason] ?? reason;

/** Why something was refused, with what helps: other seats, the moment it opens. */
export function why(error) {
  const { free, opens_at: opens } = error.problem ?? {};
  const more = [
    Array.isArray(free) && free.length ? t("Still free: {seats}.", { seats: free.join(", ") }) : "",
    opens ? t("Opens {moment}.", { moment: localMoment(opens, HERE) }) : "",
  ];
  return [told(error), ...more].filter(Boolean).join(" ");
}

/** Time left, second by second; `onOver` is called once when there is none. */
export function countdown(stage, until, onOver = () => {}) {
  const shown = h("time", { class: "countdown", role: "timer", datetime: until });
  const spoken = h("span", { class: "sr", role: "status" });
  const end = Date.parse(until);
  let timer = null;
  let wasShown = false;
  const tick = () => {
    if (wasShown && !shown.isConnected) { clearInterval(timer); return; }
    wasShown = shown.isConnected;
    const left = Math.max(0, end - Date.now()) / 1000;
    shown.textContent = clock(left);
    shown.classList.toggle("urgent", left < 60);
    if (left < 60 && left > 0 && !spoken.textContent) spoken.textContent = t("Less than a minute left.");
    if (left > 0) return;
    clearInterval(timer);
    if (stage.isOpen()) setTimeout(onOver, 1000);
  };
  timer = setInterval(tick, 250);
  tick();
  stage.onLeave(() => clearInterval(timer));
  return h("span", { class: "left" }, shown, spoken);
}

/** Call `act` a moment after the last of many reasons to. */
export function soon(act, pause = 300) {
  let timer = null;
  return () => { clearTimeout(timer); timer = setTimeout(act, pause); };
}

/** Rows of a paged list, and a button for those after them. */
export async function paged(read, list, toRow) {
  const more = h("button", { class: "button", type: "button", hidden: true }, t("Show more"));
  let cursor = null;
  const next = async () => {
    more.disabled = true;
    try {
      const found = await read(cursor);
      cursor = found.next;
      list.append(...found.items.map(toRow));
    } finally {
      more.disabled = false;
    }
    more.hidden = !cursor;
  };
  more.addEventListener("click", next);
  await next();
  return more;
}
