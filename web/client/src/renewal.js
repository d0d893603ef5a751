/** When to renew a token (protocol, section 4: renew): before it expires, and once more when it is refused. */

/** The token of a device. `renewable`: whether another one can be had. */
export class Renewal {
  /** Whether the last token was refused and no other was accepted since. */
  refused = false;
  #line;
  #renewable;
  /** @type {number | null} */
  #expires = null;
  /** @type {number | null} */
  #due = null;

  /**
   * @param {import("./line.js").Line} line
   * @param {boolean} renewable
   */
  constructor(line, renewable) {
    this.#line = line;
    this.#renewable = renewable;
  }

  /**
   * Note the token of a connection; `expires` in ms.
   * @param {number | null} expires
   */
  offered(expires) {
    this.#expires = expires;
  }

  /** Note that the server took it, and plan the next. */
  accepted() {
    this.refused = false;
    this.#plan();
  }

  /** Note that the server refused it; tell whether to try with another one. */
  refuse() {
    const again = this.#renewable && !this.refused;
    this.refused = true;
    return again;
  }

  /**
   * Hand a later token to the server.
   * @param {{ok?: boolean, expires?: number | null}} given
   */
  renewed(given) {
    if (given.ok === false) {
      this.#due = this.#line.later(20);
      return;
    }
    this.#expires = given.expires ?? null;
    this.#plan();
    this.#line.ask("renew", { type: "renew", token: "" });
  }

  /**
   * Try again, unless it is refused: then the connection will end, and the next has another token.
   * @param {import("./protocol.js").ErrorFrame} given
   */
  failed(given) {
    if (given.retry) this.#due = this.#line.later(0, given.retry_after);
  }

  /** Try again. */
  unanswered() {
    this.#due = this.#line.now;
  }

  /** Ask for a token when it is time. */
  tick() {
    if (this.#due !== null && this.#line.now >= this.#due) {
      this.#due = null;
      this.#line.put({ type: "renew" });
    }
  }

  /** Plan nothing without a connection. */
  disconnected() {
    this.#due = null;
  }

  /** Return when to renew (ms). */
  wake() {
    return this.#due;
  }

  /** Renew when a tenth of the time is left, at least 5 s, at most 60 s; not more than once a second. */
  #plan() {
    if (!this.#renewable || this.#expires === null) {
      this.#due = null;
      return;
    }
    const left = this.#expires - this.#line.serverNow;
    const early = Math.min(60_000, Math.max(5_000, Math.floor(left / 10)));
    this.#due = this.#line.now + Math.max(1_000, left - early);
  }
}
