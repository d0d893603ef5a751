/** Requests in flight: what waits for an answer, and since when (protocol, section 6, rule 7). */

/** @typedef {"hello" | "pull" | "snapshot" | "ping" | "renew" | "send" | "call"} Kind */

/**
 * A request that was sent. `about` is a pull's `after`, a snapshot's `next`, a send's `client_id` or a call's key;
 * `at` is when it was sent (ms).
 * @typedef {{kind: Kind, about: number | string | null, at: number}} Asked
 */

/**
 * The requests of one connection that have no answer yet, oldest first.
 *
 * One that is given up is still understood when its answer comes late: a slow server's work isn't lost.
 */
export class Flights {
  /** @type {Map<number, Asked>} */
  #waiting = new Map();
  /** @type {Map<number, Asked>} */
  #late = new Map();
  #last = 0;
  #bound;

  /** @param {number} late */
  constructor(late) {
    this.#bound = late;
  }

  /**
   * Return the id for a request that is being sent: higher than any before it.
   * @param {Kind} kind
   * @param {number | string | null} about
   * @param {number} now
   */
  begin(kind, about, now) {
    this.#waiting.set(++this.#last, { kind, about, at: now });
    return this.#last;
  }

  /**
   * Return what an answer is for; undefined when it was answered already, or isn't one of those kinds.
   * @param {number | null | undefined} request
   * @param {...Kind} kinds
   */
  end(request, ...kinds) {
    if (request == null) return undefined;
    const where = this.#waiting.has(request) ? this.#waiting : this.#late;
    const asked = where.get(request);
    if (!asked || !kinds.includes(asked.kind)) return undefined;
    where.delete(request);
    return asked;
  }

  /**
   * Return the request that waits longest.
   * @returns {[number, Asked] | undefined}
   */
  oldest() {
    return this.#waiting.entries().next().value;
  }

  /**
   * Stop waiting for an answer.
   * @param {number} request
   */
  giveUp(request) {
    this.#late.set(request, /** @type {Asked} */ (this.#waiting.get(request)));
    this.#waiting.delete(request);
    if (this.#late.size > this.#bound) this.#late.delete(Math.min(...this.#late.keys()));
  }

  /**
   * Tell whether an answer to such a request is waited for.
   * @param {Kind} kind
   */
  has(kind) {
    for (const asked of this.#waiting.values()) if (asked.kind === kind) return true;
    return false;
  }

  /** Forget all of a connection that is gone. Ids are not used again. */
  clear() {
    this.#waiting.clear();
    this.#late.clear();
  }
}
