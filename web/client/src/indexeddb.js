/** A store in the browser's IndexedDB, shared by the tabs of an origin. One commit is one transaction. */

import { asConversation, Draft } from "./draft.js";
import { carryOut, needs } from "./replica.js";

/** @typedef {import("./replica.js").Operation} Operation */
/** @typedef {import("./draft.js").Conversation} Conversation */
/** @typedef {import("./draft.js").Pending} Pending */
/** @typedef {import("./draft.js").Change} Change */
/** @typedef {import("./draft.js").Position} Position */
/** @typedef {import("./store.js").Store} Store */

const VERSION = 1;
const ALL = ["meta", "conversations", "order", "ranges", "messages", "outbox", "reads"];

/** @implements {Store} */
export class IndexedDBStore {
  shared = true;
  #name;
  /** @type {IDBDatabase | null} */
  #database = null;
  /** @type {string | null} */
  #user = null;
  /**
   * Staged in memory: a snapshot is taken over whole or not at all, so a lost process loses nothing.
   * @type {import("./protocol.js").ConversationState[]}
   */
  #staged = [];
  /** Called when another tab deletes or upgrades the database. */
  onlost = () => {};

  /** @param {string} [name] One database per user and server. */
  constructor(name = "tideline") {
    this.#name = name;
  }

