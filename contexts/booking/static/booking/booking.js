/** The booking page's entrance: which view the address asks for, and the door where it wants somebody signed in. */

import { $, avatar, h, t } from "../live/dom.js";
import { demoPeople, isSignedIn, signIn, signOut, whenSignedOut } from "../live/api.js";
import { enter } from "../account/entering.js";
import { button, show, told, trying } from "../account/parts.js";
import * as calendar from "./calendar.js";
import * as event from "./event.js";
import * as mine from "./mine.js";
import * as tickets from "./tickets.js";

/** What may stand behind `#`: how it is opened, and whether it is somebody's own. */
const VIEWS = {
  events: { open: calendar.open },
  event: { open: event.open },
  bookings: { open: mine.openAll, isPersonal: true },
  booking: { open: mine.openOne, isPersonal: true },
  tickets: { open: tickets.open, isPersonal: true },
};
const TABS = [["events", t("Events")], ["bookings", t("My bookings")], ["tickets", t("My tickets")]];
const BELONGS_TO = { event: "events", booking: "bookings" };

let leave = () => {};

/** The view and the id of the address: `#booking=<id>`. */
function wanted() {
  const [name, id] = location.hash.slice(1).split("=");
  return name in VIEWS ? { name, id } : { name: "events" };
}

/** A view's hold on the page: it is over as soon as another view is opened. */
function newStage(name) {
  const endings = [];
  let isOpen = true;
  leave = () => { isOpen = false; endings.splice(0).forEach((end) => end()); };
  return {
    isOpen: () => isOpen,
    /** What has to stop when the person goes elsewhere: timers, sockets. */
    onLeave(end) { if (isOpen) endings.push(end); else end(); },
    /** Replace the page, the tabs above it. */
    show(title, ...parts) {
      if (!isOpen) return;
      document.title = `Stayer · ${title}`;
      show(tabs(BELONGS_TO[name] ?? name), h("h1", {}, title), ...parts);
    },
    /** Go to the way in, and come back here. */
    signIn: () => door(t("Sign in, and book.")),
  };
}

const tabs = (chosen) => h("nav", { class: "tabs", "aria-label": t("Views") }, ...TABS.map(([name, text]) => (
  h("a", { class: "button tab", href: `#${name}`, "aria-current": name === chosen ? "page" : null }, text)
)));

async function open() {
  leave();
  const { name, id } = wanted();
  const stage = newStage(name);
  showCorner();
  if (VIEWS[name].isPersonal && !isSignedIn()) { door(t("Sign in to see what is yours.")); return; }
  try {
    await VIEWS[name].open(stage, id);
  } catch (error) {
    stage.show(t("That did not work"), h("p", { role: "alert" }, told(error)), h("div", { class: "actions" }, button(t("Try again"), open, "primary")));
  }
}

function showCorner() {
  $("corner").replaceChildren(isSignedIn() ? button(t("Sign out"), () => signOut(), "quiet") : button(t("Sign in"), () => door(), "quiet"));
}

/** The way in: as somebody of the demo with one click, or with an account of one's own. */
function door(note = "") {
  leave();
  leave = () => {};
  $("corner").replaceChildren();
  enter(open, note);
  offerDemoPeople();
}

async function offerDemoPeople() {
  const heading = document.querySelector("#page > h1");
  const people = await demoPeople();
  if (!people.length || !heading.isConnected) return;
  const step = (person) => trying(async () => { await signIn(person); await open(); });
  heading.after(h("section", { class: "card section" }, h("h2", {}, t("Step in as somebody of the demo")),
    h("ul", { class: "persons" }, ...people.map((person) => h("li", {},
      h("button", { class: "person", type: "button", onclick: () => step(person) }, avatar(person.display_name),
        h("span", {}, h("b", {}, person.display_name), h("span", { class: "hint" }, person.about ?? ""))))))));
}

window.addEventListener("hashchange", open);
whenSignedOut(open);
open();
