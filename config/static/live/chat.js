/** Rooms and messages over one socket: numbered, without gaps, and nothing written is lost while the line is down. */

import { follow, request } from "./api.js";
import { $, LANGUAGE, avatar, emptyNote, freshId, h, t, toast } from "./dom.js";

const NEAR_END_PX = 80;
const HISTORY = 50;
const CLOCK = new Intl.DateTimeFormat(LANGUAGE, { hour: "numeric", minute: "2-digit" });

/** Talk until `stop()`. */
export function mountChat({ me, isShown }) {
  const rooms = new Map(); // id → {id, name, unread, lastSeq, seq, messages, waiting}
  let open = null;
  const line = follow("social/chat", { onFrame: take });

  // ---- frames ----

  function take(frame) {
    const room = rooms.get(frame.room_id);
    if (frame.type === "ready") ready(frame.rooms);
    else if (frame.type === "room") readRooms();
    else if (frame.type === "message") heard(room, frame);
    else if (frame.type === "ack") acknowledged(room, frame);
    else if (frame.type === "caught_up" && room && frame.last_seq > room.seq) catchUp(room);
    else if (frame.type === "refused") refused(frame);
    else if (frame.type === "read" && room) { room.unread = Math.max(0, room.lastSeq - frame.seq); drawRooms(); }
    else if (frame.type === "hidden" && room) hide(room, frame);
    else if (frame.type === "resync") ready([...rooms.values()].map((known) => ({ room_id: known.id, last_seq: Infinity })));
  }

  /** The line is up: what is new to us is fetched, what we could not send goes out again under its old id. */
  async function ready(listed) {
    await readRooms();
    for (const { room_id: id, last_seq: last } of listed) {
      const room = rooms.get(id);
      if (room?.seq !== null && room && last > room.seq) catchUp(room);
    }
    for (const room of rooms.values()) for (const message of room.waiting.values()) if (!message.refusal) transmit(room, message);
  }

  const catchUp = (room) => line.send({ type: "catch_up", room_id: room.id, after: room.seq });

  function heard(room, message) {
    if (!room) { readRooms(); return; }
    const isNew = message.seq > room.lastSeq;
    room.lastSeq = Math.max(room.lastSeq, message.seq);
    const isOwn = message.author.user_id === me.user_id;
    if (room.seq !== null) {
      if (message.seq <= room.seq) return;
      if (message.seq > room.seq + 1) { catchUp(room); return; } // a gap: the missing ones come first, in order
      append(room, message);
    }
    if (room === open && isShown()) markRead(room);
    else if (isNew && !isOwn) room.unread += 1;
    drawRooms();
  }

  function append(room, message) {
    room.seq = message.seq;
    if (message.author.user_id === me.user_id) room.waiting.delete(message.client_message_id);
    room.messages.push(message);
    if (room === open) drawLog();
  }

  function acknowledged(room, { client_message_id: id, seq }) {
    const message = room?.waiting.get(id);
    if (!message) return;
    message.seq = seq;
    if (seq <= room.seq) room.waiting.delete(id); else if (seq > room.seq + 1) catchUp(room);
    else { append(room, { ...message, author: me, sent_at: new Date().toISOString() }); }
  }

  function refused({ client_message_id: id, detail }) {
    for (const room of rooms.values()) {
      const message = room.waiting.get(id);
      if (message) message.refusal = detail ?? t("Not sent.");
    }
    if (!id && detail) toast(detail);
    drawLog();
  }

  function hide(room, { seq }) {
    const message = room.messages.find((known) => known.seq === seq);
    if (message) Object.assign(message, { hidden: true, text: "" });
    if (room === open) drawLog();
  }

  // ---- rooms ----

  async function readRooms() {
    const page = await request("social/rooms?limit=50").catch(() => null);
    if (!page) return;
    for (const item of page.items) {
      const known = rooms.get(item.id) ?? { id: item.id, seq: null, messages: [], waiting: new Map() };
      const name = item.title || item.other?.display_name || t("Private athlete");
      rooms.set(item.id, Object.assign(known, { name, unread: item.unread, lastSeq: Math.max(item.last_seq, known.lastSeq ?? 0) }));
    }
    drawRooms();
    if (!open && page.items.length) enter(page.items[0].id, { focus: false });
    if (!page.items.length) noRooms();
  }

  function noRooms() {
    emptyNote($("chat-log").appendChild(h("div", { class: "empty" })), t("No conversations yet"), t("Open one with a friend: press New."));
  }

  function drawRooms() {
    $("chat-rooms").replaceChildren(...[...rooms.values()].map((room) => h("li", {},
      h("button", { type: "button", "aria-current": String(room === open), onclick: () => enter(room.id) }, avatar(room.name), room.name,
        room.unread && !(room === open && isShown()) ? h("b", { class: "badge", "aria-label": t("{number} unread", { number: room.unread }) }, String(room.unread)) : null))));
    const unread = [...rooms.values()].reduce((sum, room) => sum + (room === open && isShown() ? 0 : room.unread), 0);
    $("chat-badge").textContent = unread > 99 ? "99+" : unread;
    $("chat-badge").hidden = !unread;
  }

  async function enter(id, { focus = true } = {}) {
    open = rooms.get(id);
    $("chat-form").hidden = false;
    drawRooms();
    drawLog();
    if (focus) $("chat-text").focus();
    if (open.seq === null) await readHistory(open);
    if (open?.id === id && isShown()) markRead(open);
  }

  async function readHistory(room) {
    const after = Math.max(0, room.lastSeq - HISTORY);
    try {
      const history = await request(`social/rooms/${room.id}/messages?after=${after}&limit=${HISTORY}`);
      if (room.seq !== null) return;
      room.seq = history.items.at(-1)?.seq ?? history.last_seq;
      room.messages = history.items;
      if (history.last_seq > room.seq) catchUp(room);
    } catch (error) { toast(error.message); }
    if (room === open) drawLog();
  }

  function markRead(room) {
    if (!room.unread || room.seq === null) return;
    room.unread = 0;
    line.send({ type: "read", room_id: room.id, seq: room.lastSeq });
    drawRooms();
  }

  // ---- messages ----

  function say() {
    const text = $("chat-text").value.trim();
    if (!text || !open) return;
    const message = { client_message_id: freshId(), room_id: open.id, text };
    open.waiting.set(message.client_message_id, message);
    transmit(open, message);
    $("chat-text").value = "";
    grow();
    drawLog({ toEnd: true });
  }

  function transmit(room, message) {
    delete message.refusal;
    line.send({ type: "send", ...message });
  }

  function drawLog({ toEnd = false } = {}) {
    const log = $("chat-log");
    if (!open) { log.replaceChildren(); return; }
    const stayAtEnd = toEnd || log.dataset.room !== open.id || log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END_PX;
    log.dataset.room = open.id;
    const parts = partsOf(open);
    let same = 0;
    while (same < parts.length && log.children[same]?.dataset.key === parts[same][0]) same += 1;
    while (log.children.length > same) log.lastElementChild.remove();
    for (const [key, make] of parts.slice(same)) { // what stays is not said again to those who listen
      const part = make();
      part.dataset.key = key;
      log.append(part);
    }
    if (stayAtEnd) log.scrollTop = log.scrollHeight;
  }

  /** What the log shows, as [key, how to make it]; equal keys look equal. */
  function partsOf(room) {
    const parts = [];
    let previous = null;
    for (const message of room.messages) {
      const { user_id: author } = message.author;
      if (author !== previous) parts.push([`${room.id} by ${message.seq}`, () => saidBy(message)]);
      previous = author;
      parts.push([`${room.id} ${message.seq} ${Boolean(message.hidden)}`, () => bubble(message, author === me.user_id)]);
    }
    for (const message of room.waiting.values()) parts.push([`${message.client_message_id} ${message.refusal ?? ""}`, () => bubble(message, true)]);
    if (!parts.length) parts.push([`${room.id} empty ${room.seq === null}`, () => nothing(room.seq === null)]);
    return parts;
  }

  function nothing(isReading) {
    const note = h("div", { class: "empty" });
    emptyNote(note, isReading ? t("Reading") : t("Nothing said yet"), isReading ? t("One moment.") : t("The first word is yours."));
    return note;
  }

  function saidBy({ author, sent_at: at }) {
    const isOwn = author.user_id === me.user_id;
    const who = isOwn ? t("You") : author.display_name ?? t("Private athlete");
    return h("p", { class: `said-by${isOwn ? " own" : ""}` }, `${who} · ${CLOCK.format(new Date(at))}`);
  }

  function bubble(message, isOwn) {
    const isWaiting = message.seq === undefined;
    const kind = ["bubble", isOwn && "own", isWaiting && "waiting", message.refusal && "refused"].filter(Boolean).join(" ");
    if (message.hidden) return h("p", { class: kind }, h("i", {}, t("Hidden by a moderator")));
    if (!message.refusal) return h("p", { class: kind, title: isWaiting ? t("Waiting for the line") : null }, message.text);
    return h("p", { class: kind }, message.text, h("br"), `${message.refusal} `,
      h("button", { class: "button quiet", type: "button", onclick: () => { transmit(open, message); drawLog(); } }, t("Try again")));
  }

  function grow() {
    const box = $("chat-text");
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight + 2}px`;
  }

  // ---- a new room ----

  async function toggleFriends() {
    const list = $("chat-friends");
    list.hidden = !list.hidden;
    $("chat-new").setAttribute("aria-expanded", !list.hidden);
    if (list.hidden) return;
    const page = await request("social/friends?limit=50").catch(() => ({ items: [] }));
    list.replaceChildren(...page.items.map((friend) => h("button", { type: "button", onclick: () => openWith(friend) }, avatar(friend.display_name), friend.display_name ?? t("Private athlete"))));
    if (!page.items.length) list.replaceChildren(h("p", { class: "hint" }, t("You have no friends here yet. Conversations open between friends.")));
  }

  async function openWith(friend) {
    try {
      const room = await request("social/rooms", { method: "POST", json: { kind: "direct", member_ids: [friend.user_id] }, key: freshId() });
      $("chat-friends").hidden = true;
      $("chat-new").setAttribute("aria-expanded", "false");
      await readRooms();
      enter(room.id);
    } catch (error) { toast(error.message); }
  }

  $("chat-new").onclick = toggleFriends;
  $("chat-form").onsubmit = (event) => { event.preventDefault(); say(); };
  $("chat-text").oninput = grow;
  $("chat-text").onkeydown = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); say(); }
  };
  drawLog();
  return {
    shown() { if (open) markRead(open); drawRooms(); $("chat-log").scrollTop = $("chat-log").scrollHeight; },
    stop() {
      line.close();
      $("chat-rooms").replaceChildren();
      $("chat-log").replaceChildren();
      $("chat-friends").hidden = true;
      $("chat-form").hidden = true;
      $("chat-badge").hidden = true;
    },
  };
}
