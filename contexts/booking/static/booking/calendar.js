/** The calendar: coming events, found by words, by sport, by free places. */

import { SPORTS, emptyNote, h, sportName, t } from "../live/dom.js";
import { request } from "../live/api.js";
import { choice, field, told } from "../account/parts.js";
import { EVENT_STATES, dayOf, freeWords, localMoment, paged, soon } from "./words.js";

/** Show what is coming; the search works while it is typed. */
export async function open(stage) {
  const place = h("div", { class: "found" });
  const said = h("p", { class: "sr", role: "status" });
  const search = searchForm();
  let latest = 0;
  const look = async () => {
    const nth = latest += 1;
    const list = h("ul", { class: "events" });
    const isStale = () => nth !== latest || !stage.isOpen();
    try {
      const more = await paged((cursor) => request(`booking/events?${query(search, cursor)}`), list, row);
      if (isStale()) return;
      place.replaceChildren(list, more);
      tell(list.children.length, place, said);
    } catch (error) {
      if (!isStale()) note(place, t("That did not work"), told(error));
    }
  };
  const lookSoon = soon(look);
  search.addEventListener("input", lookSoon);
  search.addEventListener("submit", (event) => { event.preventDefault(); look(); });
  stage.show(t("Coming events"), search, said, place);
  await look();
}

/** Words instead of a list. */
function note(place, title, text) {
  const words = h("div", { class: "empty" });
  emptyNote(words, title, text);
  place.replaceChildren(words);
}

function tell(count, place, said) {
  said.textContent = t("Events found: {count}", { count });
  if (!count) note(place, t("Nothing found"), t("Try other words, or another sport."));
}

function searchForm() {
  const sports = [["", t("Any sport")], ...Object.keys(SPORTS).map((sport) => [sport, sportName(sport)])];
  const onlyFree = h("label", { class: "check" }, h("input", { type: "checkbox", name: "free" }), t("With free places"));
  return h("form", { class: "search", role: "search", "aria-label": t("Find events") },
    field(t("Search"), { name: "text", type: "search", maxlength: 200, autocomplete: "off", enterkeyhint: "search" }),
    choice(t("Sport"), "sport", sports, ""), onlyFree);
}

function query(search, cursor) {
  const { text, sport, free } = Object.fromEntries(new FormData(search));
  const asked = { text: text.trim(), sport, free: free ? "1" : "", cursor: cursor ?? "" };
  return new URLSearchParams(Object.entries(asked).filter(([, value]) => value));
}

/** One event in the list: all of it is the link. */
function row(event) {
  const { month, day } = dayOf(event.starts_at, event.time_zone);
  const state = EVENT_STATES[event.status] ?? (event.free_places > 0
    ? freeWords({ free: event.free_places, capacity: event.capacity })
    : event.waiting ? t("Full, {waiting} waiting", { waiting: event.waiting }) : t("Full"));
  return h("li", {}, h("a", { class: "card event", href: `#event=${event.id}` },
    h("span", { class: "day", "aria-hidden": "true" }, h("span", {}, month), h("b", {}, day)),
    h("span", { class: "about" }, h("strong", {}, event.title),
      h("span", { class: "hint" }, localMoment(event.starts_at, event.time_zone)),
      h("span", { class: "hint" }, `${sportName(event.sport)} · ${event.venue}`),
      h("span", { class: `tag ${event.free_places > 0 ? "open" : "full"}` }, state))));
}
