/** A message on its way: from its commit to each device of each member, with times. */

import { h, setText } from "../shared/dom.js";
import { duration } from "../shared/format.js";
import { deviceKey } from "./model.js";

/** @typedef {import("./model.js").Model} Model */
/** @typedef {import("./model.js").Trace} Trace */

/** The scale of times is logarithmic: from 0.1 ms to 100 s. */
const DECADES = 6;
const SHORTEST = 0.1;

export class TraceView {
  #model;
  #title = h("p", { class: "quote", dir: "auto" });
  #rows = h("div", { class: "trace-rows" });
  #note = h("p", { class: "note" });
  element = h("div", { class: "trace" }, this.#title, this.#scale(), this.#rows, this.#note);

  /** @param {Model} model */
  constructor(model) {
    this.#model = model;
  }

  /** @param {Trace | undefined} trace @param {boolean} following */
  draw(trace, following) {
    this.element.hidden = false;
    if (!trace) {
      setText(this.#title, "Waiting for the next message …");
      this.#rows.replaceChildren();
      setText(this.#note, "");
      return;
    }
    const { message } = trace.event;
    setText(this.#title, `${message.sender}: ${message.body?.text ?? "…"}`);
    const taken = trace.seconds * 1000;
    const rows = [
      row("commit", "durable in the store", taken, "commit", `${message.conversation} #${message.message_seq}`),
    ];
    for (const user of Object.keys(trace.at)) {
      const devices = new Set([
        ...(this.#model.others.get(user) ?? []),
        ...(user === this.#model.user ? this.#model.devices.keys() : []),
      ]);
      for (const device of [...devices].sort()) {
        const arrival = trace.arrivals.get(deviceKey(user, device));
        const hinted = arrival?.hinted ?? trace.hints.get(deviceKey(user, device));
        const name = `${user} · ${device}`;
        const place = `#${trace.at[user]}`;
        if (arrival) {
          const after = taken + Math.max(0, arrival.time - trace.time);
          const how = arrival.how === "push" ? "pushed" : hinted ? "hinted, then pulled" : "pulled";
          rows.push(row(name, how, after, arrival.how, place));
        } else {
          rows.push(row(name, hinted ? "hinted, has not pulled yet" : "waits in the timeline", null, "waiting", place));
        }
      }
    }
    reconcile(this.#rows, rows);
    setText(this.#note, following ? "The latest message is followed. Click an entry above to look at another." : "");
  }

  #scale() {
    const ticks = ["0.1 ms", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"];
    return h(
      "div",
      { class: "trace-scale", "aria-hidden": "true" },
      h("span"),
      h("span", { class: "ticks" }, ...ticks.map((text, place) => positioned(h("i", null, text), place / DECADES))),
      h("span"),
    );
  }
}

/** @typedef {{name: string, how: string, ms: number | null, kind: string, place: string}} Row */

/** @param {string} name @param {string} how @param {number | null} ms @param {string} kind @param {string} place @returns {Row} */
const row = (name, how, ms, kind, place) => ({ name, how, ms, kind, place });

/** @param {HTMLElement} list @param {Row[]} rows */
function reconcile(list, rows) {
  while (list.childElementCount > rows.length) list.lastElementChild?.remove();
  while (list.childElementCount < rows.length) {
    list.append(
      h(
        "div",
        { class: "trace-row" },
        h("span", { class: "trace-name" }, h("bdi"), h("em")),
        h("span", { class: "trace-track" }, h("span", { class: "trace-bar" })),
        h("span", { class: "trace-time" }, h("strong"), h("span")),
      ),
    );
  }
  rows.forEach(({ name, how, ms, kind, place }, index) => {
    const element = /** @type {HTMLElement} */ (list.children[index]);
    element.dataset.kind = kind;
    const [label, track, time] = /** @type {HTMLElement[]} */ ([...element.children]);
    setText(label.children[0], name);
    setText(label.children[1], place);
    const share =
      ms === null ? 1 : Math.min(1, Math.max(0.01, Math.log10(Math.max(ms, SHORTEST) / SHORTEST) / DECADES));
    /** @type {HTMLElement} */ (track.firstElementChild).style.width = `${share * 100}%`;
    setText(time.children[0], ms === null ? "" : duration(ms));
    setText(time.children[1], how);
  });
}

/** @param {HTMLElement} element @param {number} share */
function positioned(element, share) {
  element.style.left = `${share * 100}%`;
  return element;
}
