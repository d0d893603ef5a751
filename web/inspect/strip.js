/** The strip: a user's sync timeline as a row of numbered cells, and every device as a cursor into it. */

import { h, setText } from "../shared/dom.js";
import { count } from "../shared/format.js";

/** @typedef {import("./model.js").Model} Model */
/** @typedef {import("./model.js").Device} Device */

const CELL = 34;
const GLYPHS = /** @type {Record<string, string>} */ ({
  message: "✉",
  read: "✓",
  conversation: "◎",
  member: "±",
  edited: "✎",
  recalled: "⌫",
  reaction: "♡",
  custom: "⚙",
});

export class Strip {
  #model;
  #choose;
  #cells = h("div", { class: "cells" });
  #lanes = h("div", { class: "lanes" });
  element = h(
    "div",
    { class: "strip" },
    h("div", { class: "cells-row" }, h("span", { class: "lane-name" }), this.#cells),
    this.#lanes,
  );
  /** @type {Map<number, HTMLElement>} */
  #held = new Map();
  /** @type {Map<string, Lane>} */
  #devices = new Map();
  #user = "";

  /** @param {Model} model @param {(seq: number) => void} choose */
  constructor(model, choose) {
    this.#model = model;
    this.#choose = choose;
    this.#cells.addEventListener("click", (event) => {
      const cell = /** @type {HTMLElement} */ (event.target).closest("button");
      if (cell) this.#choose(Number(cell.dataset.seq));
    });
  }

  /** How many cells fit. */
  get #span() {
    return Math.max(3, Math.floor(this.#cells.clientWidth / CELL));
  }

  /** @param {number | null} chosen */
  draw(chosen) {
    const { head, entries, devices, user } = this.#model;
    if (user !== this.#user) {
      this.#user = user;
      this.#cells.replaceChildren();
      this.#held.clear();
      this.#lanes.replaceChildren();
      this.#devices.clear();
    }
    const span = this.#span;
    const first = Math.max(1, head - span + 1);
    // While there are few entries they begin on the left, and the strip fills up.
    const x = (/** @type {number} */ seq) => (seq - first) * CELL;
    for (const [seq, cell] of this.#held) {
      if (seq >= first - 3) continue;
      cell.remove();
      this.#held.delete(seq);
    }
    for (let seq = first; seq <= head; seq++) {
      let cell = this.#held.get(seq);
      const event = entries.get(seq);
      if (!cell) {
        cell = h(
          "button",
          { type: "button", class: "cell fresh", dataset: { seq: String(seq) } },
          h("span", { class: "glyph" }),
          h("span", { class: "number" }, count(seq)),
        );
        cell.style.transform = `translateX(${x(seq) + CELL}px)`;
        this.#held.set(seq, cell);
        this.#cells.append(cell);
        cell.getBoundingClientRect(); // So that it comes in from the right.
        const made = cell;
        setTimeout(() => made.classList.remove("fresh"), 900);
      }
      const type = event?.type ?? "unknown";
      if (cell.dataset.type !== type) {
        cell.dataset.type = type;
        setText(/** @type {Element} */ (cell.firstElementChild), GLYPHS[type] ?? "·");
        cell.title = `${seq}: ${describe(event)}`;
        cell.setAttribute("aria-label", cell.title);
      }
      cell.classList.toggle("chosen", seq === chosen);
    }
    for (const [seq, cell] of this.#held) cell.style.transform = `translateX(${x(seq)}px)`;
    for (const device of [...devices.values()].sort(byName)) {
      let lane = this.#devices.get(device.name);
      if (!lane) {
        lane = new Lane(device.name);
        this.#devices.set(device.name, lane);
        const after = [...this.#devices.keys()].sort().indexOf(device.name);
        this.#lanes.insertBefore(lane.element, this.#lanes.children[after] ?? null);
      }
      lane.draw(device, head, first, span);
    }
  }
}

class Lane {
  #state = h("span", { class: "pill" });
  #act = h("span", { class: "act" });
  #bar = h("span", { class: "bar" });
  #owed = h("span", { class: "owed" });
  #marker = h("span", { class: "marker" }, h("span", { class: "flag" }));
  #lag = h("span", { class: "lag" });
  element;

  /** @param {string} name */
  constructor(name) {
    this.element = h(
      "div",
      { class: "lane" },
      h("span", { class: "lane-name" }, h("bdi", { title: name }, name), this.#state),
      h("span", { class: "track" }, this.#bar, this.#owed, this.#marker),
      h("span", { class: "lane-end" }, this.#lag, this.#act),
    );
  }

  /** @param {Device} device @param {number} head @param {number} first @param {number} span */
  draw(device, head, first, span) {
    const at = device.position ?? device.cursor;
    const [state, label] = stateOf(device);
    this.element.dataset.state = state;
    setText(this.#state, label);
    setText(this.#act, device.act);
    const lag = at === null ? null : Math.max(0, head - at);
    setText(this.#lag, lag === null ? "no cursor" : lag === 0 ? "up to date" : `${count(lag)} behind`);
    this.element.classList.toggle("late", lag !== null && lag > 0);
    const end = Math.min(head - first + 1, span) * CELL;
    const place = at === null ? 0 : Math.max(0, (at - first + 1) * CELL);
    this.#bar.style.width = `${place}px`;
    this.#owed.style.left = `${place}px`;
    this.#owed.style.width = `${Math.max(0, end - place)}px`;
    this.#marker.style.transform = `translateX(${place}px)`;
    setText(/** @type {Element} */ (this.#marker.firstElementChild), at === null ? "–" : count(at));
    this.#marker.classList.toggle("outside", at !== null && at < first - 1);
  }
}

/** @param {Device} a @param {Device} b */
const byName = (a, b) => (a.name < b.name ? -1 : 1);

/** @param {Device} device @returns {[state: string, label: string]} */
export function stateOf({ state, hint }) {
  if (state === null) return ["offline", "offline"];
  if (state === "unpositioned") return ["behind", "snapshot"];
  if (state === "behind") return ["behind", hint ? "hinted" : "behind"];
  return ["live", hint ? "live, by hint" : "live"];
}

/** @param {any} event */
export function describe(event) {
  switch (event?.type) {
    case "message":
      return `${event.message.sender}: ${event.message.body?.text ?? "…"}`;
    case "read":
      return `${event.user} has read ${event.conversation} up to ${event.message_seq}`;
    case "conversation":
      return `the state of ${event.state.conversation}`;
    case "member":
      return `members of ${event.conversation} changed`;
    case undefined:
      return "not looked at";
    default:
      return `${event.type} in ${event.conversation ?? ""}`;
  }
}
