/**
 * What a device keeps, and the part of it that one transaction works on (protocol, section 7).
 *
 * A store loads a draft, lets it be changed, and writes what `changed` names; what follows from other fields (`unread`,
 * `rank`) is put right here and nowhere else.
 */

import { addRange } from "./ranges.js";

/** @typedef {import("./protocol.js").Message} Message */
/** @typedef {import("./ranges.js").Range} Range */

/**
 * A conversation as the device keeps it. `peer_read`: up to where the other party of a direct conversation is known
 * to have read; `rank`: what the list is ordered by, highest first.
 * @typedef {import("./protocol.js").ConversationState & {peer_read: number, rank: number}} Conversation
 */

/**
 * A message of one's own that the server has not confirmed.
 * @typedef {object} Pending
 * @property {number} order
 * @property {string} client_id
 * @property {string} conversation
 * @property {import("./protocol.js").Body} body
 * @property {number | null} [reply_to]
 * @property {string[] | null} [mentions]
 * @property {number} time When it was written (ms, the device's clock).
 * @property {number | null} tried When it was first sent (ms, the server's clock).
 * @property {"pending" | "failed" | "unconfirmed"} status
 * @property {string} [error] Why it failed.
 */

/** @typedef {{cursor: number | null, epoch: string | null, user: string | null, device: string | null}} Position */

/**
 * What changed: conversations with their ranks (null: gone), and in which of them unsent messages did; `reset`: all
 * of it.
 * @typedef {{conversations: [id: string, rank: number | null][], outbox: string[], reset: boolean}} Change
 */

/** Ranks of pinned conversations are higher by this than their last activity (ms). */
const PINNED = 1e15;

/**
 * What the list is ordered by: the last message's time, or where the conversation was; those that are pinned first.
 * @param {import("./protocol.js").ConversationState} state
 * @param {number} rank
 */
const rankOf = ({ last_message, pinned }, rank) => (last_message?.time ?? rank % PINNED) + (pinned ? PINNED : 0);

/**
 * A conversation that is new here; `rank` counts where it has no message.
 * @param {import("./protocol.js").ConversationState} state
 * @param {number} rank
 * @returns {Conversation}
 */
export const asConversation = (state, rank) => ({ ...state, peer_read: 0, rank: rankOf(state, rank) });

/** @param {string} id @param {number} seq */
export const placeOf = (id, seq) => `${id}\n${seq}`;

/** The part of a store that a batch works on; what is set to null is to be deleted. */
export class Draft {
  /** @type {Map<string, Conversation | null>} */
  conversations = new Map();
  /** @type {Map<string, Range[]>} */
  ranges = new Map();
  /** @type {Map<string, Message>} */
  messages = new Map();
  /** @type {Map<string, Pending | null>} */
  outbox = new Map();
  /** @type {Map<string, number | null>} */
  reads = new Map();
  /** @type {{cursor: number, epoch: string} | null} */
  position = null;
  changed = {
    /** @type {Set<string>} */ conversations: new Set(),
    /** @type {Set<string>} */ ranges: new Set(),
    /** @type {Set<string>} */ messages: new Set(),
    /** @type {Set<string>} */ outbox: new Set(),
    /** @type {Set<string>} */ pending: new Set(),
    /** @type {Set<string>} */ gone: new Set(),
  };

  /** @param {string | null} user */
  constructor(user) {
    this.user = user;
  }

  /** @param {Conversation} conversation */
  putConversation(conversation) {
    conversation.unread = Math.max(0, conversation.head - conversation.read);
    conversation.rank = rankOf(conversation, conversation.rank);
    this.conversations.set(conversation.conversation, conversation);
    this.changed.conversations.add(conversation.conversation);
  }

  /** @param {Message} message */
  putMessage(message) {
    const place = placeOf(message.conversation, message.message_seq);
    this.messages.set(place, message);
    this.changed.messages.add(place);
  }

  /** @param {string} id @param {number} first @param {number} last */
  hold(id, first, last) {
    this.ranges.set(id, addRange(this.ranges.get(id) ?? [], first, last));
    this.changed.ranges.add(id);
  }

  /** @param {string} id @param {number} seq */
  holds(id, seq) {
    return (this.ranges.get(id) ?? []).some(([low, high]) => low <= seq && seq <= high);
  }

  /** @param {string} clientId @param {Pending | null} item */
  putPending(clientId, item) {
    const before = this.outbox.get(clientId);
    const conversation = (item ?? before)?.conversation;
    if (!conversation) return;
    this.outbox.set(clientId, item);
    this.changed.outbox.add(clientId);
    this.changed.pending.add(conversation);
  }

  /** @returns {Change} */
  get change() {
    const ids = [...this.changed.conversations];
    return {
      conversations: ids.map((id) => [id, this.conversations.get(id)?.rank ?? null]),
      outbox: [...this.changed.pending],
      reset: false,
    };
  }
}
