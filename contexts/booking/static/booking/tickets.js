/** Tickets in somebody's hand: where to be when, the code to show at the door, paper. */

import { emptyNote, h, t, toast } from "../live/dom.js";
import { Refusal, request } from "../live/api.js";
import { button, moment, trying } from "../account/parts.js";
import { localSpan, paged } from "./words.js";

/** All tickets, the latest first. */
export async function open(stage) {
  const list = h("div", { class: "area" });
  const more = await paged((cursor) => request(`booking/tickets${cursor ? `?cursor=${encodeURIComponent(cursor)}` : ""}`), list, card);
  const note = h("div", { class: "empty", hidden: true });
  if (!list.children.length) emptyNote(note, t("No tickets yet"), t("They are here as soon as a booking is confirmed."));
  stage.show(t("My tickets"), list, note, h("div", { class: "actions" }, more));
}

/** Cards of these tickets. */
export const cards = (tickets) => tickets.map(card);

function card(ticket) {
  const picture = h("div", { class: "code-place" });
  if (!ticket.voided_at) drawCode(ticket, picture);
  return h("article", { class: "card section ticket", "aria-label": t("Ticket: {title}", { title: ticket.title }) }, picture, h("div", { class: "about" },
    h("strong", {}, ticket.title),
    h("span", {}, localSpan(ticket)),
    h("span", { class: "hint" }, [ticket.venue, ticket.address].filter(Boolean).join(", ")),
    h("span", {}, [ticket.ticket_type, ticket.seat ? t("Place {seat}", { seat: ticket.seat }) : ""].filter(Boolean).join(" · ")),
    ticket.checked_in_at ? h("span", { class: "tag" }, t("You came {moment}", { moment: moment(ticket.checked_in_at) })) : "",
    ticket.voided_at ? h("span", { class: "tag" }, t("Not valid any more")) : papers(ticket)));
}

function papers(ticket) {
  const take = (ending, name) => trying(() => save(`booking/tickets/${ticket.id}/ticket.${ending}`, `stayer-${name}.${ending}`));
  return h("div", { class: "actions" }, button(t("Print (PDF)"), () => take("pdf", "ticket"), "quiet"), button(t("To my calendar"), () => take("ics", "event"), "quiet"));
}

/** The code as a drawing. Only its holder may ask for it, so it comes with the token, not by an address. */
async function drawCode(ticket, place) {
  try {
    const drawing = await (await file(`booking/tickets/${ticket.id}/qr.svg`)).text();
    place.append(h("img", { class: "qr", src: `data:image/svg+xml,${encodeURIComponent(drawing)}`, alt: t("The code to show at the door") }));
  } catch (error) {
    place.append(h("p", { class: "hint" }, error.message));
  }
}

async function save(path, name) {
  const url = URL.createObjectURL(await file(path));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  toast(t("Saved as {name}", { name }));
}

/** A file that only its owner may read; an expired token is renewed once by asking for something else. */
async function file(path, isLast = false) {
  const { access } = JSON.parse(sessionStorage.getItem("stayer.tokens")) ?? {};
  const answer = await fetch(`/api/v1/${path}`, { headers: { Authorization: `Bearer ${access}` } });
  if (answer.ok) return answer.blob();
  if (answer.status !== 401 || isLast) throw new Refusal(answer.status, await answer.json().catch(() => ({})));
  await request("booking/tickets?limit=1");
  return file(path, true);
}
