// Numbers, times and words as people read them.

const NONE = "–";
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const number = new Intl.NumberFormat("en", { signDisplay: "negative" }); // no "-0"

/** 12,345 */
export const count = (value) => (value === null || value === undefined ? NONE : number.format(value));

/** A share in [0, 1] as percent: 0.0004 %, 0.04 %, 2.5 %, 31 %, 99.97 %. */
export function share(value) {
  return value === null || value === undefined || Number.isNaN(value) ? NONE : percent(value * 100);
}

/** A percentage, with more digits the nearer it is to 0 or 100: what is not nothing, or not all, never looks like it. */
export const percent = (value) => (value === null || value === undefined ? NONE : `${trimmed(value, Math.min(Math.abs(value), Math.abs(100 - value)))} %`);

/** A difference of shares in points, with its sign: +0.8, −0.04. */
export function points(value) {
  const size = 100 * Math.abs(value);
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${trimmed(size, size)}`;
}

/** With the digits that a number of this size needs, and no zeros at the end. */
function trimmed(value, size) {
  const digits = size >= 1 ? 1 : Math.min(6, Math.max(2, Math.ceil(-Math.log10(size || 1))));
  return String(Number(value.toFixed(digits)));
}

/** An e-value of which the logarithm is known, rounded as in the reasons of decisions: 0.02, 3.14, 45.2, 12,000, 3.3e8.
 * Null is how JSON has the logarithm of 0. */
export function evalue(log10) {
  if (log10 === null || log10 <= -3) return "< 0.001";
  if (log10 >= 5) return scientific(log10);
  const value = 10 ** log10;
  if (value < 10) return String(Number(value < 0.01 ? value.toPrecision(1) : value.toFixed(2)));
  return value >= 999.5 ? number.format(Math.round(value)) : String(Number(value.toPrecision(3)));
}

function scientific(log10) {
  const mantissa = 10 ** (log10 % 1);
  return mantissa >= 9.95 ? `1.0e${Math.floor(log10) + 1}` : `${mantissa.toFixed(1)}e${Math.floor(log10)}`;
}

/** 31 ms, 45 s, 12 min, 3 h 20 min, 4 d 2 h. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds < 1) return `${Number((1000 * seconds).toPrecision(2))} ms`;
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  if (seconds < 2 * MINUTE) return `${Math.round(seconds)} s`;
  if (seconds < 2 * HOUR) return `${Math.round(seconds / MINUTE)} min`;
  if (seconds < 2 * DAY) return both(seconds, HOUR, "h", MINUTE, "min");
  return both(seconds, DAY, "d", HOUR, "h");
}

function both(seconds, large, name, small, other) {
  const smalls = Math.round(seconds / small);
  const [whole, rest] = [Math.floor((smalls * small) / large), smalls % (large / small)];
  return rest ? `${whole} ${name} ${rest} ${other}` : `${whole} ${name}`;
}

/** 1.2 kB, 3.4 MB */
export function bytes(value) {
  if (value === null || value === undefined) return NONE;
  const power = value < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(value) / 3));
  return `${Number((value / 1000 ** power).toPrecision(3))} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

/** A time as the person's clock shows it; the day too unless it is today. */
export function local(time) {
  const at = new Date(time);
  const clock = at.toLocaleTimeString("en-GB");
  if (at.toDateString() === new Date().toDateString()) return clock;
  return `${at.toLocaleDateString("en-CA")} ${clock}`;
}

/** The same moment in UTC, to the millisecond. */
export const utc = (time) => new Date(time).toISOString().replace("T", " ").replace("Z", " UTC");

/** rolled_back -> rolled back */
export const words = (name) => String(name).replaceAll("_", " ");

/** How a decision moved the arms: ["canary 10 % → 30 %", ...]; empty: it moved none. */
export const moves = ({ before, after }) => Object.keys(after).filter((arm) => (before[arm] ?? 0) !== after[arm])
  .map((arm) => `${arm} ${percent(before[arm] ?? 0)} → ${percent(after[arm])}`);

const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** Control, bidi and zero-width characters told as their code points, so that nothing looks like what it is not. */
export const visible = (text) => text.replace(UNSEEN, (char) => `⟨U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
