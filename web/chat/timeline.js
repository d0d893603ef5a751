/**
 * The messages of a conversation: a window of `message_seq` that moves as one scrolls.
 *
 * Numbers without holes make this simple: the window is two numbers, and what the device lacks inside of it is known.
 * A hole is shown as one, and fetched when it comes near. Nothing outside of the window is in memory.
 */

import { h, icon, ICONS, setText } from "../shared/dom.js";
import { count, dayOf, dayTitle, plural } from "../shared/format.js";
import { fillBubble, makeBubble } from "./bubble.js";

/** @typedef {import("../client/src/client.js").TidelineClient} Client */
/** @typedef {import("../client/src/protocol.js").Message} Message */
/** @typedef {import("../client/src/draft.js").Conversation} Conversation */
/** @typedef {import("../client/src/draft.js").Pending} Pending */

/** @typedef {{key: string, kind: "day" | "new" | "hole" | "begin" | "bubble", text?: string, range?: [number, number],
 *   message?: Message, pending?: Pending, first?: boolean, last?: boolean, status?: string}} Item */

const STEP = 60;
const MOST = 200;
const NEAR = 700;
const SAME = 5 * 60_000;
const FETCH = 100;
const FRAME = 80;

export class Timeline {
  #client;
  #items = h("div", { class: "items", role: "list", "aria-label": "Messages" });
  #scroller = h("div", { class: "messages", tabIndex: 0 }, this.#items);
  #jump = h("button", { type: "button", class: "jump", hidden: true }, h("span"), icon(ICONS.down));
  element = h("div", { class: "timeline" }, this.#scroller, this.#jump);
  /** @type {string | null} */
  #id = null;
  /** @type {Conversation | null} */
  #state = null;
  #low = 1;
  #high = 0;
  /** Whether the end is in view, and so is kept in view. */
  #atEnd = true;
  /** Whether the end, wherever it is by then, is to be shown by the next drawing. */
  #following = false;
  /** The read position when the conversation was opened: where "New" is shown. */
  #readBefore = Infinity;
  /** @type {Map<string, {element: HTMLElement, of: string}>} */
  #elements = new Map();
  /** @type {Set<string>} */
  #fetching = new Set();
  #drawing = false;
  #again = false;
  #last = 0;
  #turn = 0;

  /** @param {Client} client */
  constructor(client) {
    this.#client = client;
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#atEnd && this.#toEnd()).observe(this.#scroller);
    this.#jump.addEventListener("click", () => this.follow());
    document.addEventListener("visibilitychange", () => this.#read());
    addEventListener("focus", () => this.#read());
    client.addEventListener("status", () => this.#id && client.status.online && this.refresh());
  }

  /** @param {string | null} id */
  async open(id) {
    this.#id = id;
    this.#turn++;
    this.#state = null;
    this.#following = false;
    this.#elements.clear();
    this.#items.replaceChildren();
    if (!id) return;
    const state = await this.#client.conversation(id);
    if (id !== this.#id) return;
    this.#state = state;
    const head = state?.head ?? 0;
    this.#readBefore = state && state.unread > 0 ? state.read : Infinity;
    const many = (state?.unread ?? 0) > 30;
    this.#high = many && state ? Math.min(head, state.read + STEP) : head;
    this.#low = Math.max(state?.first ?? 1, (many && state ? state.read : head) - STEP + 1);
    this.#atEnd = !many;
    await this.refresh();
    if (id !== this.#id) return;
    if (many) this.#elements.get("new")?.element.scrollIntoView({ block: "start" });
    else this.#toEnd();
    this.#read();
  }

  /** Show the end from now on. */
  follow() {
    this.#following = true;
    this.refresh();
  }

  /** Read what changed and draw it: often asked for, done once at a time and not more than some times a second. */
  async refresh() {
    if (this.#drawing) {
      this.#again = true;
      return;
    }
    this.#drawing = true;
    try {
      do {
        this.#again = false;
        const wait = this.#last + FRAME - performance.now();
        if (wait > 0 && !document.hidden) await new Promise((resolve) => setTimeout(resolve, wait));
        this.#last = performance.now();
        await this.#update();
      } while (this.#again);
    } finally {
      this.#drawing = false; // also when the store failed: the next change draws again
    }
  }

  async #update() {
    const id = this.#id;
    const turn = this.#turn;
    if (!id) return;
    const [state, pending] = await Promise.all([this.#client.conversation(id), this.#client.pending(id)]);
    const before = this.#state;
    const head = state?.head ?? 0;
    const first = state?.first ?? 1;
    const following = this.#following;
    if (following && this.#high < head) this.#low = Math.max(first, head - STEP + 1);
    if (following) this.#atEnd = true;
    if (following || (this.#atEnd && this.#high >= (before?.head ?? 0))) this.#high = head;
    this.#low = Math.max(first, Math.min(this.#low, Math.max(first, this.#high)));
    if (this.#atEnd && this.#high - this.#low > MOST) this.#low = this.#high - MOST;
    const held =
      this.#high >= this.#low ? await this.#client.held(id, this.#low, this.#high) : { messages: [], holes: [] };
    if (turn !== this.#turn) return;
    this.#state = state;
    this.#draw(this.#layout(held, pending));
    const behind = head - this.#high;
    this.#jump.hidden = this.#atEnd;
    this.#jump.setAttribute("aria-label", "To the latest message");
    setText(
      /** @type {HTMLElement} */ (this.#jump.firstElementChild),
      behind > 0 && state?.unread ? `${count(state.unread)} new` : "",
    );
    for (const hole of held.holes) this.#fetch(id, hole);
    if (this.#atEnd) this.#toEnd();
    if (following) this.#following = false;
    this.#read();
  }

  /**
   * Say what is to be seen, in order.
   * @param {{messages: Message[], holes: [number, number][]}} held
   * @param {Pending[]} pending
   */
  #layout({ messages, holes }, pending) {
    const { user } = this.#client;
    const state = this.#state;
    const group = state?.kind === "group";
    /** @type {Item[]} */
    const items = [];
    if (this.#low <= (state?.first ?? 1)) {
      const text = (state?.first ?? 1) > 1 ? "You can read from here on" : "The beginning of this conversation";
      items.push({ key: "begin", kind: "begin", text });
    }
    let hole = 0;
    let day = 0;
    let marked = false;
    /** @type {Item | undefined} */
    let last;
    const bubble = (/** @type {Item} */ item, /** @type {string} */ sender, /** @type {number} */ time) => {
      if (dayOf(time) !== day) {
        day = dayOf(time);
        items.push({ key: `day ${day} ${item.message?.message_seq ?? "pending"}`, kind: "day", text: dayTitle(time) });
        last = undefined;
      }
      const seq = item.message?.message_seq ?? 0;
      if (seq > this.#readBefore && sender !== user && !marked) {
        marked = true;
        items.push({ key: "new", kind: "new", text: "New" });
        last = undefined;
      }
      const before = last?.message?.sender ?? (last?.pending ? user : undefined);
      const joined = last && before === sender && time - (last.message?.time ?? last.pending?.time ?? 0) < SAME;
      item.first = !joined;
      if (last && joined) last.last = false;
      item.last = true;
      items.push(item);
      last = item;
    };
    for (const message of messages) {
      const seq = message.message_seq;
      while (hole < holes.length && holes[hole][0] < seq) {
        items.push(holeItem(holes[hole++]));
        last = undefined;
      }
      const own = message.sender === user;
      const status = own ? (!group && (state?.peer_read ?? 0) >= seq ? "read" : "sent") : "";
      const key = own && message.client_id ? `c ${message.client_id}` : `m ${seq}`;
      bubble({ key, kind: "bubble", message, status }, message.sender, message.time);
    }
    while (hole < holes.length) items.push(holeItem(holes[hole++]));
    if (this.#high >= (state?.head ?? 0)) {
      for (const item of pending)
        bubble({ key: `c ${item.client_id}`, kind: "bubble", pending: item, status: item.status }, user, item.time);
    }
    return items;
  }

  /**
   * Make the elements be what the items say, keeping those that are there, and what is in view where it is.
   * @param {Item[]} items
   */
  #draw(items) {
    const anchor = this.#atEnd ? null : this.#anchor();
    const wanted = new Set(items.map(({ key }) => key));
    for (const [key, { element }] of this.#elements) {
      if (wanted.has(key)) continue;
      element.remove();
      this.#elements.delete(key);
    }
    /** @type {Element | null} */
    let next = this.#items.firstElementChild;
    const { user } = this.#client;
    for (const item of items) {
      let held = this.#elements.get(item.key);
      if (!held) {
        held = { element: this.#make(item), of: "" };
        this.#elements.set(item.key, held);
      }
      const of = JSON.stringify(item);
      if (held.of !== of) {
        held.of = of;
        if (item.kind === "bubble") fillBubble(held.element, item, user, this.#state?.kind === "group");
        else setText(/** @type {HTMLElement} */ (held.element.firstElementChild), item.text ?? "");
      }
      if (held.element === next) next = next.nextElementSibling;
      else this.#items.insertBefore(held.element, next);
    }
    if (anchor) this.#scroller.scrollTop += anchor.element.getBoundingClientRect().top - anchor.top;
  }

  /** @param {Item} item */
  #make({ kind }) {
    if (kind === "bubble") return makeBubble(this.#client);
    return h("div", { class: `mark ${kind}`, role: "listitem" }, h("span"));
  }

  /** Return the first message in view and where it is, to keep it there. */
  #anchor() {
    const top = this.#scroller.getBoundingClientRect().top;
    for (const element of this.#items.children) {
      const box = element.getBoundingClientRect();
      if (box.bottom > top && !element.classList.contains("mark")) return { element, top: box.top };
    }
    return null;
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #scrolled() {
    if (this.#following) return; // where it was is of no interest any more
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const head = this.#state?.head ?? 0;
    const first = this.#state?.first ?? 1;
    const below = scrollHeight - scrollTop - clientHeight;
    const atEnd = below < 40 && this.#high >= head;
    if (atEnd !== this.#atEnd) {
      this.#atEnd = atEnd;
      this.#jump.hidden = atEnd;
    }
    if (scrollTop < NEAR && this.#low > first) {
      this.#low = Math.max(first, this.#low - STEP);
      if (this.#high - this.#low > MOST) this.#high = this.#low + MOST;
      this.refresh();
    } else if (below < NEAR && this.#high < head) {
      this.#high = Math.min(head, this.#high + STEP);
      if (this.#high - this.#low > MOST) this.#low = this.#high - MOST;
      this.refresh();
    }
    this.#read();
  }

  /**
   * Fetch what is missing: the part of a hole that is nearest to the end, the rest when it comes near.
   * @param {string} id
   * @param {[number, number]} hole
   */
  async #fetch(id, [from, to]) {
    const low = Math.max(from, to - FETCH + 1);
    const key = `${id} ${to}`;
    if (!this.#client.status.online || this.#fetching.has(key)) return;
    this.#fetching.add(key);
    try {
      await this.#client.history(id, { before: to + 1, limit: to - low + 1 });
    } catch {
      // The hole stays to be seen, and is tried again at the next connection or look.
    }
    this.#fetching.delete(key);
  }

  /** Say that what is in view has been read. */
  #read() {
    const state = this.#state;
    if (!state || !state.unread || !this.#id || document.visibilityState !== "visible" || !document.hasFocus()) return;
    const bottom = this.#scroller.getBoundingClientRect().bottom;
    let seq = 0;
    for (const { element } of this.#elements.values()) {
      const its = Number(element.dataset.seq ?? 0);
      if (its > seq && element.getBoundingClientRect().bottom <= bottom + 8) seq = its;
    }
    if (this.#atEnd) seq = Math.max(seq, state.head);
    if (seq <= state.read) return;
    state.read = seq;
    this.#client.read(this.#id, seq).catch(() => {});
  }
}

/** @param {[number, number]} range @returns {Item} */
function holeItem([from, to]) {
  return { key: `hole ${to}`, kind: "hole", text: `${plural(to - from + 1, "message")} not on this device yet` };
}
