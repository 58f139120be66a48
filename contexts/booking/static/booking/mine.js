/** Somebody's bookings: all of them, and one with its deadline, its payment, its end. */

import { emptyNote, h, number, t, toast } from "../live/dom.js";
import { follow, request } from "../live/api.js";
import { button, section } from "../account/parts.js";
import { cards } from "./tickets.js";
import { countdown, endOf, isActive, localMoment, money, paged, soon, statusOf, why } from "./words.js";

const REFUNDS = { due: t("on its way"), done: t("paid back"), failed: t("looked into by a person") };
const REFUND_LOOK_MS = 2_000;

/** All bookings, the latest first. */
export async function openAll(stage) {
  const list = h("ul", { class: "events" });
  const more = await paged((cursor) => request(`booking/bookings${cursor ? `?cursor=${encodeURIComponent(cursor)}` : ""}`), list, (one) => row(stage, one));
  const note = h("div", { class: "empty", hidden: true });
  if (!list.children.length) emptyNote(note, t("No bookings yet"), t("Choose an event, and hold a place."), h("p", {}, h("a", { class: "button primary", href: "#events" }, t("Coming events"))));
  stage.show(t("My bookings"), list, note, h("div", { class: "actions" }, more));
}

function row(stage, booking) {
  return h("li", {}, h("a", { class: "card event", href: `#booking=${booking.id}` }, h("span", { class: "about" },
    h("strong", {}, booking.title), h("span", { class: "hint" }, localMoment(booking.starts_at, booking.time_zone)),
    h("span", { class: "hint" }, `${number(booking.quantity)} · ${money(booking.total_minor, booking.currency)}`),
    h("span", {}, h("span", { class: `tag ${isActive(booking) ? "open" : "full"}` }, statusOf(booking)), " ",
      booking.asked_to_move_at ? h("span", { class: "tag full" }, t("Moved: please answer")) : "", " ",
      isActive(booking) && booking.expires_at ? countdown(stage, booking.expires_at) : ""))));
}

/** One booking, drawn anew whenever something happens to it. */
export async function openOne(stage, id) {
  const booking = await request(`booking/bookings/${id}`);
  const area = h("div", { class: "area" });
  const board = { stage, id, area, drawn: "" };
  board.again = soon(() => { if (stage.isOpen()) redraw(board).catch((error) => toast(why(error))); });
  stage.show(booking.title, area);
  await draw(board, booking);
  const line = follow(`booking/events/${booking.event_id}`, {
    onUp: board.again,
    onFrame: (frame) => { if (frame.booking_id === id || frame.type === "places") board.again(); },
  });
  stage.onLeave(() => line.close());
}

const redraw = async (board) => draw(board, await request(`booking/bookings/${board.id}`));

/** Draw a booking unless it is drawn as it is; who had the focus inside finds it again at the top. */
async function draw(board, booking) {
  const drawn = JSON.stringify(booking);
  if (booking.payment?.refunds.some((one) => one.status === "due")) setTimeout(board.again, REFUND_LOOK_MS);
  if (!board.stage.isOpen() || drawn === board.drawn) return;
  board.drawn = drawn;
  const tickets = await ticketsOf(booking);
  if (board.drawn !== drawn) return;
  const hadFocus = board.area.contains(document.activeElement);
  board.area.replaceChildren(standing(board, booking), ...tickets);
  if (hadFocus) board.area.querySelector("#booking-status").focus();
  if (board.status && board.status !== booking.status) toast(`${booking.title}: ${statusOf(booking)}`);
  board.status = booking.status;
}

async function ticketsOf(booking) {
  if (booking.status !== "confirmed") return [];
  const { items } = await request(`booking/tickets?booking_id=${booking.id}`);
  return items.length ? [h("h2", {}, t("Your tickets")), ...cards(items)] : [];
}

