/**
 * The device machine: what a device does, without doing it (protocol, section 6).
 *
 * Laws:
 *
 * 1. It is pure: no socket, no clock, no chance of its own. `now` is an argument, `random` is passed in.
 * 2. All policy is here: when to connect, pull, take a snapshot, ping, send again, give up. Whoever runs it carries
 *    out its outputs in order and tells it what happened, no more.
 *
 * Theory: `table.js` says what an input does in a state. Three things go on side by side and share only the line: the
 * position (`sync.js`), the messages to send (`outbox.js`) and the application's other requests (`calls.js`). This
 * module is the connection that they go over: opening it, losing it, the times of all requests.
 *
 * To run it: feed `handle` every input with its time, carry out what it returns, and feed `tick` at `wake`.
 * `spec/vectors` holds scenarios for it, the same for every language.
 */

import { Calls } from "./calls.js";
import { rowOf } from "./inputs.js";
import { Line } from "./line.js";
import { Outbox, ownEntry } from "./outbox.js";
import { POLICY } from "./policy.js";
import { Position } from "./position.js";
import { LIMITS, NO_RECONNECT, REPLACED, UNAUTHORIZED } from "./protocol.js";
import { Renewal } from "./renewal.js";
import { Sync } from "./sync.js";
import { ONLINE, TABLE } from "./table.js";

/**
 * @typedef {object} DeviceOptions
 * @property {string} device
 * @property {string} instance
 * @property {() => number} random In [0, 1).
 * @property {number | null} [cursor]
 * @property {string | null} [epoch]
 * @property {string | null} [user]
 * @property {boolean} [renewable] Whether another token can be had when one is refused.
 * @property {"content" | "hint"} [delivery]
 * @property {Partial<import("./policy.js").Policy>} [policy]
 */

/** One device of one user. */
export class Device {
  /** @type {import("./protocol.js").Limits} */
  limits = LIMITS;
  #options;
  #line;
  #renewal;
  /**
   * `state` but for `online`, which stands for the position's states.
   * @type {"stopped" | "waiting" | "connecting" | "greeting" | "online"}
   */
  #link = "stopped";
  /**
   * In `waiting` when to connect, in `connecting` when to give up.
   * @type {number | null}
   */
  #due = null;
  /** Connections in a row that did not last. */
  #attempts = 0;
  /** @type {number | null} */
  #onlineSince = null;
  #heartbeat = 30_000;

  /** @param {DeviceOptions} options */
  constructor(options) {
    const { user = null, cursor = null, epoch = null, renewable = false, policy, random } = options;
    this.#options = options;
    this.user = user;
    const line = (this.#line = new Line({ ...POLICY, ...policy }, random));
    this.sync = new Sync(line, new Position(cursor, epoch, line.policy.stash));
    this.outbox = new Outbox(line);
    this.calls = new Calls(line);
    this.#renewal = new Renewal(line, renewable);
  }

  /**
   * The column of the table.
   * @returns {import("./table.js").State}
   */
  get state() {
    return this.#link === "online" ? this.sync.state : this.#link;
  }

  /** Whether the server has welcomed the device and the connection lasts. */
  get online() {
    return this.#link === "online";
  }

  /**
   * Take one input at `now` (ms) and return what is to be done, in order.
   * @param {number} now
   * @param {import("./inputs.js").Input} given
   * @returns {import("./outputs.js").Output[]}
   */
  handle(now, given) {
    const [row, isFrame] = rowOf(given);
    const line = this.#line;
    line.now = now;
    line.out = [];
    if (isFrame && (this.online || this.#link === "greeting")) line.heard = now;
    const action = TABLE[row][this.state];
    if (action !== "-") ACTIONS[action](this, given);
    return line.out;
  }

  /**
   * Return when a `tick` is wanted (ms), or null: not without another input.
   * @returns {number | null}
   */
  wake() {
    const oldest = this.#line.flights.oldest();
    const times = [this.#due, this.calls.wake(this.online), oldest ? oldest[1].at + this.#line.policy.answer : null];
    if (this.online) {
      times.push(this.#line.said + this.#heartbeat, this.sync.wake(), this.outbox.wake(), this.#renewal.wake());
    }
    const due = /** @type {number[]} */ (times.filter((time) => time !== null));
    return due.length ? Math.min(...due) : null;
  }

  // Opening a connection.

  #open() {
    this.#attempts = 0;
    this.#renewal.refused = false;
    this.#connect();
  }

  #connect() {
    this.#link = "connecting";
    this.#due = this.#line.now + this.#line.policy.connect;
    this.#line.put({ type: "connect", fresh: this.#renewal.refused });
  }

  #reopen() {
    this.calls.expire();
    if (this.#due !== null && this.#line.now >= this.#due) this.#connect();
  }

  #impatient() {
    this.calls.expire();
    if (this.#due !== null && this.#line.now >= this.#due) this.#reconnect();
  }

  /** @param {{expires?: number | null}} given */
  #greet(given) {
    this.#link = "greeting";
    this.#due = null;
    this.#line.heard = this.#line.now;
    this.#renewal.offered(given.expires ?? null);
    const { device, instance, delivery } = this.#options;
    const { cursor, epoch } = this.sync.position;
    /** @type {import("./protocol.js").Outgoing} */
    const hello = { type: "hello", token: "", device, instance, cursor, epoch, limit: this.#line.policy.page };
    if (delivery === "hint") hello.delivery = delivery;
    this.#line.ask("hello", hello);
  }

  /** @param {import("./protocol.js").Welcome} given */
  #welcome(given) {
    this.#line.flights.clear();
    if (this.user !== null && this.user !== given.user) {
      this.#end("wrong_user", `the local store is of ${this.user}, the token of ${given.user}`);
      return;
    }
    this.user = given.user;
    this.limits = { ...LIMITS, ...given.limits };
    this.#heartbeat = Math.round(given.heartbeat * 1000);
    this.#line.clock = given.time - this.#line.now;
    this.#link = "online";
    this.#onlineSince = this.#line.now;
    this.#renewal.accepted();
    this.sync.welcome(given);
    this.#flush();
  }

  // Losing it.

  /** @param {{code?: number, reason?: string}} given */
  #lost(given) {
    this.#gone(given.code ?? 1006, given.reason ?? "", { closed: true });
  }

  /** @param {import("./protocol.js").Bye} given */
  #bye(given) {
    this.#gone(given.code, given.reason, { retryAfter: given.retry_after, by: given.by });
  }

