/** The heart's line: samples in, a smooth curve out, coloured by the zones it runs through. */

import { calm, t } from "./dom.js";

const BEHIND_S = 2.5; // the drawing runs this far behind the newest sample, so that the line grows without jumps
const GAP_S = 6; // a longer silence of the strap is shown as a gap, not invented
const KEPT_S = 600;
const SMALLEST_SPAN = 44;

/** Lower limits of the zones 1–5 as shares of the maximum heart rate. */
export const ZONE_SHARES = [0.5, 0.6, 0.7, 0.8, 0.9];
export const ZONE_NAMES = [t("Resting"), t("Very light"), t("Light"), t("Moderate"), t("Hard"), t("Maximum")];

/** The zone of a heart rate, 0 (below all) to 5. */
export const zoneOf = (bpm, maximum) => ZONE_SHARES.filter((share) => bpm >= share * maximum).length;

/** Draws on a canvas until `stop()`. Times are seconds on one scale, heart rates beats a minute. */
export class Trace {
  constructor(canvas, { maximum = 190, span = 90, ornament = false } = {}) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.maximum = maximum;
    this.span = span;
    this.ornament = ornament;
    this.clear();
    this.resized = new ResizeObserver(() => this.fit());
    this.resized.observe(canvas);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.recolour = () => { this.colours = null; this.draw(); };
    this.scheme.addEventListener("change", this.recolour);
    this.tick = this.tick.bind(this);
    this.frame = requestAnimationFrame(this.tick);
  }

  clear() {
    this.samples = [];
    this.curve = [];
    this.slopes = [];
    this.playhead = null;
    this.range = null;
  }

  stop() {
    cancelAnimationFrame(this.frame);
    this.resized.disconnect();
    this.scheme.removeEventListener("change", this.recolour);
  }

  /** Take samples `[seconds, bpm]` in any order; equal times keep the newer value. */
  add(samples) {
    const byTime = new Map(this.samples);
    for (const [time, bpm] of samples) byTime.set(time, bpm);
    const newest = Math.max(...byTime.keys());
    this.samples = [...byTime].filter(([time]) => time > newest - KEPT_S).sort((a, b) => a[0] - b[0]);
    this.curve = smoothed(this.samples);
    this.slopes = slopesOf(this.curve);
    this.arrived = performance.now();
    this.playhead ??= newest - BEHIND_S;
    if (calm.matches) { this.playhead = newest; this.draw(); }
  }

  get newest() { return this.samples.at(-1); }

  fit() {
    const scale = Math.min(3, devicePixelRatio || 1);
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.round(this.width * scale);
    this.canvas.height = Math.round(this.height * scale);
    this.pen.setTransform(scale, 0, 0, scale, 0, 0);
    this.draw();
  }

  tick(now) {
    const passed = Math.min(0.1, (now - (this.before ?? now)) / 1000);
    this.before = now;
    if (this.samples.length && !calm.matches) {
      const target = this.newest[0] + (now - this.arrived) / 1000 - BEHIND_S;
      this.playhead += passed + (target - this.playhead - passed) * Math.min(1, passed * 2);
      this.draw();
    }
    this.frame = requestAnimationFrame(this.tick);
  }

  draw() {
    const { pen, width, height } = this;
    if (!width || !height) return;
    this.colours ??= readColours(this.canvas);
    pen.clearRect(0, 0, width, height);
    if (!this.samples.length) return;
    this.follow();
    const right = this.ornament ? 14 : 44;
    const x = (time) => width - right - ((this.playhead - time) / this.span) * (width - right);
    const [low, high] = this.range;
    const y = (bpm) => height - 10 - ((bpm - low) / (high - low)) * (height - 26);
    if (!this.ornament) this.drawGrid(y);
    this.drawCurve(x, y, this.inkFor(y));
  }

  /** Let the vertical range follow what is visible, slowly. */
  follow() {
    const seen = this.samples.filter(([time]) => time > this.playhead - this.span - 2 && time <= this.playhead + 2).map(([, bpm]) => bpm);
    if (!seen.length) seen.push(this.newest[1]);
    let [low, high] = [Math.min(...seen) - 8, Math.max(...seen) + 8];
    const missing = (SMALLEST_SPAN - (high - low)) / 2;
    if (missing > 0 && !this.ornament) { low -= missing; high += missing; }
    const ease = calm.matches ? 1 : 0.06;
    this.range = this.range ? [this.range[0] + (low - this.range[0]) * ease, this.range[1] + (high - this.range[1]) * ease] : [low, high];
  }

  drawGrid(y) {
    const { pen, width, height, colours } = this;
    pen.font = "600 11px system-ui, sans-serif";
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    ZONE_SHARES.forEach((share, index) => {
      const bpm = Math.round(share * this.maximum);
      const level = y(bpm);
      if (level < 14 || level > height - 8) return;
      pen.strokeStyle = colours.line;
      pen.lineWidth = 1;
      pen.setLineDash([2, 5]);
      pen.beginPath();
      pen.moveTo(0, level);
      pen.lineTo(width - 40, level);
      pen.stroke();
      pen.setLineDash([]);
      pen.fillStyle = colours.zones[index + 1];
      pen.fillText(String(bpm), width - 12, level);
    });
  }

  /** A vertical gradient whose colours change where the zones do. */
  inkFor(y) {
    const { pen, height, colours } = this;
    const ink = pen.createLinearGradient(0, height, 0, 0);
    const stop = (level, colour) => { const at = 1 - level / height; if (at >= 0 && at <= 1) ink.addColorStop(at, colour); };
    const [low, high] = this.range;
    ink.addColorStop(0, colours.zones[zoneOf(low, this.maximum)]);
    ZONE_SHARES.forEach((share, index) => {
      const limit = share * this.maximum;
      stop(y(limit - 2), colours.zones[index]);
      stop(y(limit + 2), colours.zones[index + 1]);
    });
    ink.addColorStop(1, colours.zones[zoneOf(high, this.maximum)]);
    return ink;
  }

  drawCurve(x, y, ink) {
    const { pen, height } = this;
    for (const points of this.strokes(x, y)) {
      const path = new Path2D();
      points.forEach(([px, py], index) => (index ? path.lineTo(px, py) : path.moveTo(px, py)));
      const area = new Path2D(path);
      area.lineTo(points.at(-1)[0], height);
      area.lineTo(points[0][0], height);
      pen.globalAlpha = 0.1;
      pen.fillStyle = ink;
      pen.fill(area);
      pen.globalAlpha = 1;
      pen.strokeStyle = ink;
      pen.lineWidth = this.ornament ? 3 : 3.5;
      pen.lineJoin = pen.lineCap = "round";
      pen.stroke(path);
    }
    this.drawHead(x, y, ink);
  }

  drawHead(x, y, ink) {
    const { pen } = this;
    const time = Math.min(this.playhead, this.newest[0]);
    const bpm = this.valueAt(time);
    if (bpm === null || this.playhead - time > GAP_S) return;
    const beat = calm.matches ? 0 : (performance.now() / 1000 * this.newest[1] / 60) % 1;
    pen.fillStyle = ink;
    pen.globalAlpha = 0.25 * (1 - beat);
    disc(pen, x(time), y(bpm), 6 + 10 * beat);
    pen.globalAlpha = 1;
    disc(pen, x(time), y(bpm), 6);
    pen.fillStyle = this.colours.card;
    disc(pen, x(time), y(bpm), 2.5);
  }

  /** The visible curve as polylines, one for each stretch without a gap. */
  strokes(x, y) {
    const strokes = [];
    const from = this.playhead - this.span;
    for (let i = 0; i + 1 < this.samples.length; i += 1) {
      const [start] = this.samples[i];
      const [end] = this.samples[i + 1];
      if (end < from || start > this.playhead || end - start > GAP_S) continue;
      const last = strokes.at(-1);
      const stroke = last?.end === i ? last : (strokes.push({ points: [] }), strokes.at(-1));
      stroke.end = i + 1;
      const until = Math.min(end, this.playhead);
      const steps = Math.max(2, Math.ceil((x(until) - x(start)) / 3));
      for (let s = stroke.points.length ? 1 : 0; s <= steps; s += 1) {
        const time = start + ((until - start) * s) / steps;
        stroke.points.push([x(time), y(this.between(i, time))]);
      }
    }
    return strokes.map((stroke) => stroke.points).filter((points) => points.length > 1);
  }

  valueAt(time) {
    const after = this.samples.findIndex(([t]) => t >= time);
    if (after === -1) return this.curve.at(-1)[1];
    if (after === 0) return this.curve[0][1];
    return this.between(after - 1, time);
  }

  /** Cubic Hermite between two neighbouring samples. */
  between(i, time) {
    const [t0, v0] = this.curve[i];
    const [t1, v1] = this.curve[i + 1];
    const step = t1 - t0;
    const u = (time - t0) / step;
    return v0 * (1 + 2 * u) * (1 - u) ** 2 + this.slopes[i] * step * u * (1 - u) ** 2
      + v1 * u * u * (3 - 2 * u) + this.slopes[i + 1] * step * u * u * (u - 1);
  }
}