function standing(board, booking) {
  const problem = h("p", { class: "form-error", role: "alert", hidden: true });
  const act = async (path, then = () => redraw(board)) => {
    problem.hidden = true;
    try {
      await then(await request(`booking/bookings/${booking.id}/${path}`, { method: "POST" }));
    } catch (error) {
      Object.assign(problem, { textContent: why(error), hidden: false });
      await redraw(board).catch(() => {});
    }
  };
  return section(t("Your booking"),
    h("p", { class: "status", role: "status", id: "booking-status", tabindex: "-1" }, h("strong", {}, statusOf(booking)),
      isActive(booking) ? "" : h("span", { class: "hint" }, ` ${endOf(booking)}`)),
    booking.expires_at && isActive(booking) ? h("p", { class: "hint" }, deadline(booking), " ", countdown(board.stage, booking.expires_at, board.again)) : "",
    moved(booking, act),
    facts(booking), problem, h("div", { class: "actions" }, ...actions(board, booking, act)));
}

function deadline(booking) {
  if (booking.status === "pending_payment") return t("Time to pay:");
  return booking.is_offer ? t("Time to accept:") : t("Time to check out:");
}

function facts(booking) {
  const { payment } = booking;
  const lines = [
    [t("When"), localMoment(booking.starts_at, booking.time_zone)],
    [t("Places"), [number(booking.quantity), booking.seats.join(", ")].filter(Boolean).join(" · ")],
    [t("Price"), money(booking.total_minor, booking.currency)],
    ...(payment?.refunds ?? []).map((refund) => [t("Refund"), `${money(refund.amount_minor, booking.currency)} · ${REFUNDS[refund.status] ?? refund.status}`]),
  ];
  return h("dl", { class: "facts" }, ...lines.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
    h("dt", {}, t("Event")), h("dd", {}, h("a", { href: `#event=${booking.event_id}` }, booking.title)));
}

/** The organiser has moved the event: staying has to be said, going costs nothing. */
function moved(booking, act) {
  if (!booking.asked_to_move_at || !isActive(booking)) return "";
  return h("div", { class: "notice" }, h("p", {}, t("The event has been moved. Come at the new time or place, or cancel and get everything back.")),
    h("div", { class: "actions" }, button(t("I come"), () => act("accepted-move"), "primary")));
}

function actions(board, booking, act) {
  if (!isActive(booking)) return [h("a", { class: "button", href: `#event=${booking.event_id}` }, t("To the event"))];
  return [paying(board, booking, act), button(booking.is_offer && booking.status === "held" ? t("Decline") : t("Cancel the booking"), () => ask(booking, act), "quiet")].filter(Boolean);
}

/** The next step towards having the places. */
function paying(board, booking, act) {
  if (booking.status === "confirmed") return "";
  const { page_url: page } = booking.payment ?? {};
  if (page) return h("a", { class: "button primary", href: page }, t("Pay {amount}", { amount: money(booking.total_minor, booking.currency) }));
  const words = booking.total_minor ? t("Check out and pay") : booking.is_offer ? t("Accept") : t("Confirm");
  const go = button(words, async () => {
    go.disabled = true;
    await act("checkout", async (fresh) => {
      if (fresh.status === "pending_payment" && fresh.payment.page_url) location.assign(fresh.payment.page_url);
      else board.again();
    });
    go.disabled = false;
  }, "primary");
  return go;
}

/** Before anything is given back, what comes of it is said. */
function ask(booking, act) {
  const dialog = h("dialog", { "aria-labelledby": "cancel-title" });
  const close = () => { dialog.close(); dialog.remove(); };
  dialog.append(h("div", { class: "form" }, h("h2", { id: "cancel-title" }, t("Give the places back?")), h("p", {}, consequence(booking)),
    h("div", { class: "actions" }, button(t("Give them back"), () => { close(); act("cancel"); }, "primary"), button(t("Keep them"), close, "quiet"))));
  dialog.addEventListener("cancel", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function consequence({ status, total_minor: total, refund_percent: percent, currency }) {
  if (status !== "confirmed" || !total) return t("They are free for others at once.");
  if (!percent) return t("They are free for others at once. No money comes back so late.");
  const amount = money(Math.floor((total * percent) / 100), currency);
  return t("They are free for others at once. {percent}% of the price comes back: {amount}.", { percent, amount });
}