  /** @param {import("./protocol.js").ErrorFrame} given */
  #refused(given) {
    if (!this.#line.flights.end(given.id, "hello")) return;
    if (given.code === "unauthorized") this.#gone(UNAUTHORIZED, given.message);
    else if (given.retry) this.#reconnect(given.retry_after);
    else this.#end(given.code, given.message);
  }

  /**
   * Reconnect, unless that would end in the same way; `closed`: there is nothing left to close.
   * @param {number} code
   * @param {string} reason
   * @param {{retryAfter?: number | null, by?: string | null, closed?: boolean}} [how]
   */
  #gone(code, reason, { retryAfter, by, closed = false } = {}) {
    let again = !NO_RECONNECT.has(code);
    if (code === UNAUTHORIZED) again = this.#renewal.refuse();
    else if (code === REPLACED) again = by === this.#options.instance; // Rule 10: an own older attempt was late.
    if (again) this.#reconnect(retryAfter, closed);
    else this.#end(code, reason, closed);
  }

  /**
   * Connect again: later each time, and never all devices at once (rule 7).
   * @param {number | null} [retryAfter]
   */
  #reconnect(retryAfter, closed = false) {
    const lasted = this.#onlineSince === null ? 0 : this.#line.now - this.#onlineSince;
    if (lasted >= this.#line.policy.stable) this.#attempts = 0;
    this.#disconnect("waiting", closed);
    this.#due = this.#line.later(this.#attempts++, retryAfter);
  }

  #halt() {
    this.#end(0, "stopped");
  }

  /**
   * @param {number | string} code
   * @param {string} reason
   */
  #end(code, reason, closed = false) {
    this.#disconnect("stopped", closed || this.#link === "waiting");
    this.calls.failAll(`the device has stopped: ${reason || code}`);
    this.#line.put({ type: "stopped", code, reason });
  }

  /**
   * @param {"stopped" | "waiting"} link
   * @param {boolean} closed
   */
  #disconnect(link, closed) {
    this.#link = link;
    this.#due = this.#onlineSince = null;
    this.#line.flights.clear();
    for (const part of [this.sync, this.outbox, this.calls, this.#renewal]) part.disconnected();
    if (!closed) this.#line.put({ type: "close" });
  }

  // The times of all requests.

  #timers() {
    this.calls.expire();
    this.#expireFlights();
    if (!this.online) return;
    this.sync.tick();
    this.#flush();
    this.#renewal.tick();
    if (this.#line.now - this.#line.said >= this.#heartbeat) this.#ping();
  }

  /**
   * Stop waiting for what is unanswered (rule 7); when all is silent, find out whether anyone is there.
   *
   * A ping that nothing followed means that the connection is half open: only a new one helps.
   */
  #expireFlights() {
    const { flights, policy, now } = this.#line;
    for (let oldest; (oldest = flights.oldest());) {
      const [request, asked] = oldest;
      if (asked.at + policy.answer > now) return;
      const silent = this.#line.heard <= asked.at;
      if (asked.kind === "hello" || (asked.kind === "ping" && silent)) {
        this.#reconnect();
        return;
      }
      flights.giveUp(request);
      if (silent && !flights.has("ping")) this.#ping();
      if (asked.kind === "pull" || asked.kind === "snapshot") this.sync.unanswered(request);
      else if (asked.kind === "send") this.outbox.unanswered(request, asked);
      else if (asked.kind === "call") this.calls.unanswered(request, asked);
      else if (asked.kind === "renew") this.#renewal.unanswered();
    }
  }

  /** @param {import("./protocol.js").ErrorFrame} given */
  #error(given) {
    const asked = this.#line.flights.end(given.id, "pull", "snapshot", "ping", "renew", "send", "call");
    if (!asked) return;
    if (given.code === "unauthorized") {
      this.#gone(UNAUTHORIZED, given.message);
    } else if (asked.kind === "pull" || asked.kind === "snapshot") {
      if (!this.sync.failed(asked, given)) this.#end(given.code, given.message);
    } else if (asked.kind === "send") {
      this.outbox.failed(asked, given);
      this.#flushOutbox();
    } else if (asked.kind === "call") {
      this.calls.failed(asked, given);
    } else if (asked.kind === "renew") {
      this.#renewal.failed(given);
    }
  }

  #ping() {
    this.#line.ask("ping", { type: "ping", cursor: this.sync.position.cursor });
  }

  // Messages to send.

  /** @param {import("./inputs.js").Submit} given */
  #dispatch(given) {
    this.outbox.add(given);
    this.#flushOutbox();
  }

  /** @param {{client_id: string}} given */
  #found(given) {
    this.outbox.remove(given.client_id);
    if (this.online) this.#flushOutbox();
  }

  /**
   * Rule 6: not a duplicate, it is the entry of one's own message.
   * @param {import("./protocol.js").Sent} given
   */
  #sent(given) {
    const item = this.outbox.sent(given);
    if (item && !given.duplicate) this.sync.take([ownEntry(item, given, this.user ?? "")]);
    else this.sync.head(given.seq);
    this.#flushOutbox();
  }

  /**
   * Rule 8: until resynchronised it is no entry, but the message is sent all the same.
   * @param {import("./protocol.js").Sent} given
   */
  #confirm(given) {
    this.outbox.sent(given);
    this.sync.head(given.seq);
    this.#flushOutbox();
  }

  #flushOutbox() {
    this.outbox.flush(this.limits.client_id_ttl);
  }

  #flush() {
    this.#flushOutbox();
    this.calls.flush();
  }

  // What the application asks for besides.

  /** @param {import("./inputs.js").Call} given */
  #ask(given) {
    this.calls.add(given);
    this.calls.flush();
  }

  /** @param {import("./protocol.js").Pong} given */
  #pong(given) {
    this.#line.flights.end(given.id, "ping");
    this.sync.head(given.head);
  }

  /**
   * What each action of the table does.
   * @type {Readonly<Record<string, (device: Device, given: any) => void>>}
   */
  static actions = {
    open: (device) => device.#open(),
    reopen: (device) => device.#reopen(),
    impatient: (device) => device.#impatient(),
    greet: (device, given) => device.#greet(given),
    welcome: (device, given) => device.#welcome(given),
    lost: (device, given) => device.#lost(given),
    bye: (device, given) => device.#bye(given),
    refused: (device, given) => device.#refused(given),
    halt: (device) => device.#halt(),
    timers: (device) => device.#timers(),
    error: (device, given) => device.#error(given),
    push: (device, given) => device.sync.take(given.entries),
    page: (device, given) => device.sync.page(given),
    head: (device, given) => device.sync.head(given.head),
    pong: (device, given) => device.#pong(given),
    stage: (device, given) => device.sync.stage(given),
    remember: (device, given) => device.sync.remember(given.entries),
    pause: (device) => device.sync.pause(),
    resume: (device) => device.sync.resume(device.online),
    queue: (device, given) => device.outbox.add(given),
    dispatch: (device, given) => device.#dispatch(given),
    found: (device, given) => device.#found(given),
    sent: (device, given) => device.#sent(given),
    confirm: (device, given) => device.#confirm(given),
    refuse: (device, given) => device.calls.fail(given.key, "the device has stopped"),
    hold: (device, given) => device.calls.add(given),
    ask: (device, given) => device.#ask(given),
    cancel: (device, given) => void device.calls.cancel(given.key),
    tell: (device, given) => device.#line.say(given.frame),
    deliver: (device, given) => device.#line.put({ type: "signal", frame: given }),
    answer: (device, given) => device.calls.answered(given, given.id),
    renewed: (device, given) => device.#renewal.renewed(given),
  };
}

const ACTIONS = Device.actions;
