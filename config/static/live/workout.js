/** The live workout: start, pause, resume, finish; the clock, the heart, and the time in each zone. */

import { Refusal, follow, request } from "./api.js";
import { $, SPORTS, beats, calm, clock, freshId, kilocalories, kilometres, sportName, t, toast } from "./dom.js";
import { Trace, ZONE_NAMES, zoneOf } from "./pulse.js";

const SILENT_AFTER_S = 8;
const SPOKEN_EVERY_MS = 15_000;
const LONGEST_STEP_S = 5;

/** 220 − age where no maximum was measured, as the server computes its zones (Fox, Naughton & Haskell 1971). */
const maximumOf = (me) => me.hr_max ?? 220 - me.age;

/** Follow the signed-in person's workout until `stop()`; `onFinish` is called when one is complete. */
export function mountWorkout({ me, onFinish }) {
  const maximum = maximumOf(me);
  const trace = new Trace($("trace"), { maximum });
  const card = $("view-pulse");
  let session = null;
  let line = null;
  let heardAt = 0;
  let secondsIn = [0, 0, 0, 0, 0, 0];
  let lastSample = null;

  for (const sport of Object.keys(SPORTS)) $("pick-sport").append(new Option(sportName(sport), sport));

  // ---- what the server tells ----

  async function findRunning() {
    const page = await request("workout/sessions?limit=20").catch(() => null);
    const running = page?.items.find((item) => item.state !== "completed");
    if (running) watch(running); else if (!session) idle();
  }

  function watch(found) {
    line?.close();
    session = found;
    forgetSamples();
    line = follow(`workout/sessions/${found.id}`, { onFrame: take, onGone: idle });
    showState();
  }

  function take(frame) {
    if (frame.type === "snapshot") {
      session = { ...session, ...frame.session };
      forgetSamples();
      hear(frame.samples.heart_rate, { old: true });
      showState();
      if (session.state === "completed") finished(frame.session.summary);
    } else if (frame.type === "samples") hear(frame.heart_rate ?? []);
    else if (frame.type === "state") takeState(frame.state);
    else if (frame.type === "completed") finished(frame.summary);
    else if (frame.type === "resync") watch(session);
  }

  async function takeState(state) {
    if (state === session.state) return;
    session.state = state;
    showState();
    adopt(await request(`workout/sessions/${session.id}`).catch(() => null)); // the exact pauses
  }

  function adopt(answer) {
    if (!answer || answer.id !== session?.id) return;
    session = { ...session, ...answer };
    showState();
  }

  // ---- the heart ----

  function forgetSamples() {
    trace.clear();
    secondsIn = [0, 0, 0, 0, 0, 0];
    lastSample = null;
    heardAt = 0;
    trace.draw();
  }

  function hear(samples, { old = false } = {}) {
    if (!samples.length) return;
    trace.add(samples);
    for (const [time, bpm] of samples) {
      const step = lastSample ? time - lastSample[0] : 0;
      if (step > 0) secondsIn[zoneOf(bpm, maximum)] += Math.min(step, LONGEST_STEP_S);
      if (!lastSample || step > 0) lastSample = [time, bpm];
    }
    const age = elapsedSinceStart() - lastSample[0];
    if (!old || age < SILENT_AFTER_S) heardAt = performance.now();
    showHeart();
  }

  const elapsedSinceStart = () => (Date.now() - Date.parse(session.started_at)) / 1000;

  function isHeard() {
    return session && session.state !== "completed" && heardAt && performance.now() - heardAt < SILENT_AFTER_S * 1000;
  }

  function showHeart() {
    const live = isHeard();
    const bpm = lastSample?.[1];
    const zone = live ? zoneOf(bpm, maximum) : 0;
    card.toggleAttribute("data-live", Boolean(live));
    card.dataset.zone = zone;
    $("bpm").textContent = live ? Math.round(bpm) : !session ? t("Ready?") : session.state === "completed" ? t("Well done") : t("No signal");
    if (live) card.style.setProperty("--beat", `${(60 / bpm).toFixed(2)}s`);
    document.title = live ? `${beats(bpm)} · Stayer` : `Stayer · ${t("live")}`;
    $("zone").hidden = !live;
    $("zone").textContent = zone ? t("Zone {zone} · {name}", { zone, name: ZONE_NAMES[zone] }) : ZONE_NAMES[0];
    showZones();
    showNote(live);
  }

  function showZones() {
    const total = secondsIn.slice(1).reduce((sum, seconds) => sum + seconds, 0);
    for (const bar of $("zones").children) {
      const seconds = secondsIn[bar.dataset.zone];
      bar.style.flexGrow = total ? Math.max(0.02, seconds / total) : 1;
      bar.toggleAttribute("data-on", seconds > 0);
    }
  }

  function showNote(live) {
    const note = $("trace-note");
    note.hidden = Boolean(live || trace.samples.length);
    if (note.hidden) return;
    const waiting = session && session.state !== "completed";
    note.textContent = waiting ? t("Waiting for the strap. As soon as it is heard, your heart draws its line here.")
      : t("No workout is running. Start one, and your strap's heart rate appears here as it beats.");
  }

  function speak() {
    const heard = isHeard() && { bpm: Math.round(lastSample[1]), zone: zoneOf(lastSample[1], maximum) };
    const words = heard ? t("Heart rate {bpm} beats per minute, zone {zone}", heard) : t("No heart rate");
    $("trace").setAttribute("aria-label", words);
  }

  // ---- the clock and the buttons ----

  /** Seconds in motion: since the start, without the pauses. An odd number of marks means paused now. */
  function movingSeconds() {
    const end = session.ended_at ? Date.parse(session.ended_at) : Date.now();
    const marks = (session.pauses ?? []).map(Date.parse);
    if (session.state === "paused" && marks.length % 2 === 0) marks.push(session.stoppedAt ??= Date.now());
    if (session.state !== "paused" && marks.length % 2) marks.push(end);
    let paused = 0;
    for (let i = 0; i < marks.length; i += 2) paused += (marks[i + 1] ?? end) - marks[i];
    return (end - Date.parse(session.started_at) - paused) / 1000;
  }

  function tick() {
    if (session && session.state !== "completed") $("timer").textContent = clock(movingSeconds());
    if (card.hasAttribute("data-live") !== Boolean(isHeard())) showHeart();
  }

  function idle() {
    line?.close();
    session = null;
    forgetSamples();
    $("timer").textContent = clock(0);
    showState();
  }

  function showState() {
    const state = session && session.state !== "completed" ? session.state : "idle";
    for (const part of $("controls").querySelectorAll("[data-when]")) part.hidden = !part.dataset.when.split(" ").includes(state);
    $("sport").textContent = session ? sportName(session.sport) : t("New workout");
    $("state").textContent = { active: t("Recording"), paused: t("Paused") }[state] ?? (session ? t("Finished") : "");
    $("state").dataset.state = state;
    if (state !== "idle") $("stats").hidden = true;
    if (session) tick();
    showHeart();
  }

  function finished(summary) {
    if (!session || !summary) return;
    const isNews = session.state !== "completed";
    session.state = "completed";
    session.ended_at ??= new Date().toISOString();
    line?.close();
    if (summary.hr_zones_s) secondsIn = summary.hr_zones_s;
    $("timer").textContent = clock(summary.duration_s ?? movingSeconds());
    showState();
    showSummary(summary);
    if (isNews) onFinish(summary);
  }

  function showSummary(summary) {
    const facts = [
      [t("Average"), summary.hr_avg && beats(summary.hr_avg)], [t("Highest"), summary.hr_max && beats(summary.hr_max)],
      [t("Energy"), summary.energy_kcal !== null && kilocalories(summary.energy_kcal ?? 0)],
      [t("Distance"), summary.distance_m && kilometres(summary.distance_m)], [t("Moving"), summary.moving_s && clock(summary.moving_s)],
    ].filter(([, value]) => value).slice(0, 4);
    $("stats").replaceChildren(...facts.map(([name, value]) => {
      const pair = document.createElement("div");
      pair.append(Object.assign(document.createElement("dt"), { textContent: name }), Object.assign(document.createElement("dd"), { textContent: value }));
      return pair;
    }));
    $("stats").hidden = !facts.length;
  }

  const doing = {
    async start() {
      const { sport, visibility } = Object.fromEntries(new FormData($("controls")));
      try {
        watch(await request("workout/sessions", { method: "POST", json: visibility ? { sport, visibility } : { sport }, key: freshId() }));
      } catch (error) {
        if (error instanceof Refusal && error.code === "session_already_active") await findRunning(); else throw error;
      }
    },
    async pause() { adopt(await request(`workout/sessions/${session.id}/pause`, { method: "POST" })); },
    async resume() { adopt(await request(`workout/sessions/${session.id}/resume`, { method: "POST" })); },
    async complete() {
      const answer = await request(`workout/sessions/${session.id}/complete`, { method: "POST" });
      finished(answer.summary ?? answer);
    },
  };

  async function act(name) {
    const buttons = $("controls").querySelectorAll("button");
    buttons.forEach((button) => { button.disabled = true; });
    try { await doing[name](); } catch (error) { toast(error.message); }
    buttons.forEach((button) => { button.disabled = false; });
  }

  $("controls").onsubmit = (event) => { event.preventDefault(); act("start"); };
  $("controls").onclick = ({ target }) => { const name = target.dataset.do; if (name && name !== "start") act(name); };
  const timers = [setInterval(tick, calm.matches ? 1000 : 250), setInterval(speak, SPOKEN_EVERY_MS)];
  idle();
  findRunning();
  return {
    stop() {
      timers.forEach(clearInterval);
      line?.close();
      trace.stop();
      $("pick-sport").replaceChildren();
      $("stats").hidden = true;
    },
  };
}

