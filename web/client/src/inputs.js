/**
 * What can happen to a device: frames of the server, and what its own process tells it. All of it is data.
 *
 * Every input comes with `now`: ms since 1970 by the device's clock, which never runs back within a process.
 */

/** @typedef {import("./protocol.js").ServerFrame} ServerFrame */

/**
 * Send a message that is stored in the local outbox at `order`. `tried`: when it was first sent, by the server's
 * clock (ms); null when never.
 * @typedef {{type?: "submit", order: number, client_id: string, body: import("./protocol.js").Body,
 *   conversation?: string | null, to?: string | null, reply_to?: number | null, mentions?: string[] | null,
 *   tried?: number | null}} Submit
 */

/**
 * Make a request for the application; its frame gets an id of the device's. After `until` (ms) it is answered by an
 * error.
 * @typedef {{type?: "call", key: string, frame: import("./protocol.js").Outgoing, until: number}} Call
 */

/**
 * @typedef {{type: "start" | "stop" | "tick" | "pause" | "resume"}
 *   | {type: "connected", expires?: number | null}
 *   | {type: "disconnected", code?: number, reason?: string}
 *   | Submit & {type: "submit"}
 *   | {type: "found", client_id: string}
 *   | Call & {type: "call"}
 *   | {type: "cancel", key: string}
 *   | {type: "tell", frame: import("./protocol.js").Outgoing}
 *   | {type: "renewed", ok?: boolean, expires?: number | null}
 *   | {type: "unknown"}
 *   | ServerFrame} Input
 */

const LOCAL = new Set(
  "start stop connected disconnected tick pause resume submit found call cancel tell renewed".split(" "),
);
const ANSWERS = new Set(["ok", "messages", "conversation", "members", "devices"]);

/** What a frame of each type must have to be one: field, and what `typeof` says (`array` for arrays). */
const FRAMES = /** @type {Record<string, Record<string, string>>} */ ({
  welcome: { user: "string", epoch: "string", head: "number", entries: "array", heartbeat: "number", time: "number" },
  page: { epoch: "string", entries: "array", head: "number" },
  snapshot: { cursor: "number", epoch: "string", conversations: "array" },
  sent: { conversation: "string", message_seq: "number", seq: "number", time: "number" },
  messages: { conversation: "string", messages: "array", head: "number", first: "number" },
  conversation: { state: "object" },
  members: { members: "array" },
  devices: { devices: "array" },
  ok: {},
  pong: { head: "number" },
  error: { code: "string" },
  push: { entries: "array" },
  notify: { head: "number" },
  signal: { conversation: "string", sender: "string", signal: "string" },
  bye: { code: "number" },
});

/**
 * Read what came over a connection: one frame or an array of them. What is not a frame that the machine knows, or
 * lacks a field, becomes `unknown`, which is ignored (rule 9); so nothing from outside can pass for a local input.
 * @param {string} text
 * @returns {Input[]}
 * @throws {SyntaxError} if it is not JSON.
 */
export function readFrames(text) {
  const found = JSON.parse(text);
  return (Array.isArray(found) ? found : [found]).map(readFrame);
}

/**
 * @param {any} frame
 * @returns {Input}
 */
export function readFrame(frame) {
  const fields = Object.hasOwn(FRAMES, frame?.type) ? FRAMES[frame.type] : null;
  for (const [name, kind] of Object.entries(fields ?? {})) {
    const value = frame[name];
    if ((Array.isArray(value) ? "array" : typeof value) !== kind || value === null) return { type: "unknown" };
  }
  if (!fields || (frame.entries && !frame.entries.every(isEntry))) return { type: "unknown" };
  return frame;
}

/** @param {any} entry */
const isEntry = (entry) => Number.isSafeInteger(entry?.seq) && typeof entry.event?.type === "string";

/**
 * The row of the table for an input, and whether it is a frame.
 * @param {Input} given
 * @returns {[string, boolean]}
 */
export function rowOf(given) {
  const type = /** @type {string} */ (given.type);
  if (ANSWERS.has(type)) return ["answer", true];
  if (Object.hasOwn(FRAMES, type)) return [type, true];
  return LOCAL.has(type) ? [type, false] : ["unknown", true];
}
