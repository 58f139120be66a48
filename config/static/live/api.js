/** The server as the page sees it: signing in, requests that renew their token, sockets that come back. */

import { t } from "./dom.js";

const BASE = "/api/v1/";
const KEPT = "stayer.tokens";
const RENEW_BEFORE_MS = 60_000;

/** The server said no; `code` is for programs, the message for people. */
export class Refusal extends Error {
  constructor(status, problem = {}) {
    const [first] = problem.errors ?? [];
    super(first?.detail ?? problem.detail ?? t("Something went wrong."));
    this.status = status;
    this.code = problem.code ?? "error";
    this.problem = problem;
  }
}

/** The server could not be reached. */
export class Offline extends Error {
  constructor() { super(t("The server cannot be reached right now.")); }
}

let tokens = readKept();
let renewing = null;
let renewTimer = null;
let onSignedOut = () => {};

function readKept() {
  try { return JSON.parse(sessionStorage.getItem(KEPT)); } catch { return null; }
}

function keep(answer) {
  tokens = answer && { access: answer.access, refresh: answer.refresh ?? tokens?.refresh, until: Date.now() + answer.expires_in * 1000 };
  if (tokens) sessionStorage.setItem(KEPT, JSON.stringify(tokens)); else sessionStorage.removeItem(KEPT);
  planRenewal();
}

function planRenewal() {
  clearTimeout(renewTimer);
  if (tokens) renewTimer = setTimeout(() => renew().catch(() => {}), Math.max(1000, tokens.until - Date.now() - RENEW_BEFORE_MS));
}

/** Take over an answer that holds tokens: of a sign-in by other means, or of a second factor shown again. */
export const adopt = (answer) => keep(answer);

export const isSignedIn = () => tokens !== null;
export const whenSignedOut = (call) => { onSignedOut = call; };

export async function signIn({ email, password, otp }) {
  keep(await send("identity/login", { method: "POST", json: otp ? { email, password, otp } : { email, password } }));
}

export async function signOut() {
  const { refresh } = tokens ?? {};
  try { if (refresh) await request("identity/logout", { method: "POST", json: { refresh } }); } catch { /* gone either way */ }
  forget();
}

function forget() {
  keep(null);
  onSignedOut();
}

/** Renew the access token; parallel callers share one renewal, for a refresh token is good for one use. */
function renew() {
  renewing ??= send("identity/refresh", { method: "POST", json: { refresh: tokens?.refresh } })
    .then(keep)
    .catch((error) => { if (error instanceof Refusal && [400, 401, 403].includes(error.status)) forget(); throw error; })
    .finally(() => { renewing = null; });
  return renewing;
}

async function freshAccess() {
  if (tokens && tokens.until - Date.now() < 5_000) await renew();
  return tokens?.access;
}

/** Ask the API as the person signed in; the answer's JSON, or a Refusal. An expired token is renewed once. */
export async function request(path, options = {}) {
  const access = await freshAccess();
  try {
    return await send(path, { ...options, access });
  } catch (error) {
    if (!(error instanceof Refusal && error.status === 401 && tokens)) throw error;
    if (tokens.access === access) await renew();
    return send(path, { ...options, access: tokens?.access });
  }
}

async function send(path, { method = "GET", json, access, key } = {}) {
  const headers = { Accept: "application/json" };
  if (json !== undefined) headers["Content-Type"] = "application/json";
  if (access) headers.Authorization = `Bearer ${access}`;
  if (key) headers["Idempotency-Key"] = key;
  const answer = await fetch(BASE + path, { method, headers, body: json === undefined ? undefined : JSON.stringify(json) })
    .catch(() => { throw new Offline(); });
  const body = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw new Refusal(answer.status, body ?? {});
  return body;
}

/** Demo people exist only where the server runs as a demo. */
export async function demoPeople() {
  const answer = await fetch("/demo-people.json").catch(() => null);
  if (!answer?.ok) return [];
  const body = await answer.json().catch(() => []);
  return Array.isArray(body) ? body : (body.people ?? []);
}

const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 8_000;
const FINAL = new Set([4403, 4404]);

const lines = new Set();
let onLinkChange = () => {};

/** Tell the page whether all its sockets are up. */
export function watchLinks(call) { onLinkChange = call; call(linkState()); }
const linkState = () => ([...lines].every((line) => line.isUp) ? "live" : "waiting");

/** Follow a socket for as long as it takes: reconnects with growing pauses, at once when the network is back. */
export function follow(path, { onFrame, onGone = () => {}, onUp = () => {} }) {
  const line = { isUp: false };
  let socket = null;
  let pause = FIRST_PAUSE_MS;
  let timer = null;
  let ended = false;

  async function connect() {
    clearTimeout(timer);
    if (ended || socket) return;
    socket = "opening";
    const access = await freshAccess().catch(() => null);
    if (ended) return;
    if (!access) { socket = null; later(); return; }
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    socket = new WebSocket(`${scheme}://${location.host}/ws/v1/${path}`, ["stayer.v1", `bearer.${access}`]);
    socket.onopen = () => { line.isUp = true; onLinkChange(linkState()); onUp(); };
    socket.onmessage = ({ data }) => { pause = FIRST_PAUSE_MS; onFrame(JSON.parse(data)); };
    socket.onclose = ({ code }) => lost(code);
  }

  async function lost(code) {
    socket = null;
    line.isUp = false;
    if (ended) return;
    if (FINAL.has(code)) { close(); onGone(code); return; }
    onLinkChange(linkState());
    if (code === 4401) await renew().catch(() => {});
    later();
  }

  function later() {
    timer = setTimeout(connect, pause * (0.5 + Math.random()));
    pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
  }

  const wake = () => { if (!document.hidden) { pause = FIRST_PAUSE_MS; connect(); } };

  function close() {
    ended = true;
    clearTimeout(timer);
    window.removeEventListener("online", wake);
    document.removeEventListener("visibilitychange", wake);
    lines.delete(line);
    if (socket instanceof WebSocket) socket.close(1000);
    onLinkChange(linkState());
  }

  window.addEventListener("online", wake);
  document.addEventListener("visibilitychange", wake);
  lines.add(line);
  connect();
  return {
    close,
    /** Send a frame; false when the line is down. */
    send(frame) {
      if (!(socket instanceof WebSocket) || socket.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify(frame));
      return true;
    },
  };
}

planRenewal();