const WEIGHTS = [1, 2, 3, 2, 1];

/** Straps send whole beats, and a line of whole beats is a staircase: a weighted mean of five neighbours, for the eye. */
function smoothed(samples) {
  return samples.map(([time], i) => {
    let [sum, weight] = [0, 0];
    WEIGHTS.forEach((share, k) => {
      const near = samples[i + k - 2];
      if (!near || Math.abs(near[0] - time) > GAP_S) return;
      sum += share * near[1];
      weight += share;
    });
    return [time, sum / weight];
  });
}

/** Slopes that keep the curve monotone between neighbours, without swings that nobody measured (Fritsch–Carlson). */
function slopesOf(samples) {
  const rises = samples.slice(1).map(([time, bpm], i) => (bpm - samples[i][1]) / (time - samples[i][0]));
  return samples.map((_, i) => {
    const [before, after] = [rises[i - 1], rises[i]];
    if (before === undefined || after === undefined || before * after <= 0) return 0;
    return (2 * before * after) / (before + after);
  });
}

function disc(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

function readColours(canvas) {
  const style = getComputedStyle(canvas);
  const read = (name) => style.getPropertyValue(name).trim();
  return { card: read("--card"), line: read("--line"), zones: [0, 1, 2, 3, 4, 5].map((zone) => read(`--z${zone}`)) };
}
