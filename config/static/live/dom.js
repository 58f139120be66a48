/** Small tools for building the page and saying numbers aloud. */

/** The language of the page: `en`, `ru`. */
export const LANGUAGE = document.documentElement.lang;

/** A text in the reader's language, its `{name}`s filled in. */
export function t(text, values = {}) {
  return (window.gettext?.(text) ?? text).replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** The element with this id. */
export const $ = (id) => document.getElementById(id);

/** Make an element: `h("p", {class: "hint", onclick: fn}, "text", child)`. Text is always text, never markup. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** An icon from the page's set. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${document.body.dataset.icons}#${name}`);
  svg.append(use);
  return svg;
}

/** A round sign with a person's initials, in a colour that is always theirs. */
export function avatar(name, element = h("span", { class: "avatar", "aria-hidden": "true" })) {
  const words = (name ?? "").trim().split(/\s+/).filter(Boolean);
  const initials = words.length > 1 ? words[0][0] + words.at(-1)[0] : (words[0] ?? "").slice(0, 2);
  element.textContent = initials.toUpperCase() || "·";
  element.classList.toggle("nobody", !words.length);
  let tone = 7;
  for (const letter of name ?? "") tone = (tone * 131 + letter.codePointAt(0)) % 7919;
  element.style.setProperty("--tone", (tone * 137) % 360);
  return element;
}

/** A short message that goes away by itself. */
export function toast(text) {
  const shown = h("p", { class: "toast" }, text);
  $("toasts").append(shown);
  setTimeout(() => shown.remove(), 5000);
}

/** An empty panel's words: what is missing, and what brings it. */
export function emptyNote(element, title, text, ...more) {
  element.replaceChildren(h("strong", {}, title), text, ...more);
  element.hidden = false;
}

/** 3,725 s as `1:02:05`. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${String(rest).padStart(2, "0")}`;
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

const NUMBER = new Intl.NumberFormat(LANGUAGE);
const KILOMETRES = new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: 2 });
const AGO = new Intl.RelativeTimeFormat(LANGUAGE, { numeric: "auto", style: "narrow" });

export const number = (value) => NUMBER.format(value);
export const kilocalories = (value) => t("{number} kcal", { number: number(Math.round(value)) });
export const beats = (bpm) => t("{number} bpm", { number: Math.round(bpm) });
export const kilometres = (metres) => t("{number} km", { number: KILOMETRES.format(metres / 1000) });

/** `3 min ago`, `yesterday`. */
export function ago(moment) {
  const seconds = (Date.parse(moment) - Date.now()) / 1000;
  if (seconds > -45) return t("just now");
  if (seconds > -3600) return AGO.format(Math.round(seconds / 60), "minute");
  if (seconds > -86400) return AGO.format(Math.round(seconds / 3600), "hour");
  return AGO.format(Math.round(seconds / 86400), "day");
}

/** Words for a sport: its name and what one does. */
export const SPORTS = {
  running: [t("Running"), t("ran")], walking: [t("Walking"), t("walked")], cycling: [t("Cycling"), t("rode")],
  swimming: [t("Swimming"), t("swam")], rowing: [t("Rowing"), t("rowed")], strength: [t("Strength"), t("lifted")],
  other: [t("Other"), t("trained")],
};
export const sportName = (sport) => SPORTS[sport]?.[0] ?? sport;

export const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** An id nobody else has; also where the page is not a secure context and `randomUUID` is missing. */
export function freshId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
