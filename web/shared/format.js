/** Times, names and counts for people. */

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const longDate = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const yearDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const number = new Intl.NumberFormat();

/** @param {number} ms */
export const clockTime = (ms) => time.format(ms);
/** @param {number} ms */
export const fullTime = (ms) => full.format(ms);
/** @param {number} value */
export const count = (value) => number.format(value);

/** @param {number} ms */
export function dayOf(ms) {
  return new Date(ms).setHours(0, 0, 0, 0);
}

/** A short time for a list: the hour today, the day this week, the date before. @param {number} ms */
export function shortTime(ms) {
  const days = Math.round((dayOf(Date.now()) - dayOf(ms)) / 86_400_000);
  if (days <= 0) return clockTime(ms);
  if (days === 1) return "Yesterday";
  if (days < 7) return weekday.format(ms);
  return new Date(ms).getFullYear() === new Date().getFullYear() ? date.format(ms) : yearDate.format(ms);
}

/** @param {number} ms */
export function dayTitle(ms) {
  const days = Math.round((dayOf(Date.now()) - dayOf(ms)) / 86_400_000);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return new Date(ms).getFullYear() === new Date().getFullYear() ? longDate.format(ms) : yearDate.format(ms);
}

/** A stable hue for a name. @param {string} name */
export function hueOf(name) {
  let hash = 7;
  for (const char of name) hash = (hash * 31 + /** @type {number} */ (char.codePointAt(0))) >>> 0;
  return (hash * 137) % 360;
}

/** One or two letters for a name. @param {string} name */
export function initials(name) {
  const words = name.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  const letters =
    words.length > 1 ? [words[0], words[1]].map((word) => [...word][0]) : [...(words[0] ?? name)].slice(0, 1);
  return letters.join("").toUpperCase() || "?";
}

/** @param {number} ms */
export function duration(ms) {
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 100) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

/** @param {number} value @param {string} one @param {string} [many] */
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;
