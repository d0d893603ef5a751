/**
 * How a device catches up and keeps up: rules 1 to 5 and 8 of the protocol's section 6.
 *
 * Laws:
 *
 * 1. `cursor` moves over an entry only together with an `apply` of it.
 * 2. At most one pull or snapshot is in flight, and `state` says which; in `behind` there is none.
 * 3. Nothing that failed, or led nowhere, is asked again at once.
 * 4. A snapshot's states, its cursor and its epoch are taken over together or not at all.
 *
 * `due` is the time of the next request: in `behind`, where null means that it waits for the consumer, and in
 * `snapshot`, where null means that the request is in flight.
 */

import { POSITION_ERRORS } from "./protocol.js";

/** @typedef {"snapshot" | "behind" | "pulling" | "live"} State */
/** @typedef {import("./protocol.js").Entry} Entry */
/** @typedef {import("./flights.js").Asked} Asked */

/** The position of a device that is online. */
export class Sync {
  /** @type {State} */
  state = "behind";
  /** @type {number | null} */
  flight = null;
  paused = false;
  #line;
  /** @type {number | null} */
  #due = null;
  /** Requests in a row that brought nothing. */
  #failures = 0;
  #reason = "";
  /**
   * Cursor and epoch of the snapshot whose pages are being staged.
   * @type {{cursor: number, epoch: string} | null}
   */
  #staged = null;
  /** @type {string | null} */
  #next = null;

  /**
   * @param {import("./line.js").Line} line
   * @param {import("./position.js").Position} position
   */
  constructor(line, position) {
    this.#line = line;
    this.position = position;
  }

  /**
   * Begin a connection: go on from the first page, or take a snapshot.
   * @param {import("./protocol.js").Welcome} given
   */
  welcome(given) {
    this.#failures = 0;
    let reason = given.reset;
    if (this.position.cursor === null) reason ??= "new_device";
    // Its position means nothing in another epoch, whatever the server thinks.
    else if (given.epoch !== this.position.epoch) reason ??= "epoch_changed";
    if (reason != null) {
      this.#reset(reason, this.#staged?.epoch === given.epoch);
      return;
    }
    this.#staged = this.#next = null;
    this.position.see(given.head);
    this.#take(given.entries);
    this.#settle(given.more);
  }

  // Entries and heads.

  /**
   * Apply entries by rules 1 to 3, or find a gap.
   * @param {Entry[]} entries
   */
  take(entries) {
    this.#take(entries);
    if (this.state === "live") this.#settle();
  }

  /**
   * Learn that the timeline reaches up to `head` (rule 4; rule 8 while resynchronising).
   * @param {number} head
   */
  head(head) {
    this.position.see(head);
    if (this.state === "live") this.#settle();
  }

  /**
   * Note that entries exist: until resynchronised they mean nothing more (rule 8).
   * @param {Entry[]} entries
   */
  remember(entries) {
    for (const entry of entries) this.position.see(entry.seq);
  }

  /**
   * Apply a page, and pull again while there is more (rule 5).
   * @param {import("./protocol.js").Page} given
   */
  page(given) {
    const asked = this.#line.flights.end(given.id, "pull");
    if (given.epoch !== this.position.epoch) {
      if (asked) this.#reset("epoch_changed");
      return;
    }
    const before = this.position.cursor;
    this.position.see(given.head);
    this.#take(given.entries);
    if (this.state === "live") this.#settle();
    else if (asked && (this.state === "behind" || given.id === this.flight)) this.#flightEnds(given, asked, before);
  }

