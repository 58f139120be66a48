/** What friends have finished, newest first. */

import { request } from "./api.js";
import { $, SPORTS, ago, avatar, clock, emptyNote, h, kilocalories, kilometres, t } from "./dom.js";

const LOOK_EVERY_MS = 20_000;
const SOON_MS = 1_200;

/** Keep the feed fresh until `stop()`; `lookSoon()` after something that probably brings a new entry. */
export function mountFeed({ me }) {
  const known = new Set();
  let first = true;
  let soon = null;

  async function look() {
    if (document.hidden) return;
    try {
      show((await request("social/feed?limit=20")).items);
    } catch (error) {
      if (first) emptyNote($("feed-note"), t("The feed cannot be read"), error.message);
    }
  }

  function show(items) {
    $("feed-items").replaceChildren(...items.map(entry));
    items.forEach((item) => known.add(item.id));
    first = false;
    $("feed-note").hidden = items.length > 0;
    if (!items.length) emptyNote($("feed-note"), t("Nothing here yet"), t("When you or a friend finish a shared workout, it appears here."));
  }

  function entry(item) {
    const own = item.author.user_id === me.user_id;
    const did = (SPORTS[item.sport] ?? SPORTS.other)[1];
    const what = item.distance_m ? `${did} ${kilometres(item.distance_m)}` : did;
    const facts = [clock(item.moving_s), item.energy_kcal && kilocalories(item.energy_kcal)].filter(Boolean).join(" · ");
    return h("li", { class: `entry${!first && !known.has(item.id) ? " fresh" : ""}` }, avatar(item.author.display_name),
      h("p", {}, h("b", {}, own ? t("You") : item.author.display_name ?? t("A friend")), ` ${what}`, h("br"), h("span", { class: "facts" }, facts)),
      h("time", { class: "when", datetime: item.ended_at }, ago(item.ended_at)));
  }

  function lookSoon() {
    clearTimeout(soon);
    soon = setTimeout(look, SOON_MS);
  }

  const timer = setInterval(look, LOOK_EVERY_MS);
  document.addEventListener("visibilitychange", look);
  look();
  return {
    lookSoon,
    stop() {
      clearInterval(timer);
      clearTimeout(soon);
      document.removeEventListener("visibilitychange", look);
      $("feed-items").replaceChildren();
    },
  };
}
