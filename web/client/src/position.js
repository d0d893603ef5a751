/** Where a device is in its user's sync timeline, and what it knows beyond (section 6, rules 1 to 3). */

/** @typedef {import("./protocol.js").Entry} Entry */

/**
 * The cursor with its epoch, the stash, and the highest head seen.
 *
 * Law: the stash holds only numbers above `cursor` + 1, or, while entries are held, above `cursor`.
 */
export class Position {
  knownHead = 0;
  /** @type {Map<number, Entry>} */
  stash = new Map();
  #bound;

  /**
   * @param {number | null} cursor
   * @param {string | null} epoch
   * @param {number} bound
   */
  constructor(cursor, epoch, bound) {
    this.cursor = cursor;
    this.epoch = epoch;
    this.#bound = bound;
  }

  /** Whether something is known to exist that is not applied. */
  get owed() {
    return this.cursor !== null && this.knownHead > this.cursor;
  }

  /**
   * Remember that the timeline reaches up to `head`.
   * @param {number} head
   */
  see(head) {
    this.knownHead = Math.max(this.knownHead, head);
  }

  /**
   * Sort entries by rules 1 to 3 and return those to apply now; `cursor` is moved over them.
   *
   * `hold` applies nothing: what could be applied stays in the stash.
   * @param {Iterable<Entry>} entries
   * @param {boolean} hold
   */
  take(entries, hold) {
    /** @type {Entry[]} */
    const taken = [];
    for (const entry of entries) {
      this.see(entry.seq);
      if (entry.seq <= /** @type {number} */ (this.cursor)) continue; // Rule 1.
      this.stash.set(entry.seq, entry);
      if (!hold) this.#continue(taken); // Rule 2.
      // Rule 3. The highest goes: the lowest are applied next. `knownHead` still knows of it.
      if (this.stash.size > this.#bound) this.stash.delete(Math.max(...this.stash.keys()));
    }
    if (!hold) this.#continue(taken);
    return taken;
  }

  /**
   * Take from the stash what continues the cursor.
   * @param {Entry[]} taken
   */
  #continue(taken) {
    for (;;) {
      const seq = /** @type {number} */ (this.cursor) + 1;
      const entry = this.stash.get(seq);
      if (!entry) return;
      this.stash.delete(seq);
      taken.push(entry);
      this.cursor = seq;
    }
  }

  /** Drop what a reset makes meaningless (rule 8). */
  forget() {
    this.stash.clear();
    this.knownHead = 0;
  }

  /**
   * Stand where a snapshot ends.
   * @param {number} cursor
   * @param {string} epoch
   */
  move(cursor, epoch) {
    this.cursor = cursor;
    this.epoch = epoch;
    this.see(cursor);
  }
}
