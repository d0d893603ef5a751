/** A store in memory: for tests, for Node, and where a browser has no IndexedDB. It ends with its process. */

import { asConversation, Draft, placeOf } from "./draft.js";
import { carryOut, needs } from "./replica.js";

/** @typedef {import("./replica.js").Operation} Operation */
/** @typedef {import("./draft.js").Conversation} Conversation */
/** @typedef {import("./draft.js").Pending} Pending */
/** @typedef {import("./draft.js").Change} Change */
/** @typedef {import("./store.js").Store} Store */

/** @implements {Store} */
export class MemoryStore {
  shared = false;
  /** @type {import("./draft.js").Position} */
  #position = { cursor: null, epoch: null, user: null, device: null };
  /** @type {Map<string, Conversation>} */
  #conversations = new Map();
  /** @type {Map<string, import("./protocol.js").Message>} */
  #messages = new Map();
  /** @type {Map<string, import("./ranges.js").Range[]>} */
  #ranges = new Map();
  /** @type {Map<string, Pending>} */
  #outbox = new Map();
  /** @type {Map<string, number>} */
  #reads = new Map();
  /** @type {import("./protocol.js").ConversationState[]} */
  #staged = [];
  #order = 0;

  async open() {
    return { ...this.#position };
  }

  /** @param {string} user @param {string} device */
  async identify(user, device) {
    Object.assign(this.#position, { user, device });
  }

  /**
   * @param {readonly Operation[]} operations
   * @returns {Promise<Change>}
   */
  async commit(operations) {
    const draft = new Draft(this.#position.user);
    let reset = false;
    for (const operation of operations) {
      if (operation.type === "stage") {
        this.#staged = operation.start ? [...operation.conversations] : [...this.#staged, ...operation.conversations];
      } else if (operation.type === "replace") {
        this.#replace(operation);
        reset = true;
      } else {
        this.#apply(draft, operation);
      }
    }
    return { ...draft.change, reset };
  }

  /** @param {Operation & {type: "replace"}} operation */
  #replace({ cursor, epoch, messages }) {
    let rank = Date.now();
    this.#conversations.clear();
    for (const state of this.#staged) {
      const conversation = asConversation(state, rank);
      rank = Math.min(rank, conversation.rank);
      this.#conversations.set(state.conversation, conversation);
    }
    this.#staged = [];
    this.#ranges.clear();
    if (messages === "discard") this.#messages.clear();
    Object.assign(this.#position, { cursor, epoch });
  }

  /** @param {Draft} draft @param {Operation} operation */
  #apply(draft, operation) {
    const wanted = needs([operation]);
    for (const id of wanted.conversations) {
      draft.conversations.set(id, this.#conversations.get(id) ?? null);
      draft.ranges.set(id, this.#ranges.get(id) ?? []);
      draft.reads.set(id, this.#reads.get(id) ?? null);
    }
    for (const place of wanted.messages.keys()) {
      const message = this.#messages.get(place);
      if (message) draft.messages.set(place, message);
    }
    for (const id of wanted.outbox) draft.outbox.set(id, this.#outbox.get(id) ?? null);
    carryOut(draft, [operation], Date.now());
    for (const id of draft.changed.conversations) set(this.#conversations, id, draft.conversations.get(id));
    for (const id of draft.changed.ranges) set(this.#ranges, id, draft.ranges.get(id));
    for (const place of draft.changed.messages) set(this.#messages, place, draft.messages.get(place));
    for (const id of draft.changed.outbox) set(this.#outbox, id, draft.outbox.get(id));
    for (const [id, seq] of draft.reads) set(this.#reads, id, seq);
    if (draft.position) Object.assign(this.#position, draft.position);
  }

  /** @param {Omit<Pending, "order">} item */
  async submit(item) {
    const order = ++this.#order;
    this.#outbox.set(item.client_id, { ...item, order });
    return order;
  }

  /** @param {string} [conversation] */
  async outbox(conversation) {
    const items = [...this.#outbox.values()].sort((a, b) => a.order - b.order);
    return conversation ? items.filter((item) => item.conversation === conversation) : items;
  }

  async reads() {
    return [...this.#reads];
  }

  /** @returns {Promise<[string, number][]>} */
  async order() {
    return [...this.#conversations.values()]
      .map(({ conversation, rank }) => /** @type {[string, number]} */ ([conversation, rank]))
      .sort((a, b) => b[1] - a[1]);
  }

  /** @param {readonly string[]} ids */
  async conversations(ids) {
    return ids.map((id) => this.#conversations.get(id) ?? null);
  }

  /** @param {string} conversation @param {number} first @param {number} last */
  async messages(conversation, first, last) {
    const found = [];
    for (let seq = first; seq <= last; seq++) {
      const message = this.#messages.get(placeOf(conversation, seq));
      if (message) found.push(message);
    }
    return found;
  }

  /** @param {string} conversation */
  async ranges(conversation) {
    return this.#ranges.get(conversation) ?? [];
  }

  close() {}

  async destroy() {
    for (const map of [this.#conversations, this.#messages, this.#ranges, this.#outbox, this.#reads]) map.clear();
    this.#position = { cursor: null, epoch: null, user: null, device: null };
  }
}

/**
 * @template V
 * @param {Map<string, V>} map
 * @param {string} key
 * @param {V | null | undefined} value
 */
function set(map, key, value) {
  if (value == null) map.delete(key);
  else map.set(key, value);
}
