/** A conversation's message timeline: the other queue, which every member's entries refer to. */

import { h, setText } from "../shared/dom.js";
import { clockTime } from "../shared/format.js";

/** @typedef {import("./source.js").Source} Source */
/** @typedef {import("../client/src/protocol.js").Message} Message */

const SHOWN = 9;

export class ConversationTimeline {
  #source;
  #name = h("strong");
  #head = h("span", { class: "muted" });
  #rows = h("ol", { class: "message-rows" });
  element = h(
    "div",
    { class: "conversation-timeline" },
    h("p", { class: "quote" }, this.#name, " ", this.#head),
    this.#rows,
  );
  #id = "";
  /** @type {Map<number, Message>} */
  #messages = new Map();
  #asking = false;

  /** @param {Source} source */
  constructor(source) {
    this.#source = source;
  }

  /**
   * Show a conversation as a user sees it, around a message.
   * @param {string} user
   * @param {Message | undefined} message
   */
  async draw(user, message) {
    if (!message) return;
    if (message.conversation !== this.#id) {
      this.#id = message.conversation;
      this.#messages.clear();
    }
    this.#messages.set(message.message_seq, message);
    const missing = message.message_seq - 1 >= 1 && !this.#messages.has(message.message_seq - 1);
    if (missing && !this.#asking) {
      this.#asking = true;
      const id = this.#id;
      try {
        const found = await this.#source.ask("history", user, {
          conversation: id,
          before: message.message_seq + 1,
          limit: SHOWN,
        });
        if (id === this.#id) for (const each of found.messages) this.#messages.set(each.message_seq, each);
      } catch {
        // The user has left it meanwhile: what was seen of it stays.
      }
      this.#asking = false;
    }
    const shown = [...this.#messages.values()].sort((a, b) => a.message_seq - b.message_seq).slice(-SHOWN);
    for (const seq of this.#messages.keys()) if (seq < shown[0].message_seq) this.#messages.delete(seq);
    setText(this.#name, this.#id);
    setText(this.#head, `head ${shown.at(-1)?.message_seq}`);
    this.#rows.replaceChildren(
      ...shown.map((each) =>
        h(
          "li",
          { class: each.message_seq === message.message_seq ? "current" : "" },
          h("span", { class: "number" }, String(each.message_seq)),
          h("bdi", { class: "who" }, each.sender),
          h("span", { class: "said", dir: "auto" }, each.recalled ? "deleted" : (each.body?.text ?? "…")),
          h("time", null, clockTime(each.time)),
        ),
      ),
    );
  }
}
