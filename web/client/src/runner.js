/**
 * Runs the device machine: the one place where its outputs are carried out, on a store, a transport and a clock.
 *
 * Law: an output of the network goes out only after everything of the store that was put before it is stored.
 */

import { Device } from "./core.js";
import { claims } from "./longpoll.js";
import { STORED } from "./outputs.js";
import { RequestError } from "./protocol.js";
import { randomId } from "./random.js";

/** @typedef {import("./outputs.js").Output} Output */
/** @typedef {import("./inputs.js").Input} Input */
/** @typedef {import("./replica.js").Operation} Operation */

/** Outputs waiting for the store over which the machine is told to pause, and under which to go on. */
const HIGH = 2000;
const LOW = 500;
const STORE_RETRY = 3000;

/**
 * @typedef {object} RunnerOptions
 * @property {import("./store.js").Store} store
 * @property {import("./transport.js").Transport} transport
 * @property {(why: {fresh: boolean}) => string | Promise<string>} token
 * @property {boolean} renewable
 * @property {string} device
 * @property {"content" | "hint"} [delivery]
 * @property {Partial<import("./policy.js").Policy>} [policy]
 * @property {(event: import("./events.js").ClientEvent) => void} emit
 */

/** One device that is being run. */
export class Runner {
  #options;
  /** @type {Device | null} */
  #machine = null;
  /** @type {import("./transport.js").Connection | null} */
  #connection = null;
  /** Which connection is the present one: what older ones say is not heard. */
  #generation = 0;
  /** @type {Output[]} */
  #queue = [];
  #waiting = 0;
  #paused = false;
  #draining = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #token = "";
  #now = 0;
  /** @type {number | null} */
  #stored = null;
  #closed = false;
  /** @type {Map<string, {resolve: (frame: any) => void, reject: (error: Error) => void}>} */
  #calls = new Map();
  #keys = 0;
  #state = "";
  #online = false;

  /** @param {RunnerOptions} options */
  constructor(options) {
    this.#options = options;
  }

