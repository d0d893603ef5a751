/** The client: one device of one user, for an application. */

import { details } from "./events.js";
import { IndexedDBStore } from "./indexeddb.js";
import { claims } from "./longpoll.js";
import { MemoryStore } from "./memory.js";
import { RequestError } from "./protocol.js";
import { randomId } from "./random.js";
import { held, messagesBefore } from "./reading.js";
import { Seat, TIMEOUT } from "./seat.js";

/** @typedef {import("./events.js").ClientEvent} ClientEvent */
/** @typedef {import("./protocol.js").Body} Body */
/** @typedef {import("./protocol.js").Entry} Entry */
/** @typedef {import("./protocol.js").Sent} Sent */
/** @typedef {import("./protocol.js").Message} Message */
/** @typedef {import("./protocol.js").Outgoing} Outgoing */
/** @typedef {import("./draft.js").Change} Change */
/** @typedef {import("./draft.js").Conversation} Conversation */
/** @typedef {import("./draft.js").Pending} Pending */
/** @typedef {import("./ranges.js").Range} Range */

/**
 * `device`: its name; without it one is made and kept in the store. `store`: IndexedDB where there is one, else memory.
 * @typedef {import("./seat.js").SeatOptions & {device?: string, store?: import("./store.js").Store}} ClientOptions
 */

/** @typedef {{signal?: AbortSignal, timeout?: number}} AskOptions `timeout` in ms, 30,000 if not given. */

/**
 * One device of one user. An `EventTarget`: see `ClientEvent` for its events, whose `detail` says what happened.
 *
 * @example
 * const client = new TidelineClient({ url: location.origin, token });
 * await client.start();
 * client.addEventListener("change", () => draw());
 * await client.send("bob", { type: "text", text: "hi" });
 */
export class TidelineClient extends EventTarget {
  /** @type {string} */
  user = "";
  /** @type {string} */
  device = "";
  /** @type {import("./store.js").Store} */
  store;
  #options;
  #seat;
  /** @type {Map<string, {resolve: (sent: Sent) => void, reject: (error: Error) => void}>} */
  #sends = new Map();
  #ending = new AbortController();

