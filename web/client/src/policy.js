/** The numbers of a device's patience, and its back-off (protocol, section 6, rules 5 and 7). Times in ms. */

/**
 * @typedef {object} Policy
 * @property {number} answer A request that is unanswered for so long is no longer waited for (rule 7).
 * @property {number} connect A connection that is not open after so long is given up.
 * @property {number} backoff
 * @property {number} backoff_cap
 * @property {number} stable A connection that lasted so long forgives the attempts before it.
 * @property {number} stash Entries kept beyond a gap, or while the consumer pauses; over it the highest are dropped.
 * @property {number} window Sends in flight.
 * @property {number} calls Other requests that wait for an answer; over it they are refused.
 * @property {number} late Requests given up whose answer would still be understood.
 * @property {number} page
 * @property {number} snapshot
 */

/** @type {Readonly<Policy>} */
export const POLICY = Object.freeze({
  answer: 10_000,
  connect: 30_000,
  backoff: 1_000,
  backoff_cap: 30_000,
  stable: 10_000,
  stash: 500,
  window: 32,
  calls: 1_000,
  late: 16,
  page: 200,
  snapshot: 200,
});

/**
 * Return how long to wait after that many failures in a row: doubling, capped, half of it by chance.
 *
 * It is never zero: what goes on at once goes on for ever.
 * @param {Policy} policy
 * @param {number} failures
 * @param {number} random In [0, 1).
 */
export function delay(policy, failures, random) {
  const longest = Math.min(policy.backoff_cap, policy.backoff * 2 ** Math.min(failures, 20));
  return Math.floor(longest / 2 + (random * longest) / 2);
}
