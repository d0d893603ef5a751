/** The client: one device of one user, for an application. */

import { IndexedDBStore } from "./indexeddb.js";
import { claims, longPoll } from "./longpoll.js";
import { MemoryStore } from "./memory.js";
import { RequestError } from "./protocol.js";
import { holesIn } from "./ranges.js";
import { randomId } from "./random.js";
import { Runner } from "./runner.js";
import { canShare, Tabs } from "./tabs.js";
import { fallback } from "./transport.js";
import { webSocket } from "./websocket.js";

/** @typedef {import("./protocol.js").Body} Body */
/** @typedef {import("./protocol.js").Entry} Entry */
/** @typedef {import("./protocol.js").Sent} Sent */
/** @typedef {import("./protocol.js").Message} Message */
/** @typedef {import("./protocol.js").Outgoing} Outgoing */
/** @typedef {import("./replica.js").Change} Change */
/** @typedef {import("./replica.js").Conversation} Conversation */
/** @typedef {import("./replica.js").Pending} Pending */
/** @typedef {import("./ranges.js").Range} Range */

/**
 * @typedef {{state: import("./table.js").State, online: boolean, cursor: number | null, head: number}} Status
 */

/**
 * `status`: the connection changed. `change`: what is stored changed, so what shows it may want to read it again.
 * `staged`: a page of a snapshot came, in the tab that leads: it is not stored yet, but a list may begin to show it.
 * `entries`: entries were applied, in order. `outcome`: a message left the outbox. `signal`: another user is typing,
 * or so. `stopped`: the device does not reconnect by itself (`code`: a close code, an error's code, or 0). `error`:
 * the local store failed; it is tried again. `leader`: another tab has taken the lead.
 * @typedef {{type: "status", detail: Status}
 *   | {type: "change", detail: Change}
 *   | {type: "staged", detail: import("./protocol.js").ConversationState[]}
 *   | {type: "entries", detail: Entry[]}
 *   | {type: "outcome", detail: import("./outputs.js").StoreOutput}
 *   | {type: "signal", detail: import("./protocol.js").Signalled}
 *   | {type: "stopped", detail: {code: number | string, reason: string}}
 *   | {type: "error", detail: string}
 *   | {type: "leader", detail: null}} ClientEvent
 */

/**
 * @typedef {object} ClientOptions
 * @property {string | URL} url The server's address, `https://chat.example`.
 * @property {string | ((why: {fresh: boolean}) => string | Promise<string>)} token A token, or what gets one (`fresh`:
 *   the last one was refused or expires).
 * @property {string} [device] The device's name; without it one is made and kept in the store.
 * @property {import("./store.js").Store} [store] IndexedDB where there is one, else memory.
 * @property {import("./transport.js").Transport} [transport] WebSocket, and long polls where it can't be opened.
 * @property {boolean} [tabs] Whether the tabs of this origin are one device (default, where the store is shared).
 * @property {"content" | "hint"} [delivery]
 * @property {Partial<import("./policy.js").Policy>} [policy]
 */

/** @typedef {{signal?: AbortSignal, timeout?: number}} AskOptions `timeout` in ms, 30,000 if not given. */

