/** Which `message_seq` of a conversation a device holds: what is missing is a known hole, never a beginning. */

/** @typedef {[first: number, last: number]} Range Inclusive. */

/**
 * Return sorted, disjoint ranges that also hold `first` to `last`.
 * @param {readonly Range[]} ranges
 * @param {number} first
 * @param {number} last
 * @returns {Range[]}
 */
export function addRange(ranges, first, last) {
  if (first > last) return [...ranges];
  /** @type {Range[]} */
  const result = [];
  let placed = false;
  for (const [low, high] of ranges) {
    if (high + 1 < first) {
      result.push([low, high]);
    } else if (last + 1 < low) {
      if (!placed) result.push([first, last]);
      placed = true;
      result.push([low, high]);
    } else {
      first = Math.min(first, low);
      last = Math.max(last, high);
    }
  }
  if (!placed) result.push([first, last]);
  return result;
}

/**
 * Return the parts of `first` to `last` that are not held, ascending.
 * @param {readonly Range[]} ranges
 * @param {number} first
 * @param {number} last
 * @returns {Range[]}
 */
export function holesIn(ranges, first, last) {
  /** @type {Range[]} */
  const holes = [];
  let next = first;
  for (const [low, high] of ranges) {
    if (low > last) break;
    if (low > next) holes.push([next, low - 1]);
    next = Math.max(next, high + 1);
  }
  if (next <= last) holes.push([next, last]);
  return holes;
}
