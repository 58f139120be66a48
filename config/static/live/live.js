/** The page's entrance: the door while nobody is signed in, the cockpit afterwards. */

import { Refusal, demoPeople, isSignedIn, request, signIn, signOut, watchLinks, whenSignedOut } from "./api.js";
import { mountBoard } from "./board.js";
import { mountChat } from "./chat.js";
import { $, avatar, calm, h, t, toast } from "./dom.js";
import { mountFeed } from "./feed.js";
import { Trace } from "./pulse.js";
import { mountWorkout } from "./workout.js";

const WIDE = matchMedia("(min-width: 760px)");
let panels = [];
let ornament = null;

// ---- the door ----

async function showDoor() {
  panels.forEach((panel) => panel.stop());
  panels = [];
  $("arena").hidden = true;
  $("welcome").hidden = false;
  ornament ??= drawOrnament();
  const people = await demoPeople();
  $("demo").hidden = !people.length;
  $("demo-people").replaceChildren(...people.map((person) => {
    const name = person.display_name ?? person.email;
    const words = h("span", {}, h("b", {}, name), h("span", { class: "hint" }, person.about ?? ""));
    return h("li", {}, h("button", { class: "person", type: "button", onclick: () => enter(person) }, avatar(name), words));
  }));
}

/** A line on the door that rises like a training session: an ornament, not a measurement. */
function drawOrnament() {
  const trace = new Trace($("welcome-trace"), { maximum: 190, span: 60, ornament: true });
  const shape = (t) => 132 + 30 * Math.sin(t / 9) + 12 * Math.sin(t / 3.1) + 5 * Math.sin(t * 1.3);
  const start = performance.now() / 1000;
  const soFar = () => performance.now() / 1000 - start;
  trace.add(Array.from({ length: 64 }, (_, i) => [i - 63, shape(i - 63)]));
  const timer = calm.matches ? null : setInterval(() => { const t = soFar(); trace.add([[t, shape(t)]]); }, 900);
  return { stop() { clearInterval(timer); trace.stop(); } };
}

async function enter(credentials) {
  const problem = $("sign-in-error");
  problem.hidden = true;
  $("welcome").setAttribute("aria-busy", "true");
  try {
    await signIn(credentials);
    $("sign-in").reset();
    await showCockpit();
  } catch (error) {
    if (error instanceof Refusal && /otp|mfa|second/.test(error.code)) {
      $("otp-field").hidden = false;
      $("sign-in").elements.otp.focus();
    }
    problem.textContent = error.message;
    problem.hidden = false;
  } finally {
    $("welcome").setAttribute("aria-busy", "false");
  }
}

$("sign-in").onsubmit = async (event) => {
  event.preventDefault();
  const button = event.target.querySelector("button");
  button.disabled = true;
  await enter(Object.fromEntries(new FormData(event.target)));
  button.disabled = false;
};

// ---- the cockpit ----

async function showCockpit() {
  const me = await request("identity/me");
  ornament?.stop();
  ornament = null;
  $("welcome").hidden = true;
  $("arena").hidden = false;
  $("me-name").textContent = me.display_name;
  avatar(me.display_name, $("me-avatar"));
  let board = null;
  const feed = mountFeed({ me });
  const chat = mountChat({ me, isShown: () => !document.hidden && (WIDE.matches || view() === "chat") });
  board = mountBoard({ me, onMove: feed.lookSoon });
  const workout = mountWorkout({ me, onFinish: () => { feed.lookSoon(); board.readPoints(); } });
  panels = [feed, chat, board, workout];
  watchLinks(showLink);
  const turn = (name) => { show(name); if (name === "chat") chat.shown(); };
  document.querySelector(".views").onclick = ({ target }) => { const button = target.closest("button"); if (button) turn(button.dataset.view); };
  turn(view());
}

const cockpit = document.querySelector(".cockpit");
const view = () => cockpit.dataset.view;

/** On a phone one panel is shown at a time. */
function show(name) {
  cockpit.dataset.view = name;
  for (const button of document.querySelectorAll(".views button")) button.setAttribute("aria-current", button.dataset.view === name);
}

function showLink(state) {
  $("link").dataset.state = state;
  $("link-text").textContent = state === "live" ? t("Live") : navigator.onLine ? t("Reconnecting") : t("Offline");
}

$("sign-out").onclick = signOut;
whenSignedOut(() => { if (!$("arena").hidden) showDoor(); });

if (isSignedIn()) showCockpit().catch((error) => { toast(error.message); showDoor(); });
else showDoor();