  /** Begin where the store says that the device is. */
  async start() {
    const { store, device, delivery, policy, renewable } = this.#options;
    const { cursor, epoch, user } = await store.open();
    if (this.#closed) return;
    this.#stored = cursor;
    const instance = randomId();
    this.#machine = new Device({
      ...{ device, instance, cursor, epoch, user, delivery, policy, renewable },
      random: Math.random,
    });
    await this.submitted();
    this.feed({ type: "start" });
  }

  /** The machine's state, for people: `live`, `behind`, `waiting` … */
  get status() {
    const machine = this.#machine;
    return {
      state: machine?.state ?? "stopped",
      online: machine?.online ?? false,
      cursor: machine?.sync.position.cursor ?? null,
      head: machine?.sync.position.knownHead ?? 0,
    };
  }

  get limits() {
    return this.#machine?.limits;
  }

  /** Connect at once if it waits to: the network is back, or someone looks. */
  nudge() {
    this.feed({ type: "start" });
  }

  /** The network is gone: no use in waiting for the connection to find out. */
  drop() {
    if (!this.#connection) return;
    this.#abandon();
    this.feed({ type: "disconnected", code: 1006, reason: "the network is gone" });
  }

  /** Take up messages that are new in the outbox. */
  async submitted() {
    for (const item of await this.#options.store.outbox()) {
      if (item.status === "pending") this.feed({ ...item, type: "submit" });
    }
  }

  /**
   * Make a request and return its response.
   * @param {import("./protocol.js").Outgoing} frame
   * @param {number} timeout In ms.
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   * @throws {RequestError}
   */
  call(frame, timeout, signal) {
    const key = String(++this.#keys);
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      this.#calls.set(key, { resolve, reject });
      signal?.addEventListener("abort", () => {
        if (this.#calls.delete(key)) this.feed({ type: "cancel", key });
        reject(signal.reason);
      });
      if (!this.#machine) throw new RequestError({ code: "unavailable", message: "the device has stopped" });
      this.feed({ type: "call", key, frame, until: this.#clock() + timeout });
    });
  }

  /** @param {import("./protocol.js").Outgoing} frame */
  tell(frame) {
    this.feed({ type: "tell", frame });
  }

  /**
   * Carry out operations of the application's own requests on the store.
   * @param {Operation[]} operations
   */
  async store(operations) {
    const change = await this.#options.store.commit(operations);
    this.#options.emit({ type: "change", detail: change });
  }

  close() {
    this.feed({ type: "stop" });
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#abandon();
  }

  /** @param {Input} input */
  feed(input) {
    const machine = this.#machine;
    if (!machine || this.#closed) return;
    const outputs = machine.handle(this.#clock(), input);
    for (const output of outputs) {
      if (output.type === "close" || output.type === "connect") this.#generation++;
      if (output.type === "stage") this.#options.emit({ type: "staged", detail: output.conversations });
      if (output.type === "apply") this.#waiting += output.entries.length;
    }
    this.#queue.push(...outputs);
    if (!this.#paused && this.#waiting > HIGH) {
      this.#paused = true;
      this.feed({ type: "pause" });
    }
    clearTimeout(this.#timer);
    const wake = machine.wake();
    if (wake !== null) {
      this.#timer = setTimeout(() => this.feed({ type: "tick" }), Math.min(Math.max(0, wake - this.#now), 2 ** 30));
    }
    this.#announce();
    if (!this.#draining && this.#queue.length) this.#drain();
  }

  #announce() {
    const { state, online } = this.status;
    if (state === this.#state) return;
    const came = online && !this.#online;
    this.#state = state;
    this.#online = online;
    this.#options.emit({ type: "status", detail: this.status });
    if (came) this.#tellReads();
  }

  async #drain() {
    this.#draining = true;
    while (this.#queue.length && !this.#closed) {
      const outputs = this.#queue;
      this.#queue = [];
      const stored = /** @type {Operation[]} */ (outputs.filter(({ type }) => STORED.has(type)));
      if (stored.length) {
        try {
          await this.#commit(stored);
        } catch (error) {
          this.#draining = false;
          this.#fail(error);
          return;
        }
      }
      this.#perform(outputs);
    }
    this.#draining = false;
  }

  /** @param {Operation[]} operations */
  async #commit(operations) {
    const change = await this.#options.store.commit(operations);
    if (this.#closed) return;
    for (const operation of operations) {
      if (operation.type === "apply" || operation.type === "replace") this.#stored = operation.cursor;
      if (operation.type !== "apply") continue;
      this.#waiting -= operation.entries.length;
      for (const { event } of operation.entries) {
        if (event.type === "message" && this.#machine?.outbox.items.has(event.message.client_id)) {
          this.feed({ type: "found", client_id: event.message.client_id });
        }
      }
    }
    this.#options.emit({ type: "change", detail: change });
    const entries = operations.flatMap((operation) => (operation.type === "apply" ? operation.entries : []));
    if (entries.length) this.#options.emit({ type: "entries", detail: entries });
    for (const operation of operations) {
      if (operation.type === "confirmed" || operation.type === "failed" || operation.type === "unconfirmed") {
        this.#options.emit({ type: "outcome", detail: operation });
      }
    }
    if (this.#paused && this.#waiting < LOW) {
      this.#paused = false;
      this.feed({ type: "resume" });
    }
  }

  /** @param {Output[]} outputs */
  #perform(outputs) {
    /** @type {import("./protocol.js").Outgoing[]} */
    let frames = [];
    const flush = () => {
      if (frames.length) this.#connection?.send(frames);
      frames = [];
    };
    for (const output of outputs) {
      if (output.type === "transmit") {
        const { frame } = output;
        frames.push(frame.type === "hello" || frame.type === "renew" ? { ...frame, token: this.#token } : frame);
        continue;
      }
      flush();
      if (output.type === "connect") this.#connect(output.fresh);
      else if (output.type === "close") this.#abandon();
      else if (output.type === "renew") this.#renew();
      else if (output.type === "signal") this.#options.emit({ type: "signal", detail: output.frame });
      else if (output.type === "answer") this.#answer(output.key, output.frame);
      else if (output.type === "stopped") {
        this.#options.emit({ type: "stopped", detail: { code: output.code, reason: output.reason } });
      }
    }
    flush();
  }

  /** @param {boolean} fresh */
  async #connect(fresh) {
    this.#abandon();
    const generation = ++this.#generation;
    const present = () => generation === this.#generation && !this.#closed;
    try {
      this.#token = await this.#options.token({ fresh });
    } catch (error) {
      if (present()) this.feed({ type: "disconnected", code: 1006, reason: String(error) });
      return;
    }
    if (!present()) return;
    const context = {
      token: () => this.#token,
      cursor: () => this.#stored,
      limit: () => this.#machine?.limits.frame ?? 65_536,
    };
    this.#connection = this.#options.transport(context, {
      open: () => present() && this.feed({ type: "connected", expires: expiry(this.#token) }),
      frames: (inputs) => {
        for (const input of inputs) if (present()) this.feed(input);
      },
      closed: (code, reason) => {
        if (!present()) return;
        this.#connection = null;
        this.feed({ type: "disconnected", code, reason });
      },
    });
  }

  #abandon() {
    this.#generation++;
    this.#connection?.close();
    this.#connection = null;
  }

  async #renew() {
    try {
      this.#token = await this.#options.token({ fresh: true });
      this.feed({ type: "renewed", ok: true, expires: expiry(this.#token) });
    } catch {
      this.feed({ type: "renewed", ok: false });
    }
  }

  /** @param {string} key @param {import("./protocol.js").ServerFrame} frame */
  #answer(key, frame) {
    const call = this.#calls.get(key);
    this.#calls.delete(key);
    if (frame.type === "error") call?.reject(new RequestError(frame));
    else call?.resolve(frame);
  }

  /** Tell the server how far was read while nobody could be told. */
  async #tellReads() {
    for (const [conversation, message_seq] of await this.#options.store.reads()) {
      this.call({ type: "read", conversation, message_seq }, 60_000)
        .then(() => this.store([{ type: "reading_done", conversation, message_seq }]))
        .catch(() => {});
    }
  }

  /**
   * The store can't commit: the machine is ahead of it, so begin again from where the store is.
   * @param {unknown} error
   */
  #fail(error) {
    this.#machine = null;
    this.#queue = [];
    this.#waiting = 0;
    this.#paused = false;
    clearTimeout(this.#timer);
    this.#abandon();
    for (const { reject } of this.#calls.values())
      reject(new RequestError({ code: "unavailable", message: String(error) }));
    this.#calls.clear();
    if (this.#closed) return;
    this.#options.emit({ type: "error", detail: error instanceof Error ? error.message : String(error) });
    this.#announce();
    setTimeout(() => this.#closed || this.start().catch((again) => this.#fail(again)), STORE_RETRY);
  }

  /** Ms since 1970, never running back. */
  #clock() {
    return (this.#now = Math.max(this.#now, Date.now()));
  }
}

/** @param {string} token @returns {number | null} */
function expiry(token) {
  const { exp } = claims(token);
  return typeof exp === "number" ? exp * 1000 : null;
}
