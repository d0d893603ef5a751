/**
 * The list of conversations: only the rows in view exist, and only their conversations are loaded.
 *
 * What is kept of all of them is their ids in order; a change moves an id, and rows that are in view are read again.
 */

import { asConversation } from "../client/src/draft.js";
import { h, icon, ICONS, setText } from "../shared/dom.js";
import { count, shortTime } from "../shared/format.js";
import { avatar } from "./sign-in.js";

/** @typedef {import("../client/src/client.js").TidelineClient} Client */
/** @typedef {import("../client/src/draft.js").Conversation} Conversation */

const ROW = 68;
const MARGIN = 6;
const PREVIEWED = 200;
const NAME = /^[!-~]{1,64}$/;
const RESERVED = /[:~/?#%"]/;

export class ConversationList {
  #client;
  #choose;
  #rows = h("ul", { class: "rows", role: "list", "aria-label": "Conversations" });
  #scroller = h("div", { class: "scroller", tabIndex: -1 }, this.#rows);
  #field = h("input", {
    ...{
      class: "field",
      type: "search",
      placeholder: "Search, or start with a name",
      "aria-label": "Search, or start a conversation",
    },
    ...{ autocomplete: "off", spellcheck: false },
  });
  element = h("div", { class: "list" }, h("div", { class: "search" }, this.#field), this.#scroller);
  /** All ids with their ranks, highest first. @type {[string, number][]} */
  #order = [];
  /** What is shown: all, or what was searched for. @type {string[]} */
  #shown = [];
  /** @type {Map<string, Conversation>} */
  #loaded = new Map();
  /** Titles of groups, read when something is searched. @type {Map<string, string> | null} */
  #titles = null;
  /** @type {Map<string, HTMLElement>} */
  #elements = new Map();
  /** @type {string | null} */
  #selected = null;
  #drawing = false;
  #previewing = false;
  #again = false;

  /** @param {Client} client @param {(id: string) => void} choose */
  constructor(client, choose) {
    this.#client = client;
    this.#choose = choose;
    this.#scroller.addEventListener("scroll", () => this.#draw(), { passive: true });
    new ResizeObserver(() => this.#draw()).observe(this.#scroller);
    this.#field.addEventListener("input", () => this.#filter());
    this.#field.addEventListener("keydown", (event) => this.#key(event));
    this.#rows.addEventListener("keydown", (event) => this.#key(event));
  }

  get size() {
    return this.#order.length;
  }

  async load() {
    this.#previewing = false;
    this.#order = await this.#client.conversations();
    this.#loaded.clear();
    this.#titles = null;
    await this.#filter();
  }

  /**
   * Show what a new device is being sent, while it is not stored yet.
   * @param {import("../client/src/protocol.js").ConversationState[]} states
   */
  preview(states) {
    if (this.#order.length && !this.#previewing) return;
    this.#previewing = true;
    // A snapshot that was begun again sends some of them twice.
    const known = new Set(this.#order.map(([id]) => id));
    for (const state of states) {
      if (known.has(state.conversation)) continue;
      const conversation = asConversation(state, 0);
      this.#order.push([state.conversation, conversation.rank]);
      if (this.#loaded.size < PREVIEWED) this.#loaded.set(state.conversation, conversation);
    }
    this.#shown = this.#order.map(([id]) => id);
    this.#draw();
  }

  /** @param {import("../client/src/draft.js").Change} change */
  changed({ conversations, reset }) {
    if (reset) {
      this.load();
      return;
    }
    if (!conversations.length) return;
    /** @type {Map<string, number | null>} */
    const moved = new Map(conversations);
    const rest = this.#order.filter(([id]) => !moved.has(id));
    for (const [id, rank] of moved) {
      this.#loaded.delete(id);
      if (rank === null) continue;
      // Nearly always the first place; else where it belongs.
      const place = rest.findIndex(([, other]) => other <= rank);
      rest.splice(place < 0 ? rest.length : place, 0, [id, rank]);
    }
    this.#order = rest;
    if (this.#field.value) this.#filter();
    else {
      this.#shown = rest.map(([id]) => id);
      this.#draw();
    }
  }

  /** @param {string | null} id */
  select(id) {
    this.#selected = id;
    for (const [each, element] of this.#elements) mark(element, each === id);
    if (id) this.#reveal(this.#shown.indexOf(id));
  }

  /** Open the next conversation, or the one before. @param {number} by */
  step(by) {
    const at = this.#shown.indexOf(this.#selected ?? "");
    const id = this.#shown[Math.min(this.#shown.length - 1, Math.max(0, at + by))];
    if (id) this.#choose(id);
  }

  search() {
    this.#field.focus();
    this.#field.select();
  }

  async #filter() {
    const wanted = this.#field.value.trim().toLowerCase();
    if (!wanted) {
      this.#shown = this.#order.map(([id]) => id);
    } else {
      const titles = await this.#readTitles();
      const own = this.#client.user;
      const matches = (/** @type {string} */ id) =>
        (
          titles.get(id) ??
          id
            .slice(2)
            .split("~")
            .filter((name) => name !== own)
            .join("")
        )
          .toLowerCase()
          .includes(wanted);
      this.#shown = this.#order.map(([id]) => id).filter(matches);
      const name = this.#field.value.trim();
      const direct = name <= own ? `d:${name}~${own}` : `d:${own}~${name}`;
      if (NAME.test(name) && !RESERVED.test(name) && !this.#shown.includes(direct)) this.#shown.push(direct);
    }
    this.#scroller.scrollTop = wanted ? 0 : this.#scroller.scrollTop;
    await this.#draw();
  }

  /** Read the titles of all groups, some at a time, and keep nothing else of them. */
  async #readTitles() {
    if (this.#titles) return this.#titles;
    const titles = (this.#titles = new Map());
    const groups = this.#order.map(([id]) => id).filter((id) => id.startsWith("g:"));
    for (let at = 0; at < groups.length; at += 500) {
      for (const state of await this.#client.store.conversations(groups.slice(at, at + 500))) {
        if (state) titles.set(state.conversation, state.title || state.conversation.slice(2));
      }
    }
    return titles;
  }

  async #draw() {
    if (this.#drawing) {
      this.#again = true;
      return;
    }
    this.#drawing = true;
    do {
      this.#again = false;
      await this.#drawRows();
    } while (this.#again);
    this.#drawing = false;
  }

  async #drawRows() {
    const top = Math.max(0, Math.floor(this.#scroller.scrollTop / ROW) - MARGIN);
    const visible = Math.ceil((this.#scroller.clientHeight || 800) / ROW) + 2 * MARGIN;
    const shown = this.#shown;
    const ids = shown.slice(top, top + visible);
    const missing = ids.filter((id) => !this.#loaded.has(id));
    const found = missing.length ? await this.#client.store.conversations(missing) : [];
    missing.forEach((id, place) => {
      const state = found[place];
      if (state) this.#loaded.set(id, state);
    });
    this.#rows.style.height = `${shown.length * ROW}px`;
    const kept = new Set(ids);
    for (const [id, element] of this.#elements) {
      if (kept.has(id)) continue;
      element.remove();
      this.#elements.delete(id);
    }
    ids.forEach((id, place) => {
      const element = this.#elements.get(id) ?? this.#add(id);
      element.style.transform = `translateY(${(top + place) * ROW}px)`;
      element.setAttribute("aria-setsize", String(shown.length));
      element.setAttribute("aria-posinset", String(top + place + 1));
      fill(element, id, this.#loaded.get(id), this.#client.user);
      mark(element, id === this.#selected);
    });
    if (this.#loaded.size > 400) {
      for (const id of this.#loaded.keys()) if (!kept.has(id)) this.#loaded.delete(id);
    }
  }

  /** @param {string} id */
  #add(id) {
    const element = h(
      "li",
      { class: "row" },
      h("button", { type: "button", onclick: () => this.#open(id), dataset: { id } }),
    );
    this.#elements.set(id, element);
    this.#rows.append(element);
    return element;
  }

  /** @param {string} id */
  #open(id) {
    if (this.#field.value) {
      this.#field.value = "";
      this.#filter();
    }
    this.#choose(id);
  }

  /** @param {KeyboardEvent} event */
  async #key(event) {
    const focused = /** @type {HTMLElement} */ (event.target).dataset?.id;
    if (event.key === "Enter" && !focused && this.#shown.length) {
      await this.#filter();
      this.#open(this.#shown[0]);
    } else if (event.key === "Escape" && this.#field.value) {
      this.#field.value = "";
      this.#filter();
      event.stopPropagation();
    } else if (!event.altKey && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      const at = focused ? this.#shown.indexOf(focused) + (event.key === "ArrowDown" ? 1 : -1) : 0;
      if (at < 0) this.#field.focus();
      else await this.#focus(at);
    } else {
      return;
    }
    event.preventDefault();
  }

  /** @param {number} place */
  async #focus(place) {
    const id = this.#shown[Math.min(place, this.#shown.length - 1)];
    if (!id) return;
    this.#reveal(place);
    await this.#draw();
    this.#elements.get(id)?.querySelector("button")?.focus();
  }

  /** @param {number} place */
  #reveal(place) {
    if (place < 0) return;
    const { scrollTop, clientHeight } = this.#scroller;
    if (place * ROW < scrollTop) this.#scroller.scrollTop = place * ROW;
    else if ((place + 1) * ROW > scrollTop + clientHeight) this.#scroller.scrollTop = (place + 1) * ROW - clientHeight;
  }
}

/** @param {HTMLElement} element @param {boolean} selected */
function mark(element, selected) {
  element.classList.toggle("selected", selected);
  element.firstElementChild?.setAttribute("aria-current", String(selected));
}

/** @param {HTMLElement} element @param {string} id @param {Conversation | undefined} state @param {string} user */
function fill(element, id, state, user) {
  const button = /** @type {HTMLElement} */ (element.firstElementChild);
  const name = nameOf(id, state, user);
  if (button.dataset.name !== name) {
    button.dataset.name = name;
    button.replaceChildren(
      avatar(name, id.startsWith("g:")),
      h("span", { class: "row-name" }, h("bdi", null, name)),
      h("span", { class: "row-time" }),
      h("span", { class: "row-last", dir: "auto" }),
      h("span", { class: "row-marks" }),
    );
  }
  const [, , time, last, marks] = /** @type {HTMLElement[]} */ ([...button.children]);
  setText(time, state?.last_message?.time ? shortTime(state.last_message.time) : "");
  setText(last, state ? preview(state, user) : "New conversation");
  const unread = state?.unread ?? 0;
  const signature = `${unread} ${state?.muted} ${state?.pinned}`;
  if (marks.dataset.of !== signature) {
    marks.dataset.of = signature;
    marks.replaceChildren();
    if (state?.pinned) marks.append(icon(ICONS.pin));
    if (state?.muted) marks.append(icon(ICONS.muted));
    if (unread) {
      const text = unread > 999 ? "999+" : count(unread);
      marks.append(
        h(
          "span",
          { class: state?.muted ? "badge quiet" : "badge" },
          text,
          h("span", { class: "hidden-text" }, " unread"),
        ),
      );
    }
  }
  element.classList.toggle("unread", unread > 0);
}

/** @param {string} id @param {Conversation | null | undefined} state @param {string} user */
export function nameOf(id, state, user) {
  if (state?.title) return state.title;
  if (id.startsWith("g:")) return id.slice(2);
  const peer =
    state?.peer ??
    id
      .slice(2)
      .split("~")
      .find((name) => name !== user) ??
    user;
  return peer === user ? `${user} (notes)` : peer;
}

/** @param {Conversation} state @param {string} user */
function preview({ last_message: last, kind }, user) {
  if (!last) return kind === "group" ? "New group" : "";
  const text = textOf(last);
  if (last.sender === user) return `You: ${text}`;
  return kind === "group" ? `${last.sender}: ${text}` : text;
}

/** @param {import("../client/src/protocol.js").Message} message */
export function textOf({ body, recalled, gone }) {
  if (recalled) return "Message deleted";
  if (gone) return "No longer available";
  if (body?.type === "text" && typeof body.text === "string") return body.text;
  return `[${typeof body?.type === "string" ? body.type : "message"}]`;
}
