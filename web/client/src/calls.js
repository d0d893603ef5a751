/**
 * The application's other requests: kept over reconnections until they are answered or too old.
 *
 * They may be repeated because every request of the protocol may: what is done already changes nothing.
 */

/** @typedef {import("./inputs.js").Call} Call */

/**
 * A call without an answer. `due`: when it may be sent again (ms); null: at once.
 * @typedef {{call: Call, request: number | null, due: number | null, failures: number}} Waiting
 */

/** Calls by key, in the order they were made. */
export class Calls {
  /** @type {Map<string, Waiting>} */
  #waiting = new Map();
  #line;

  /** @param {import("./line.js").Line} line */
  constructor(line) {
    this.#line = line;
  }

  /**
   * Keep a call, or answer it by an error when there are too many.
   * @param {Call} call
   */
  add(call) {
    if (this.#waiting.size < this.#line.policy.calls) {
      this.#waiting.set(call.key, { call, request: null, due: null, failures: 0 });
    } else {
      this.fail(call.key, "too many requests wait for an answer");
    }
  }

  /** Send what may go now, in order. */
  flush() {
    for (const one of this.#waiting.values()) {
      if (one.request === null && (one.due === null || one.due <= this.#line.now)) {
        one.request = this.#line.ask("call", one.call.frame, one.call.key);
      }
    }
  }

  /**
   * Hand on a response, unless nobody waits for it any more.
   * @param {import("./protocol.js").ServerFrame} given
   * @param {number | null | undefined} request
   */
  answered(given, request) {
    const asked = this.#line.flights.end(request, "call", "renew");
    if (asked?.kind === "call" && this.cancel(String(asked.about))) {
      this.#line.put({ type: "answer", key: String(asked.about), frame: given });
    }
  }

  /**
   * Ask again later, or hand on an error that stays.
   * @param {import("./flights.js").Asked} asked
   * @param {import("./protocol.js").ErrorFrame} given
   */
  failed(asked, given) {
    const one = this.#waiting.get(String(asked.about));
    if (!one || one.request !== given.id) return;
    if (given.retry) {
      this.#again(one, given.retry_after);
    } else {
      this.#waiting.delete(one.call.key);
      this.#line.put({ type: "answer", key: one.call.key, frame: given });
    }
  }

  /**
   * Ask again later.
   * @param {number} request
   * @param {import("./flights.js").Asked} asked
   */
  unanswered(request, asked) {
    const one = this.#waiting.get(String(asked.about));
    if (one?.request === request) this.#again(one);
  }

  /**
   * @param {Waiting} one
   * @param {number | null} [retryAfter]
   */
  #again(one, retryAfter) {
    one.request = null;
    one.due = this.#line.later(one.failures++, retryAfter);
  }

  /**
   * Take out a call; tell whether it was there.
   * @param {string} key
   */
  cancel(key) {
    return this.#waiting.delete(key);
  }

  /** Answer by an error what is too old. */
  expire() {
    for (const [key, one] of [...this.#waiting]) {
      if (one.call.until <= this.#line.now) this.fail(key, "no answer in time");
    }
  }

  /**
   * Answer a call by an error of ours: it may or may not have been carried out.
   * @param {string} key
   * @param {string} why
   */
  fail(key, why) {
    this.#waiting.delete(key);
    this.#line.put({
      type: "answer",
      key,
      frame: { type: "error", id: null, code: "unavailable", message: why, retry: true, retry_after: null },
    });
  }

  /**
   * Answer all by an error of ours.
   * @param {string} why
   */
  failAll(why) {
    for (const key of [...this.#waiting.keys()]) this.fail(key, why);
  }

  /** Note that nothing is in flight any more. */
  disconnected() {
    for (const one of this.#waiting.values()) one.request = one.due = null;
  }

  /**
   * Return when something is to be done about a call (ms).
   * @param {boolean} online
   */
  wake(online) {
    let time = Infinity;
    for (const one of this.#waiting.values()) {
      time = Math.min(time, one.call.until);
      if (online && one.request === null && one.due !== null) time = Math.min(time, one.due);
    }
    return time === Infinity ? null : time;
  }
}
