/**
 * The sends of a device that are not answered yet, in their order (protocol, section 6, rules 6 and 7).
 *
 * Laws:
 *
 * 1. What is in flight is a prefix of the items, so a resend never overtakes what was before it.
 * 2. A message leaves the outbox exactly once: confirmed, failed, unconfirmed, or found in the timeline.
 * 3. `order` is a number and is compared as one.
 */

/** @typedef {import("./inputs.js").Submit} Submit */

/**
 * A message to send. `tried`: when it was first sent, by the server's clock (ms); `request`: the id of its attempt
 * in flight.
 * @typedef {{message: Submit, tried: number | null, request: number | null}} Item
 */

/** Messages to send, by `client_id`. */
export class Outbox {
  /** @type {Map<string, Item>} */
  items = new Map();
  #line;
  /**
   * When the items that are not in flight may go (ms); null: at once.
   * @type {number | null}
   */
  #due = null;
  #failures = 0;

  /** @param {import("./line.js").Line} line */
  constructor(line) {
    this.#line = line;
  }

  /**
   * Put a message in its place, which is the last but for those of before a restart; never twice.
   * @param {Submit} message
   */
  add(message) {
    if (this.items.has(message.client_id)) return;
    const last = [...this.items.values()].pop();
    this.items.set(message.client_id, { message, tried: message.tried ?? null, request: null });
    if (last && last.message.order > message.order) {
      this.items = new Map([...this.items].sort((a, b) => a[1].message.order - b[1].message.order));
    }
  }

  /**
   * Take out a message that was seen in the timeline.
   * @param {string} clientId
   */
  remove(clientId) {
    this.items.delete(clientId);
  }

  /**
   * Send what may go now, in order.
   *
   * What was first tried longer ago than `ttl` (s) could be stored twice: that is for its user to decide.
   * @param {number} ttl
   */
  flush(ttl) {
    if (this.#due !== null) {
      if (this.#line.now < this.#due) return;
      this.#due = null;
    }
    for (let item; (item = this.#next());) {
      const id = item.message.client_id;
      if (item.tried === null) {
        item.tried = this.#line.serverNow;
        this.#line.put({ type: "attempt", client_id: id, tried: item.tried });
      } else if (this.#line.serverNow - item.tried > ttl * 1000) {
        this.items.delete(id);
        this.#line.put({ type: "unconfirmed", client_id: id });
        continue;
      }
      item.request = this.#line.ask("send", frame(item.message), id);
    }
  }

  /** Return the first item that is not in flight, unless the window is full. */
  #next() {
    let flying = 0;
    for (const item of this.items.values()) {
      if (flying++ === this.#line.policy.window) return undefined;
      if (item.request === null) return item;
    }
    return undefined;
  }

  /**
   * Take out the message that an answer is for; undefined when it is gone already.
   * @param {import("./protocol.js").Sent} given
   */
  sent(given) {
    const asked = this.#line.flights.end(given.id, "send");
    const item = asked && this.items.get(String(asked.about));
    if (!item) return undefined;
    this.items.delete(item.message.client_id);
    this.#failures = 0;
    this.#line.put({
      type: "confirmed",
      client_id: item.message.client_id,
      conversation: given.conversation,
      message_seq: given.message_seq,
      seq: given.seq,
      time: given.time,
      duplicate: given.duplicate,
    });
    return item;
  }

  /**
   * Send again from the failed message on, or take it out when it is refused for good.
   * @param {import("./flights.js").Asked} asked
   * @param {import("./protocol.js").ErrorFrame} given
   */
  failed(asked, given) {
    const item = this.items.get(String(asked.about));
    // Else an attempt that was given up when one before it failed.
    if (!item || item.request !== given.id) return;
    if (given.retry) {
      this.#holdFrom(item, given.retry_after);
    } else {
      this.items.delete(item.message.client_id);
      this.#line.put({ type: "failed", client_id: item.message.client_id, code: given.code, message: given.message });
    }
  }

  /**
   * Send again from a message on that got no answer in time.
   * @param {number} request
   * @param {import("./flights.js").Asked} asked
   */
  unanswered(request, asked) {
    const item = this.items.get(String(asked.about));
    if (item?.request === request) this.#holdFrom(item);
  }

  /**
   * What follows it may be stored already: the same `client_id` makes the resend harmless.
   * @param {Item} failed
   * @param {number | null} [retryAfter]
   */
  #holdFrom(failed, retryAfter) {
    this.#due = this.#line.later(this.#failures++, retryAfter);
    let seen = false;
    for (const item of this.items.values()) {
      seen ||= item === failed;
      if (seen) item.request = null;
    }
  }

  /** Note that nothing is in flight any more, and nothing has to wait. */
  disconnected() {
    this.#due = null;
    for (const item of this.items.values()) item.request = null;
  }

  /** Return when something may go that has to wait now (ms). */
  wake() {
    return this.items.size ? this.#due : null;
  }
}

/**
 * @param {Submit} message
 * @returns {import("./protocol.js").Outgoing}
 */
function frame({ client_id, body, conversation, to, reply_to, mentions }) {
  /** @type {import("./protocol.js").Outgoing} */
  const made = { type: "send", id: 0, client_id, body };
  if (conversation != null) made.conversation = conversation;
  if (to != null) made.to = to;
  if (reply_to != null) made.reply_to = reply_to;
  if (mentions != null) made.mentions = mentions;
  return made;
}

/**
 * Make the entry that `sent` stands for, as the user's other devices get it (rule 6).
 * @param {Item} item
 * @param {import("./protocol.js").Sent} given
 * @param {string} user
 * @returns {import("./protocol.js").Entry}
 */
export function ownEntry(item, given, user) {
  const { client_id, body, reply_to, mentions } = item.message;
  /** @type {import("./protocol.js").Message} */
  const message = {
    conversation: given.conversation,
    message_seq: given.message_seq,
    sender: user,
    client_id,
    time: given.time,
    body,
  };
  if (reply_to != null) message.reply_to = reply_to;
  if (mentions?.length) message.mentions = mentions;
  return { seq: given.seq, event: { type: "message", message } };
}
