/** The leaderboard and today's points: rows keep their identity and glide to their new places. */

import { follow, request } from "./api.js";
import { $, LANGUAGE, avatar, calm, emptyNote, h, icon, number, t } from "./dom.js";

const TOP = 20;
const GLIDE_MS = 650;
const GLOW_MS = 1800;
const REREAD_PAUSE_MS = 800;
const REREAD_BELOW_MS = 10_000;

const DAY = new Intl.DateTimeFormat(LANGUAGE, { day: "numeric", month: "long", timeZone: "UTC" });
const MONTH = new Intl.DateTimeFormat(LANGUAGE, { month: "long", year: "numeric", timeZone: "UTC" });

/** `2026-11-20` as `20 November`, `2026-W47` as `week 47`, `2026-11` as `November 2026`. */
function spoken(period, key) {
  if (period === "weekly") return t("week {number}", { number: Number(key.split("-W")[1]) });
  return (period === "daily" ? DAY : MONTH).format(new Date(`${key}T00:00Z`.replace(/^(\d+-\d+)T/, "$1-01T")));
}

/** Show the board of a period until `stop()`; `onMove` is called when somebody's points changed. */
export function mountBoard({ me, onMove }) {
  const elements = new Map();
  let period = sessionStorage.getItem("stayer.period") ?? "daily";
  let board = null;
  let line = null;
  let rereading = null;

  function choose(chosen) {
    period = chosen;
    sessionStorage.setItem("stayer.period", period);
    for (const tab of $("board-periods").children) {
      const on = tab.dataset.period === period;
      tab.setAttribute("aria-selected", on);
      tab.tabIndex = on ? 0 : -1;
    }
    line?.close();
    clear();
    line = follow(`gamification/leaderboards/${period}`, { onFrame: take });
  }

  function clear() {
    board = null;
    elements.clear();
    $("board-rows").replaceChildren();
    emptyNote($("board-note"), t("Reading the board"), t("One moment."));
  }

  function take(frame) {
    if (frame.type === "board") show(frame);
    else if (frame.type === "changes" && board && frame.period_key === board.period_key) change(frame);
    else if (frame.type === "resync") rereadSoon();
  }

  function rereadSoon(pause = REREAD_PAUSE_MS) {
    rereading ??= setTimeout(() => { rereading = null; reread(); }, pause);
  }

  async function reread() {
    const asked = period;
    const answer = await request(`gamification/leaderboards/${asked}`).catch(() => null);
    if (answer && asked === period) show(answer);
  }

  function show(answer) {
    if (board && board.period_key !== answer.period_key) clear();
    board = { period_key: answer.period_key, seq: answer.seq, rows: new Map(), mine: answer.me?.row };
    for (const row of [...answer.around_me, ...answer.top]) board.rows.set(row.row, row);
    if (answer.me) Object.assign(board.rows.get(answer.me.row) ?? {}, { user_id: me.user_id, display_name: me.display_name });
    $("board-key").textContent = spoken(period, answer.period_key);
    draw(new Set());
  }

  function change(frame) {
    if (frame.seq <= board.seq) return;
    const isNext = frame.seq === board.seq + 1;
    board.seq = frame.seq;
    const risen = new Set();
    const moved = new Set(frame.gone.filter((row) => board.rows.delete(row)));
    const isShorter = moved.size > 0;
    for (const entry of frame.entries) {
      const known = board.rows.get(entry.row);
      if (known?.points === entry.points) continue;
      moved.add(entry.row);
      board.rows.delete(entry.row); // a newcomer among equals stands last
      board.rows.set(entry.row, known?.row === board.mine && known ? { ...entry, user_id: known.user_id, display_name: known.display_name } : entry);
      if (!(known?.points > entry.points)) risen.add(entry.row);
    }
    draw(risen);
    if (moved.size) onMove();
    const maybeMine = !board.mine && frame.entries.some((entry) => entry.user_id === null || entry.user_id === me.user_id);
    if (moved.has(board.mine) || maybeMine) readPoints();
    if (!isNext || frame.more || maybeMine || isShorter) rereadSoon();
    else if (visibleRows().below.length) rereadSoon(REREAD_BELOW_MS); // my place far down moves with others' points
  }

  /** The first twenty, and where the signed-in person stands if that is further down. */
  function visibleRows() {
    const sorted = [...board.rows.values()].sort((a, b) => b.points - a.points);
    const top = sorted.slice(0, TOP);
    const own = sorted.find((row) => row.row === board.mine);
    let rank = 0;
    top.forEach((row, index) => { rank = index && row.points === top[index - 1].points ? rank : index + 1; row.rank = rank; });
    return { top, below: own && !top.includes(own) ? sorted.filter((row) => !top.includes(row) && Math.abs(row.rank - own.rank) <= 3) : [] };
  }

  function draw(risen) {
    const { top, below } = visibleRows();
    const list = $("board-rows");
    const before = new Map([...elements].map(([row, element]) => [row, element.getBoundingClientRect().top]));
    const rows = top.map((row) => element(row, risen));
    if (below.length) rows.push(h("li", { class: "gap", "aria-hidden": "true" }, "⋯"), ...below.map((row) => element(row, risen)));
    list.replaceChildren(...rows);
    for (const [row, shown] of elements) if (!shown.isConnected) elements.delete(row);
    glide(before);
    $("board-note").hidden = top.length > 0;
    if (!top.length) emptyNote($("board-note"), t("Nobody has points yet"), t("Finish a workout and be the first on this board."));
  }

  function element(row, risen) {
    const shown = elements.get(row.row) ?? newElement(row);
    elements.set(row.row, shown);
    const isMine = row.row === board.mine || row.user_id === me.user_id;
    shown.dataset.rank = row.rank;
    shown.classList.toggle("mine", isMine);
    shown.querySelector(".rank").textContent = row.rank;
    shown.querySelector(".total").textContent = number(row.points);
    shown.querySelector(".name").replaceChildren(...nameOf(row, isMine));
    if (risen.has(row.row)) glow(shown);
    return shown;
  }

  function newElement(row) {
    const points = h("span", { class: "points" }, icon("up"), h("span", { class: "total" }));
    return h("li", { class: "place" }, h("span", { class: "rank" }), avatar(row.display_name), h("span", { class: "name" }), points);
  }

  function nameOf(row, isMine) {
    if (row.display_name === null) return [h("i", {}, t("Private athlete"))];
    return isMine ? [row.display_name, h("i", {}, ` · ${t("you")}`)] : [row.display_name];
  }

  function glow(shown) {
    shown.classList.remove("moved");
    void shown.offsetWidth; // restarts the animation
    shown.classList.add("moved");
    setTimeout(() => shown.classList.remove("moved"), GLOW_MS);
  }

  function glide(before) {
    if (calm.matches) return;
    for (const [row, shown] of elements) {
      const old = before.get(row);
      const moved = old === undefined ? 0 : old - shown.getBoundingClientRect().top;
      const from = old === undefined ? { opacity: 0, transform: "translateX(-12px)" } : { transform: `translateY(${moved}px)` };
      if (old === undefined || moved) shown.animate([from, { transform: "none" }], { duration: GLIDE_MS, easing: "cubic-bezier(.2,.8,.2,1)" });
    }
  }

  async function readPoints() {
    const points = await request("gamification/points?limit=1").catch(() => null);
    if (!points) return;
    $("points-today").textContent = number(points.today);
    $("points-cap").textContent = number(points.cap);
    const meter = $("points-meter");
    meter.setAttribute("aria-valuenow", points.today);
    meter.setAttribute("aria-valuemax", points.cap);
    meter.style.setProperty("--share", Math.min(1, points.today / points.cap));
  }

  $("board-periods").onclick = ({ target }) => { if (target.dataset.period) choose(target.dataset.period); };
  $("board-periods").onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const tabs = [...$("board-periods").children];
    const next = tabs.at((tabs.findIndex((tab) => tab.dataset.period === period) + step) % tabs.length);
    choose(next.dataset.period);
    next.focus();
  };
  choose(period);
  readPoints();
  return { readPoints, stop() { clearTimeout(rereading); line?.close(); clear(); } };
}
