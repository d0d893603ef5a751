/** The contract in types and constants: frames, events, errors, close codes, limits (protocol, sections 4 to 8). */

/** @typedef {{[key: string]: any}} Body A JSON object; clients agree on its `type`. */

/**
 * @typedef {object} Message A message as every reader sees it; times in ms since 1970.
 * @property {string} conversation
 * @property {number} message_seq
 * @property {string} sender
 * @property {string} client_id
 * @property {number} time
 * @property {Body} body
 * @property {number | null} [reply_to]
 * @property {string[]} [mentions]
 * @property {number | null} [edited]
 * @property {boolean} [recalled]
 * @property {Record<string, string[]>} [reactions]
 * @property {boolean} [gone]
 */

/**
 * @typedef {object} ConversationState A conversation as one of its members sees it.
 * @property {string} conversation
 * @property {"direct" | "group"} kind
 * @property {string | null} [peer]
 * @property {string | null} [title]
 * @property {number} members
 * @property {"admin" | "member" | null} [role]
 * @property {number} head
 * @property {Message | null} [last_message]
 * @property {number} read
 * @property {number} unread `head` - `read`.
 * @property {boolean} muted
 * @property {boolean} pinned
 * @property {number} joined
 * @property {"joined" | "all"} history
 * @property {number} first The lowest `message_seq` that this user may read.
 */

/**
 * @typedef {{type: "message", message: Message}
 *   | {type: "edited", conversation: string, message_seq: number, by: string, time: number, message: Message}
 *   | {type: "recalled", conversation: string, message_seq: number, by: string, time: number}
 *   | {type: "reaction", conversation: string, message_seq: number, by: string, reaction: string, on: boolean}
 *   | {type: "read", conversation: string, user: string, message_seq: number}
 *   | {type: "conversation", state: ConversationState}
 *   | {type: "member", conversation: string, added: string[], removed: string[], by: string, members: number}
 *   | {type: "custom", name: string, data: any}} Event
 */

/** @typedef {{seq: number, event: Event}} Entry One place of a sync timeline. */
/** @typedef {{user: string, role: "admin" | "member" | null, joined: number}} Member */
/** @typedef {{device: string, cursor: number | null, lag: number | null, online: boolean, last_seen: number}} DeviceInfo */

/**
 * @typedef {object} Limits Sizes in bytes, times in seconds.
 * @property {number} frame
 * @property {number} page_bytes
 * @property {number} body
 * @property {number} page
 * @property {number} history
 * @property {number} snapshot
 * @property {number} group_members
 * @property {number} mentions
 * @property {number} title
 * @property {number} reactions
 * @property {number} devices
 * @property {number} client_id_ttl
 * @property {number} sends_per_second
 */

/** @type {Readonly<Limits>} */
export const LIMITS = Object.freeze({
  frame: 262_144,
  page_bytes: 786_432,
  body: 32_768,
  page: 1000,
  history: 500,
  snapshot: 500,
  group_members: 1000,
  mentions: 50,
  title: 256,
  reactions: 32,
  devices: 100,
  client_id_ttl: 86_400,
  sends_per_second: 0,
});

/**
 * @typedef {{type: "welcome", id: number, user: string, device: string, session: string, epoch: string, head: number,
 *   entries: Entry[], more: boolean, reset: string | null, heartbeat: number, time: number, limits: Limits}} Welcome
 * @typedef {{type: "page", id?: number | null, epoch: string, entries: Entry[], head: number, more: boolean}} Page
 * @typedef {{type: "snapshot", id?: number | null, cursor: number, epoch: string,
 *   conversations: ConversationState[], next: string | null}} SnapshotPage
 * @typedef {{type: "sent", id?: number | null, conversation: string, message_seq: number, seq: number, time: number,
 *   duplicate: boolean}} Sent
 * @typedef {{type: "messages", id?: number | null, conversation: string, messages: Message[], head: number,
 *   first: number, more: boolean}} Messages
 * @typedef {{type: "conversation", id?: number | null, state: ConversationState}} ConversationFrame
 * @typedef {{type: "members", id?: number | null, members: Member[], next: string | null}} MembersPage
 * @typedef {{type: "devices", id?: number | null, devices: DeviceInfo[]}} DevicesList
 * @typedef {{type: "ok", id?: number | null}} Ok
 * @typedef {{type: "pong", id?: number | null, head: number}} Pong
 * @typedef {{type: "error", id?: number | null, code: string, message: string, retry: boolean,
 *   retry_after?: number | null}} ErrorFrame
 * @typedef {{type: "push", entries: Entry[]}} Push
 * @typedef {{type: "notify", head: number}} Notify
 * @typedef {{type: "signal", conversation: string, sender: string, signal: string}} Signalled
 * @typedef {{type: "bye", code: number, reason: string, retry_after?: number | null, by?: string | null}} Bye
 * @typedef {Welcome | Page | SnapshotPage | Sent | Messages | ConversationFrame | MembersPage | DevicesList | Ok
 *   | Pong | ErrorFrame | Push | Notify | Signalled | Bye} ServerFrame
 */

/** @typedef {{type: string, id?: number, [field: string]: any}} Outgoing A frame that a device sends. */

/** The codes after which a device takes a snapshot (section 6, rule 8). */
export const POSITION_ERRORS = new Set(["epoch_changed", "cursor_ahead", "cursor_too_old"]);

/** WebSocket close codes that the machine knows. */
export const UNAUTHORIZED = 4401;
export const REPLACED = 4409;

/** Codes after which a device does not reconnect unchanged. */
export const NO_RECONNECT = new Set([4400, 4401, 4403, 4409, 4413]);

/** A request failed with a code of section 8; `retryAfter` in seconds. */
export class RequestError extends Error {
  /** @param {{code: string, message: string, retry?: boolean, retry_after?: number | null}} frame */
  constructor({ code, message, retry, retry_after }) {
    super(`${code}: ${message}`);
    this.name = "RequestError";
    this.code = code;
    this.retry = retry ?? false;
    this.retryAfter = retry_after ?? null;
  }
}