const TIMEOUT = 30_000;

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
  /** @type {Status} */
  #status = { state: "connecting", online: false, cursor: null, head: 0 };
  #options;
  /** @type {Runner | null} */
  #runner = null;
  /** @type {Tabs | null} */
  #tabs = null;
  /** @type {Map<string, {resolve: (sent: Sent) => void, reject: (error: Error) => void}>} */
  #sends = new Map();
  #ending = new AbortController();

  /** @param {ClientOptions} options */
  constructor(options) {
    super();
    this.#options = options;
    this.store = options.store ?? (globalThis.indexedDB ? new IndexedDBStore() : new MemoryStore());
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
    if (this.store.shared && this.#options.tabs !== false && canShare()) {
      this.#tabs = new Tabs(`tideline ${this.#options.url} ${user}`, {
        lead: () => this.#lead(),
        serve: (method, args) => this.#serve(method, args),
        hear: (event) => this.#hear(event),
      });
      this.#tabs.start();
      this.#hear({ type: "leader", detail: null });
    } else {
      await this.#lead();
    }
    this.#listen();
  }

  /** The connection, for people and for tests. */
  get status() {
    return this.#runner?.status ?? this.#status;
  }

  /** Whether this tab holds the connection. */
  get leading() {
    return this.#runner !== null;
  }

  /** Close: what is stored stays. */
  close() {
    this.#ending.abort();
    this.#runner?.close();
    this.#tabs?.close();
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
    this.#emit({ type: "change", detail: { conversations: [], outbox: [conversation], reset: false } }, true);
    this.#ask("submitted").catch(() => {});
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
    await this.#ask("commit", [{ type: "discard", client_id: clientId }]);
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
  async held(conversation, first, last) {
    const [found, ranges] = await Promise.all([
      this.store.messages(conversation, first, last),
      this.store.ranges(conversation),
    ]);
    const holes = holesIn(ranges, first, last);
    const missing = (/** @type {number} */ seq) => holes.some(([low, high]) => low <= seq && seq <= high);
    return { messages: found.filter(({ message_seq }) => !missing(message_seq)), holes };
  }

  /**
   * Return messages before a position (by default the last ones), from the store where they are held and from the
   * server where not. `holes` is what could not be had.
   * @param {string} conversation
   * @param {{before?: number, limit?: number} & AskOptions} [options]
   * @returns {Promise<{messages: Message[], holes: Range[], first: number, head: number}>}
   */
  async messages(conversation, { before, limit = 50, ...options } = {}) {
    let [state] = await this.store.conversations([conversation]);
    if (!state) {
      await this.history(conversation, { before, limit, ...options });
      [state] = await this.store.conversations([conversation]);
    }
    const { head, first } = state ?? { head: 0, first: 1 };
    const high = Math.min(head, (before ?? Infinity) - 1);
    const low = Math.max(first, high - limit + 1);
    let found = await this.held(conversation, low, high);
    if (found.holes.length && this.status.online) {
      for (const [from, to] of found.holes.reverse()) {
        await this.history(conversation, { before: to + 1, limit: to - from + 1, ...options });
      }
      found = await this.held(conversation, low, high);
    }
    return { ...found, first, head };
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
    await this.#ask("read", conversation, message_seq);
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
    this.#ask("tell", { type: "signal", conversation, signal }).catch(() => {});
  }

  /**
   * Make any request of the protocol (section 4) and return its response.
   * @param {Outgoing} frame Without `id`.
   * @param {AskOptions} [options]
   * @returns {Promise<any>}
   * @throws {RequestError}
   */
  request(frame, { signal, timeout = TIMEOUT } = {}) {
    if (!signal) return this.#ask("request", frame, timeout);
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      this.#ask("request", frame, timeout).then(resolve, reject);
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
    /** @type {any[]} */
    const waiting = [];
    let wake = () => {};
    const hear = (/** @type {any} */ event) => (waiting.push(event.detail), wake());
    this.addEventListener(type, hear);
    const ends = [this.#ending.signal, ...(signal ? [signal] : [])];
    const over = () => ends.some((each) => each.aborted);
    for (const each of ends) each.addEventListener("abort", () => wake());
    const target = this;
    return (async function* () {
      try {
        while (!over()) {
          if (waiting.length) yield waiting.shift();
          else await new Promise((resolve) => (wake = () => resolve(undefined)));
        }
      } finally {
        target.removeEventListener(type, hear);
      }
    })();
  }

  // Leading and following.

  async #lead() {
    const { token, delivery, policy, transport, url } = this.#options;
    const runner = new Runner({
      store: this.store,
      transport: transport ?? (globalThis.WebSocket ? fallback(webSocket(url), longPoll(url)) : longPoll(url)),
      token: (why) => this.#token(why),
      renewable: typeof token === "function",
      device: this.device,
      delivery,
      policy,
      emit: (event) => this.#emit(event),
    });
    this.#runner = runner;
    await runner.start();
  }

  /**
   * Do something as the leader, for this tab or another.
   * @param {string} method
   * @param {any[]} args
   * @returns {Promise<any>}
   */
  async #serve(method, args) {
    const runner = /** @type {Runner} */ (this.#runner);
    if (method === "status") return runner.status;
    if (method === "submitted") return runner.submitted();
    if (method === "tell") return runner.tell(args[0]);
    if (method === "commit") return runner.store(args[0]);
    if (method === "read") {
      const [conversation, message_seq] = args;
      await runner.store([{ type: "reading", conversation, message_seq }]);
      runner
        .call({ type: "read", conversation, message_seq }, TIMEOUT)
        .then(() => runner.store([{ type: "reading_done", conversation, message_seq }]))
        .catch(() => {}); // It stays to be told at the next connection.
      return undefined;
    }
    const [request, timeout] = args;
    const frame = await runner.call(request, timeout);
    if (frame.type === "messages") await runner.store([{ type: "history", request, frame }]);
    else if (frame.type === "conversation") await runner.store([{ type: "state", state: frame.state }]);
    return frame;
  }

  /** @param {string} method @param {...any} args */
  #ask(method, ...args) {
    return this.#tabs ? this.#tabs.ask(method, args) : this.#serve(method, args);
  }

  /**
   * Dispatch an event here, and as the leader (or `everywhere`) in the other tabs.
   * @param {ClientEvent} event
   */
  #emit(event, everywhere = false) {
    if ((this.leading && event.type !== "staged") || everywhere) this.#tabs?.tell(event);
    this.#hear(event);
  }

  /** @param {ClientEvent} event */
  #hear(event) {
    if (event.type === "status") this.#status = event.detail;
    else if (event.type === "outcome") this.#settle(event.detail);
    else if (event.type === "entries") {
      for (const { seq, event: inner } of this.#sends.size ? event.detail : []) {
        if (inner.type !== "message") continue;
        const { client_id, conversation, message_seq, time } = inner.message;
        this.#sends.get(client_id)?.resolve({ type: "sent", conversation, message_seq, seq, time, duplicate: false });
        this.#sends.delete(client_id);
      }
    } else if (event.type === "leader" && !this.leading) {
      this.#ask("status").then(
        (status) => this.#hear({ type: "status", detail: status }),
        () => {},
      );
    }
    this.dispatchEvent(Object.assign(new Event(event.type), { detail: event.detail }));
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

  #listen() {
    const { signal } = this.#ending;
    globalThis.addEventListener?.("online", () => this.#runner?.nudge(), { signal });
    globalThis.addEventListener?.("offline", () => this.#runner?.drop(), { signal });
    globalThis.document?.addEventListener(
      "visibilitychange",
      () => document.visibilityState === "visible" && this.#runner?.nudge(),
      { signal },
    );
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
