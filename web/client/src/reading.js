/** Messages of a conversation: from the store where they are held, from the server where not. */

import { holesIn } from "./ranges.js";

/** @typedef {import("./protocol.js").Message} Message */
/** @typedef {import("./ranges.js").Range} Range */

/**
 * Return what is held of a part of a conversation (inclusive), and what is missing.
 * @param {import("./store.js").Store} store
 * @param {string} conversation
 * @param {number} first
 * @param {number} last
 * @returns {Promise<{messages: Message[], holes: Range[]}>}
 */
export async function held(store, conversation, first, last) {
  const [found, ranges] = await Promise.all([store.messages(conversation, first, last), store.ranges(conversation)]);
  const holes = holesIn(ranges, first, last);
  const missing = (/** @type {number} */ seq) => holes.some(([low, high]) => low <= seq && seq <= high);
  return { messages: found.filter(({ message_seq }) => !missing(message_seq)), holes };
}

/**
 * Return the last `limit` messages before a position; `holes` is what could not be had.
 * @param {import("./store.js").Store} store
 * @param {string} conversation
 * @param {{before?: number, limit: number, online: () => boolean}} options `online`: whether to ask the server.
 * @param {(part: {before?: number, limit: number}) => Promise<unknown>} fetch Read a part from the server into the
 *   store.
 * @returns {Promise<{messages: Message[], holes: Range[], first: number, head: number}>}
 */
export async function messagesBefore(store, conversation, { before, limit, online }, fetch) {
  let [state] = await store.conversations([conversation]);
  if (!state) {
    await fetch({ before, limit });
    [state] = await store.conversations([conversation]);
  }
  const { head, first } = state ?? { head: 0, first: 1 };
  const high = Math.min(head, (before ?? Infinity) - 1);
  const low = Math.max(first, high - limit + 1);
  let found = await held(store, conversation, low, high);
  if (found.holes.length && online()) {
    for (const [from, to] of found.holes.reverse()) await fetch({ before: to + 1, limit: to - from + 1 });
    found = await held(store, conversation, low, high);
  }
  return { ...found, first, head };
}
