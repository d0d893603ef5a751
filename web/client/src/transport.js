/** What carries frames between a device and a server. */

/**
 * One connection. After `close` it reports nothing more.
 * @typedef {object} Connection
 * @property {(frames: import("./protocol.js").Outgoing[]) => void} send
 * @property {() => void} close
 */

/**
 * What a connection reports: once `open`, then frames, and once `closed` (also when it could not be opened).
 * @typedef {object} Listener
 * @property {() => void} open
 * @property {(inputs: import("./inputs.js").Input[]) => void} frames
 * @property {(code: number, reason: string) => void} closed
 */

/**
 * What a transport may ask of its device: a token that is good now, and up to where entries are stored.
 * @typedef {{token: () => string, cursor: () => number | null, limit: () => number}} Context
 */

/** @typedef {(context: Context, listener: Listener) => Connection} Transport Opens a connection. */

/**
 * Put frames into as few messages as `limit` (bytes) allows; one alone may be over it, which its server will say.
 * @param {readonly import("./protocol.js").Outgoing[]} frames
 * @param {number} limit
 */
export function pack(frames, limit) {
  /** @type {string[]} */
  const messages = [];
  /** @type {string[]} */
  let batch = [];
  let size = 2;
  const flush = () => {
    if (batch.length) messages.push(batch.length === 1 ? batch[0] : `[${batch.join(",")}]`);
    batch = [];
    size = 2;
  };
  for (const frame of frames) {
    const text = JSON.stringify(frame);
    const bytes = text.length * 3; // At most: UTF-8 of one UTF-16 unit.
    if (size + bytes + 1 > limit) flush();
    batch.push(text);
    size += bytes + 1;
  }
  flush();
  return messages;
}

/**
 * Try a transport, and another one when it can't be opened: a network without WebSocket costs one attempt.
 *
 * Once the first has worked it is the only one; until then every fourth attempt is by it again.
 * @param {Transport} first
 * @param {Transport} second
 * @returns {Transport}
 */
export function fallback(first, second) {
  let worked = false;
  let failures = 0;
  return (context, listener) => {
    if (!worked && failures % 4 !== 0) {
      failures++;
      return second(context, { ...listener, open: () => (failures--, listener.open()) });
    }
    return first(context, {
      ...listener,
      open: () => {
        worked = true;
        listener.open();
      },
      closed: (code, reason) => {
        if (!worked) failures++;
        listener.closed(code, reason);
      },
    });
  };
}