  async open() {
    const request = indexedDB.open(this.#name, VERSION);
    request.onupgradeneeded = () => {
      const database = request.result;
      database.createObjectStore("meta");
      database.createObjectStore("conversations", { keyPath: "conversation" });
      // Its keys are [rank, id]: all of a list's order is one read, and no conversation that is not shown is loaded.
      database.createObjectStore("order");
      database.createObjectStore("ranges");
      database.createObjectStore("messages", { keyPath: ["conversation", "message_seq"] });
      const outbox = database.createObjectStore("outbox", { keyPath: "order", autoIncrement: true });
      outbox.createIndex("client_id", "client_id", { unique: true });
      outbox.createIndex("conversation", "conversation");
      database.createObjectStore("reads");
    };
    const database = (this.#database = await result(request));
    database.onversionchange = () => {
      database.close();
      this.onlost();
    };
    database.onclose = () => this.onlost();
    const meta = database.transaction("meta").objectStore("meta");
    const [position, identity] = await Promise.all([result(meta.get("position")), result(meta.get("identity"))]);
    this.#user = identity?.user ?? null;
    return /** @type {Position} */ ({
      cursor: position?.cursor ?? null,
      epoch: position?.epoch ?? null,
      user: this.#user,
      device: identity?.device ?? null,
    });
  }

  /** @param {string} user @param {string} device */
  async identify(user, device) {
    const transaction = this.#begin(["meta"], "readwrite");
    transaction.objectStore("meta").put({ user, device }, "identity");
    await done(transaction);
    this.#user = user;
  }

  /**
   * @param {readonly Operation[]} operations
   * @returns {Promise<Change>}
   */
  async commit(operations) {
    /** @type {Change} */
    const change = { conversations: [], outbox: [], reset: false };
    /** @type {Operation[]} */
    let batch = [];
    const flush = async () => {
      if (!batch.length) return;
      const { conversations, outbox } = await this.#apply(batch);
      change.conversations.push(...conversations);
      change.outbox.push(...outbox);
      batch = [];
    };
    for (const operation of operations) {
      if (operation.type === "stage") {
        this.#staged = operation.start ? [...operation.conversations] : [...this.#staged, ...operation.conversations];
      } else if (operation.type === "replace") {
        await flush();
        await this.#replace(operation);
        change.reset = true;
      } else {
        batch.push(operation);
      }
    }
    await flush();
    return change;
  }

  /** @param {Operation & {type: "replace"}} operation */
  async #replace({ cursor, epoch, messages }) {
    const transaction = this.#begin(["meta", "conversations", "order", "ranges", "messages"], "readwrite");
    const conversations = transaction.objectStore("conversations");
    const order = transaction.objectStore("order");
    conversations.clear();
    order.clear();
    transaction.objectStore("ranges").clear();
    if (messages === "discard") transaction.objectStore("messages").clear();
    let rank = Date.now();
    for (const state of this.#staged) {
      const conversation = asConversation(state, rank);
      rank = Math.min(rank, conversation.rank);
      conversations.put(conversation);
      order.put(1, [conversation.rank, conversation.conversation]);
    }
    transaction.objectStore("meta").put({ cursor, epoch }, "position");
    await done(transaction);
    this.#staged = [];
  }

  /** @param {Operation[]} operations */
  async #apply(operations) {
    const transaction = this.#begin(ALL, "readwrite");
    const store = (/** @type {string} */ name) => transaction.objectStore(name);
    const draft = new Draft(this.#user);
    const wanted = needs(operations);
    const clientIds = store("outbox").index("client_id");
    await Promise.all([
      ...[...wanted.conversations].flatMap((id) => [
        result(store("conversations").get(id)).then((found) => draft.conversations.set(id, found ?? null)),
        result(store("ranges").get(id)).then((found) => draft.ranges.set(id, found ?? [])),
        result(store("reads").get(id)).then((found) => draft.reads.set(id, found ?? null)),
      ]),
      ...[...wanted.messages].map(([place, key]) =>
        result(store("messages").get(key)).then((found) => found && draft.messages.set(place, found)),
      ),
      // Most batches hold nothing of one's own: one count says so.
      result(store("outbox").count()).then((count) =>
        Promise.all(
          (count ? [...wanted.outbox] : []).map((id) =>
            result(clientIds.get(id)).then((found) => draft.outbox.set(id, found ?? null)),
          ),
        ),
      ),
    ]);
    const orders = new Map([...draft.outbox].map(([id, item]) => [id, item?.order]));
    const reads = new Map(draft.reads);
    const ranks = new Map([...draft.conversations].map(([id, conversation]) => [id, conversation?.rank]));
    carryOut(draft, operations, Date.now());
    for (const id of draft.changed.conversations) {
      const conversation = draft.conversations.get(id);
      if (conversation) store("conversations").put(conversation);
      else store("conversations").delete(id);
      const before = ranks.get(id);
      if (conversation?.rank === before) continue;
      if (before !== undefined) store("order").delete([before, id]);
      if (conversation) store("order").put(1, [conversation.rank, id]);
    }
    for (const id of draft.changed.ranges) store("ranges").put(draft.ranges.get(id), id);
    for (const place of draft.changed.messages) store("messages").put(draft.messages.get(place));
    for (const id of draft.changed.outbox) {
      const item = draft.outbox.get(id);
      if (item) store("outbox").put(item);
      else store("outbox").delete(/** @type {number} */ (orders.get(id)));
    }
    for (const [id, seq] of draft.reads) {
      if (seq === reads.get(id)) continue;
      if (seq === null) store("reads").delete(id);
      else store("reads").put(seq, id);
    }
    if (draft.position) store("meta").put(draft.position, "position");
    await done(transaction);
    return draft.change;
  }

  /** @param {Omit<Pending, "order">} item */
  async submit(item) {
    const transaction = this.#begin(["outbox"], "readwrite", "strict");
    const order = await result(transaction.objectStore("outbox").add(item));
    await done(transaction);
    return /** @type {number} */ (order);
  }

  /** @param {string} [conversation] */
  async outbox(conversation) {
    const outbox = this.#begin(["outbox"], "readonly").objectStore("outbox");
    const found = conversation ? outbox.index("conversation").getAll(conversation) : outbox.getAll();
    return /** @type {Promise<Pending[]>} */ (result(found));
  }

  /** @returns {Promise<[string, number][]>} */
  async reads() {
    const reads = this.#begin(["reads"], "readonly").objectStore("reads");
    const [keys, values] = await Promise.all([result(reads.getAllKeys()), result(reads.getAll())]);
    return keys.map((key, place) => [String(key), values[place]]);
  }

  /** @returns {Promise<[string, number][]>} */
  async order() {
    const keys = await result(this.#begin(["order"], "readonly").objectStore("order").getAllKeys());
    return keys.reverse().map((key) => {
      const [rank, id] = /** @type {[number, string]} */ (key);
      return [id, rank];
    });
  }

  /** @param {readonly string[]} ids */
  async conversations(ids) {
    const conversations = this.#begin(["conversations"], "readonly").objectStore("conversations");
    const found = await Promise.all(ids.map((id) => result(conversations.get(id))));
    return found.map((each) => /** @type {Conversation | null} */ (each ?? null));
  }

  /** @param {string} conversation @param {number} first @param {number} last */
  async messages(conversation, first, last) {
    const messages = this.#begin(["messages"], "readonly").objectStore("messages");
    return result(messages.getAll(IDBKeyRange.bound([conversation, first], [conversation, last])));
  }

  /** @param {string} conversation */
  async ranges(conversation) {
    return (await result(this.#begin(["ranges"], "readonly").objectStore("ranges").get(conversation))) ?? [];
  }

  close() {
    this.#database?.close();
    this.#database = null;
  }

  async destroy() {
    this.close();
    await result(indexedDB.deleteDatabase(this.#name));
  }

  /**
   * @param {string[]} names
   * @param {"readonly" | "readwrite"} mode
   * @param {"relaxed" | "strict"} [durability] What is lost with the machine's power comes again, but one's own words.
   */
  #begin(names, mode, durability = "relaxed") {
    if (!this.#database) throw new Error("the store is closed");
    return this.#database.transaction(names, mode, { durability });
  }
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * @param {IDBTransaction} transaction
 * @returns {Promise<void>}
 */
function done(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error("the transaction was aborted"));
  });
}
