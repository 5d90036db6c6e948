// Numbers, times and words as people read them.

const NONE = "–";
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const number = new Intl.NumberFormat("en");

/** 12,345 */
export const count = (value) => (value === null || value === undefined ? NONE : number.format(value));

/** A share in [0, 1] as percent: 0.04 %, 2.5 %, 31 %. */
export function share(value) {
  return value === null || value === undefined || Number.isNaN(value) ? NONE : percent(value * 100);
}

/** A percentage with as many digits as it needs. */
export function percent(value) {
  if (value === null || value === undefined) return NONE;
  const size = Math.abs(value);
  const digits = size === 0 || size >= 10 ? (Number.isInteger(value) || size >= 20 ? 0 : 1) : size >= 1 ? 1 : 2;
  return `${trimmed(value, digits)} %`;
}

/** A difference of shares in points, with its sign: +0.8 points. */
export const points = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${trimmed(Math.abs(value) * 100, 1)}`;

const trimmed = (value, digits) => (digits ? value.toFixed(digits).replace(/\.?0+$/, "") : value.toFixed(0));

/** An e-value of which the logarithm is known: 0.02, 3.1, 45, 12,000, 10^9. */
export function evalue(log10) {
  if (log10 <= -3) return "< 0.001";
  if (log10 >= 6) return `10^${log10.toFixed(0)}`;
  const value = 10 ** log10;
  return value >= 100 ? number.format(Math.round(value)) : String(Number(value.toPrecision(2)));
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
  const whole = Math.floor(seconds / large);
  const rest = Math.round((seconds - whole * large) / small);
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