  /**
   * Go on at once, unless the page led nowhere; `before`: the cursor before it.
   * @param {import("./protocol.js").Page} given
   * @param {Asked} asked
   * @param {number | null} before
   */
  #flightEnds(given, asked, before) {
    const overtaken = given.id === this.flight && asked.about !== before; // Pushes were faster.
    if (overtaken || this.paused || this.position.cursor !== before) {
      this.flight = null;
      this.#failures = 0;
      this.#settle(given.more);
    } else if (asked.about !== before) {
      // Late, and of no use any more.
    } else if (!(given.more || this.position.owed)) {
      this.flight = null;
      this.#settle();
    } else if (this.state === "pulling") {
      this.#pullLater();
    }
  }

  /** @param {Entry[]} entries */
  #take(entries) {
    const taken = this.position.take(entries, this.paused);
    if (taken.length) {
      const cursor = /** @type {number} */ (this.position.cursor);
      this.#line.put({ type: "apply", entries: taken, cursor, epoch: /** @type {string} */ (this.position.epoch) });
    }
  }

  /** Be live, or pull what is missing: when nothing is in flight or has to wait. */
  #settle(more = false) {
    if (!(more || this.position.owed)) {
      this.state = "live";
      this.#due = null;
      this.#failures = 0;
    } else if (this.paused) {
      this.state = "behind";
      this.#due = null;
    } else {
      this.#pull();
    }
  }

  #pull() {
    const after = /** @type {number} */ (this.position.cursor);
    this.state = "pulling";
    this.#due = null;
    const { epoch } = this.position;
    this.flight = this.#line.ask("pull", { type: "pull", id: 0, after, epoch, limit: this.#line.policy.page }, after);
  }

  /** @param {number | null} [retryAfter] */
  #pullLater(retryAfter) {
    this.state = "behind";
    this.flight = null;
    this.#due = this.#line.later(this.#failures++, retryAfter);
  }

  // The reset: rule 8.

  /**
   * Take a snapshot; `resume`: go on with the one that a lost connection interrupted.
   * @param {string} reason
   */
  #reset(reason, resume = false) {
    this.position.forget();
    this.state = "snapshot";
    this.flight = null;
    this.#reason = reason;
    if (!resume) this.#staged = this.#next = null;
    if (this.#failures === 0) this.#askSnapshot();
    else this.#due = this.#line.later(this.#failures); // A reset that the one before it didn't cure.
    this.#failures++;
  }

  #askSnapshot() {
    this.#due = null;
    /** @type {import("./protocol.js").Outgoing} */
    const frame = { type: "snapshot", id: 0, limit: this.#line.policy.snapshot };
    if (this.#next !== null) frame.next = this.#next;
    this.flight = this.#line.ask("snapshot", frame, this.#next);
  }

  /**
   * Ask for the same page later; `again`: for the first.
   * @param {number | null} [retryAfter]
   */
  #snapshotLater(retryAfter, again = false) {
    if (again) this.#staged = this.#next = null;
    this.flight = null;
    this.#due = this.#line.later(this.#failures++, retryAfter);
  }

  /**
   * Keep a page aside; after the last one stand where the snapshot ends, and pull.
   * @param {import("./protocol.js").SnapshotPage} given
   */
  stage(given) {
    const { cursor, epoch } = given;
    const asked = this.#line.flights.end(given.id, "snapshot");
    if (!asked || asked.about !== this.#next) return; // Repeated, or late and of no use any more.
    if (this.#staged && (this.#staged.cursor !== cursor || this.#staged.epoch !== epoch)) {
      this.#snapshotLater(null, true);
      return;
    }
    this.#line.put({ type: "stage", conversations: given.conversations, start: this.#staged === null });
    this.#staged = { cursor, epoch };
    this.#next = given.next ?? null;
    if (this.#next !== null) {
      this.#askSnapshot();
      return;
    }
    this.#staged = null;
    this.position.move(cursor, epoch);
    const messages = this.#reason === "cursor_too_old" ? "unverify" : "discard";
    this.#line.put({ type: "replace", cursor, epoch, reason: this.#reason, messages });
    if (this.paused) {
      this.state = "behind";
      this.flight = null;
      this.#due = this.#line.now;
    } else {
      this.#pull();
    }
  }

  // Failures: rule 7.

  /**
   * End a flight by an error; false: it would always fail so.
   * @param {Asked} asked
   * @param {import("./protocol.js").ErrorFrame} given
   */
  failed(asked, given) {
    if (asked.kind === "pull" && POSITION_ERRORS.has(given.code)) {
      if (this.state !== "snapshot") this.#reset(given.code);
      return true;
    }
    if (given.id !== this.flight) return true; // Given up already.
    if (asked.kind === "pull" && given.retry) this.#pullLater(given.retry_after);
    else if (given.retry) this.#snapshotLater(given.retry_after);
    else if (asked.kind === "snapshot" && asked.about !== null) {
      this.#snapshotLater(null, true); // Its `next` is no longer usable.
    } else return false;
    return true;
  }

  /**
   * End a flight that got no answer in time.
   * @param {number} request
   */
  unanswered(request) {
    if (request !== this.flight) return;
    if (this.state === "pulling") this.#pullLater();
    else this.#snapshotLater();
  }

  /** End the flight with the connection; what is stashed or staged stays good. */
  disconnected() {
    this.flight = this.#due = null;
  }

  // Time and the consumer.

  /** Apply and pull nothing more: the consumer is behind. */
  pause() {
    this.paused = true;
  }

  /**
   * Go on with what was stashed, and pull what was dropped.
   * @param {boolean} online
   */
  resume(online) {
    this.paused = false;
    if (this.position.cursor === null) return;
    this.#take([]);
    if (online && this.state === "behind") {
      if (this.#due === null) this.#settle();
      else this.tick();
    }
  }

  /** Ask what is due. */
  tick() {
    if (this.#due === null || this.#line.now < this.#due) return;
    if (this.state === "snapshot") this.#askSnapshot();
    else if (!this.paused) this.#pull();
  }

  /** Return when something is due (ms). */
  wake() {
    return this.paused && this.state === "behind" ? null : this.#due;
  }
}
