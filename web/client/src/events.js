/** What a client tells an application, and how to iterate over it. */

/** @typedef {{state: import("./table.js").State, online: boolean, cursor: number | null, head: number}} Status */

/**
 * `status`: the connection changed. `change`: what is stored changed, so what shows it may want to read it again.
 * `staged`: a page of a snapshot came, in the tab that leads: it is not stored yet, but a list may begin to show it.
 * `entries`: entries were applied, in order. `outcome`: a message left the outbox. `signal`: another user is typing,
 * or so. `stopped`: the device does not reconnect by itself (`code`: a close code, an error's code, or 0). `error`:
 * the local store failed; it is tried again. `leader`: another tab has taken the lead.
 * @typedef {{type: "status", detail: Status}
 *   | {type: "change", detail: import("./draft.js").Change}
 *   | {type: "staged", detail: import("./protocol.js").ConversationState[]}
 *   | {type: "entries", detail: import("./protocol.js").Entry[]}
 *   | {type: "outcome", detail: import("./outputs.js").StoreOutput}
 *   | {type: "signal", detail: import("./protocol.js").Signalled}
 *   | {type: "stopped", detail: {code: number | string, reason: string}}
 *   | {type: "error", detail: string}
 *   | {type: "leader", detail: null}} ClientEvent
 */

/**
 * Iterate over the details of an event, from now on, until one of the signals is aborted.
 * @param {EventTarget} target
 * @param {string} type
 * @param {AbortSignal[]} ends
 * @returns {AsyncGenerator<any, void, void>}
 */
export function details(target, type, ends) {
  /** @type {any[]} */
  const waiting = [];
  let wake = () => {};
  const hear = (/** @type {any} */ event) => (waiting.push(event.detail), wake());
  // Not in the generator: that begins only when it is asked for the first detail.
  target.addEventListener(type, hear);
  for (const each of ends) each.addEventListener("abort", () => wake());
  return (async function* () {
    try {
      while (!ends.some((each) => each.aborted)) {
        if (waiting.length) yield waiting.shift();
        else await new Promise((resolve) => (wake = () => resolve(undefined)));
      }
    } finally {
      target.removeEventListener(type, hear);
    }
  })();
}