  /** @param {ClientOptions} options */
  constructor(options) {
    super();
    this.#options = options;
    this.store = options.store ?? (globalThis.indexedDB ? new IndexedDBStore() : new MemoryStore());
    this.#seat = new Seat({
      options,
      store: this.store,
      token: (why) => this.#token(why),
      hear: (event) => this.#hear(event),
    });
  }

  /**
   * Open the store and begin to connect. What is stored can be read as soon as this returns, connected or not.
   * @throws {RequestError} `wrong_user` if the store is another user's.
   */
  async start() {
    const position = await this.store.open();
    const user = position.user ?? claims(await this.#token({ fresh: false })).sub;
    if (!user) throw new RequestError({ code: "unauthorized", message: "the token names no user" });
    if (typeof this.#options.token === "string" && claims(this.#options.token).sub !== user) {
      throw new RequestError({ code: "wrong_user", message: `the local store is of ${user}` });
    }
    this.user = user;
    this.device = this.#options.device ?? position.device ?? `web-${randomId().slice(0, 12)}`;
    if (position.device !== this.device || !position.user) await this.store.identify(user, this.device);
    await this.#seat.take(user, this.device);
  }

  /** The connection, for people and for tests. */
  get status() {
    return this.#seat.status;
  }

  /** Whether this tab holds the connection. */
  get leading() {
    return this.#seat.leading;
  }

  /** Close: what is stored stays. */
  close() {
    this.#ending.abort();
    this.#seat.close();
    this.store.close();
  }

  /** Close and delete all that is stored: signing out. */
  async destroy() {
    this.close();
    await this.store.destroy();
  }

  // Messages.

  /**
   * Put a message into the outbox, and return its `client_id`. From here on it is sent by itself, in order, also after
   * a restart.
   * @param {string} target A conversation, or a user.
   * @param {Body} body
   * @param {{replyTo?: number, mentions?: string[]}} [options]
   */
  async submit(target, body, { replyTo, mentions } = {}) {
    const conversation = conversationOf(this.user, target);
    const client_id = randomId();
    await this.store.submit({
      ...{ client_id, conversation, body, reply_to: replyTo ?? null, mentions: mentions ?? null },
      ...{ time: Date.now(), tried: null, status: "pending" },
    });
    this.#seat.tell({ type: "change", detail: { conversations: [], outbox: [conversation], reset: false } }, true);
    this.#seat.ask("submitted").catch(() => {});
    return client_id;
  }

  /**
   * Send a message, and return where it went once the server has stored it. To abort is to stop waiting: the message
   * stays in the outbox.
   * @param {string} target A conversation, or a user.
   * @param {Body} body
   * @param {{replyTo?: number, mentions?: string[], signal?: AbortSignal}} [options]
   * @returns {Promise<Sent>}
   * @throws {RequestError} if it is refused for good.
   */
  async send(target, body, options = {}) {
    options.signal?.throwIfAborted();
    const id = await this.submit(target, body, options);
    return new Promise((resolve, reject) => {
      this.#sends.set(id, { resolve, reject });
      options.signal?.addEventListener("abort", () => (this.#sends.delete(id), reject(options.signal?.reason)));
    });
  }

  /**
   * Send a message again that failed, or may not have been sent.
   * @param {string} clientId
   */
  async retry(clientId) {
    const item = (await this.store.outbox()).find((each) => each.client_id === clientId);
    if (!item || item.status === "pending") return;
    await this.discard(clientId);
    await this.submit(item.conversation, item.body, {
      replyTo: item.reply_to ?? undefined,
      mentions: item.mentions ?? undefined,
    });
  }

  /**
   * Drop a message that failed, or may not have been sent.
   * @param {string} clientId
   */
  async discard(clientId) {
    await this.#seat.ask("commit", [{ type: "discard", client_id: clientId }]);
  }

  /**
   * Return the messages that the server has not confirmed, in order.
   * @param {string} [conversation]
   */
  pending(conversation) {
    return this.store.outbox(conversation);
  }

  /**
   * Return what is held of a part of a conversation (inclusive), and what is missing.
   * @param {string} conversation
   * @param {number} first
   * @param {number} last
   * @returns {Promise<{messages: Message[], holes: Range[]}>}
   */
  held(conversation, first, last) {
    return held(this.store, conversation, first, last);
  }

  /**
   * Return messages before a position (by default the last ones), from the store where they are held and from the
   * server where not. `holes` is what could not be had.
   * @param {string} conversation
   * @param {{before?: number, limit?: number} & AskOptions} [options]
   * @returns {Promise<{messages: Message[], holes: Range[], first: number, head: number}>}
   */
  messages(conversation, { before, limit = 50, ...options } = {}) {
    const part = { before, limit, online: () => this.status.online };
    return messagesBefore(this.store, conversation, part, (missing) =>
      this.history(conversation, { ...missing, ...options }),
    );
  }

  /**
   * Read a conversation's message timeline from the server, and keep what comes.
   * @param {string} conversation
   * @param {{before?: number, after?: number, limit?: number} & AskOptions} [options]
   * @returns {Promise<import("./protocol.js").Messages>}
   */
  history(conversation, { before, after, limit, ...options } = {}) {
    return this.request({ type: "history", ...defined({ conversation, before, after, limit }) }, options);
  }

  /**
   * Say that the user has read up to a message; also when offline.
   * @param {string} conversation
   * @param {number} message_seq
   */
  async read(conversation, message_seq) {
    await this.#seat.ask("read", conversation, message_seq);
  }

  // Conversations.

  /** Return the ids of all conversations with their ranks, in the order of a list. */
  conversations() {
    return this.store.order();
  }

  /**
   * Return a conversation as it is stored, or null.
   * @param {string} id
   */
  async conversation(id) {
    return (await this.store.conversations([id]))[0];
  }

  /**
   * Create a group and return its state.
   * @param {{conversation?: string, title?: string, members?: string[], history?: "joined" | "all"} & AskOptions} [options]
   * @returns {Promise<import("./protocol.js").ConversationState>}
   */
  async create({ conversation, title, members, history, ...options } = {}) {
    // The name is chosen here, so that a repeated request is the same request.
    const name = conversation ?? `g:${randomId()}`;
    const frame = { type: "create", ...defined({ conversation: name, title, members, history }) };
    return (await this.request(frame, options)).state;
  }

  /** @param {string} conversation @param {string[]} members @param {AskOptions} [options] */
  add(conversation, members, options) {
    return this.request({ type: "add", conversation, members }, options);
  }

  /** @param {string} conversation @param {string[]} members @param {AskOptions} [options] */
  remove(conversation, members, options) {
    return this.request({ type: "remove", conversation, members }, options);
  }

  /** @param {string} conversation @param {AskOptions} [options] */
  leave(conversation, options) {
    return this.remove(conversation, [this.user], options);
  }

  /** @param {string} conversation @param {{title?: string, muted?: boolean, pinned?: boolean}} changes @param {AskOptions} [options] */
  update(conversation, changes, options) {
    return this.request({ type: "update", conversation, ...changes }, options);
  }

  /**
   * Return all members of a conversation.
   * @param {string} conversation
   * @param {AskOptions} [options]
   * @returns {Promise<import("./protocol.js").Member[]>}
   */
  async members(conversation, options) {
    /** @type {import("./protocol.js").Member[]} */
    const found = [];
    for (let next = null; ;) {
      const page = await this.request({ type: "members", ...defined({ conversation, next }) }, options);
      found.push(...page.members);
      next = page.next;
      if (next === null) return found;
    }
  }

  /**
   * Tell the others who are online something that is not stored, such as `typing`; it may be lost.
   * @param {string} conversation
   * @param {string} [signal]
   */
  signal(conversation, signal = "typing") {
    this.#seat.ask("tell", { type: "signal", conversation, signal }).catch(() => {});
  }

  /**
   * Make any request of the protocol (section 4) and return its response.
   * @param {Outgoing} frame Without `id`.
   * @param {AskOptions} [options]
   * @returns {Promise<any>}
   * @throws {RequestError}
   */
  request(frame, { signal, timeout = TIMEOUT } = {}) {
    if (!signal) return this.#seat.ask("request", frame, timeout);
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      this.#seat.ask("request", frame, timeout).then(resolve, reject);
    });
  }

  // Events as iterators.

  /**
   * Iterate over entries as they are applied, from now on.
   * @param {{signal?: AbortSignal}} [options]
   * @returns {AsyncGenerator<Entry, void, void>}
   */
  async *entries({ signal } = {}) {
    for await (const batch of this.on("entries", { signal })) yield* batch;
  }

  /**
   * Iterate over the details of an event, from now on, until aborted or closed.
   * @param {ClientEvent["type"]} type
   * @param {{signal?: AbortSignal}} [options]
   * @returns {AsyncGenerator<any, void, void>}
   */
  on(type, { signal } = {}) {
    return details(this, type, [this.#ending.signal, ...(signal ? [signal] : [])]);
  }

  // What happened.

  /** @param {ClientEvent} event */
  #hear(event) {
    if (event.type === "outcome") this.#settle(event.detail);
    else if (event.type === "entries" && this.#sends.size) this.#find(event.detail);
    this.dispatchEvent(Object.assign(new Event(event.type), { detail: event.detail }));
  }

  /**
   * A message that is among the entries was stored, whether its answer came or not.
   * @param {Entry[]} entries
   */
  #find(entries) {
    for (const { seq, event } of entries) {
      if (event.type !== "message") continue;
      const { client_id, conversation, message_seq, time } = event.message;
      this.#sends.get(client_id)?.resolve({ type: "sent", conversation, message_seq, seq, time, duplicate: false });
      this.#sends.delete(client_id);
    }
  }

  /** @param {any} outcome */
  #settle(outcome) {
    const send = this.#sends.get(outcome.client_id);
    this.#sends.delete(outcome.client_id);
    if (outcome.type === "confirmed") send?.resolve({ ...outcome, type: "sent" });
    else if (outcome.type === "failed") send?.reject(new RequestError(outcome));
    else send?.reject(new RequestError({ code: "unconfirmed", message: "it may or may not have been sent" }));
  }

  /** @param {{fresh: boolean}} why */
  async #token(why) {
    const { token } = this.#options;
    return typeof token === "function" ? token(why) : token;
  }
}

/**
 * The conversation that a target names: itself, or the direct one with a user.
 * @param {string} user
 * @param {string} target
 */
export function conversationOf(user, target) {
  if (target[1] === ":") return target;
  // Code-point order is code-unit order here: names are ASCII.
  return user <= target ? `d:${user}~${target}` : `d:${target}~${user}`;
}

/** @param {Record<string, any>} fields @returns {Record<string, any>} */
const defined = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null));
