/** A conversation: its head, its messages, who is typing, and where one writes. */

import { h, icon, ICONS, setText } from "../shared/dom.js";
import { hueOf, initials, plural } from "../shared/format.js";
import { iconButton } from "./app.js";
import { about } from "./dialogs.js";
import { nameOf } from "./list.js";
import { avatar } from "./sign-in.js";
import { Timeline } from "./timeline.js";

/** @typedef {import("../client/src/client.js").TidelineClient} Client */

const TYPING_EVERY = 3000;
const TYPING_FOR = 6000;

export class ConversationView {
  /** @type {string | null} */
  id = null;
  #client;
  #timeline;
  #picture = avatar("?");
  #name = h("h1", { dir: "auto" });
  #detail = h("p", { class: "detail" });
  #field = h("textarea", {
    id: "write",
    class: "field",
    rows: 1,
    placeholder: "Message",
    "aria-label": "Message",
    enterKeyHint: "send",
  });
  #send = h("button", { class: "button send", "aria-label": "Send", title: "Send" }, icon(ICONS.send));
  element;
  /** What was begun and not sent, by conversation. @type {Map<string, string>} */
  #drafts = new Map();
  /** Who is typing here, and until when that is believed. @type {Map<string, ReturnType<typeof setTimeout>>} */
  #typing = new Map();
  #told = 0;

  /** @param {Client} client @param {{close: () => void}} actions */
  constructor(client, { close }) {
    this.#client = client;
    this.#timeline = new Timeline(client);
    const form = h(
      "form",
      { class: "composer", onsubmit: (/** @type {Event} */ e) => this.#submit(e) },
      this.#field,
      this.#send,
    );
    const back = iconButton("Back to the list", ICONS.back, close);
    back.classList.add("back");
    this.element = h(
      "section",
      { class: "conversation", hidden: true, "aria-label": "Conversation" },
      h(
        "header",
        { class: "head" },
        back,
        this.#picture,
        h("div", { class: "titles" }, this.#name, this.#detail),
        iconButton("About this conversation", ICONS.more, () => this.id && about(client, this.id, close)),
      ),
      this.#timeline.element,
      form,
    );
    this.#field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.#submit(event);
    });
    this.#field.addEventListener("input", () => this.#wrote());
    client.addEventListener("signal", (event) => this.#signal(/** @type {any} */ (event).detail));
    client.addEventListener("entries", (event) => this.#spoke(/** @type {any} */ (event).detail));
  }

  /** @param {string | null} id */
  async open(id) {
    if (this.id) this.#drafts.set(this.id, this.#field.value);
    for (const timer of this.#typing.values()) clearTimeout(timer);
    this.#typing.clear();
    this.id = id;
    this.element.hidden = id === null;
    // Before anything is waited for: who is quick has begun to write.
    this.#field.value = (id && this.#drafts.get(id)) ?? "";
    this.#grow();
    await this.#head();
    if (id !== this.id) return;
    await this.#timeline.open(id);
    if (id && matchMedia("(hover: hover)").matches && !document.querySelector("dialog[open]")) this.#field.focus();
  }

  /** @param {import("../client/src/draft.js").Change} change */
  changed(change) {
    if (!this.id) return;
    const here = change.reset || change.conversations.some(([id]) => id === this.id);
    if (here) this.#head();
    if (here || change.outbox.includes(this.id)) this.#timeline.refresh();
  }

  focus() {
    this.#field.focus();
  }

  async #head() {
    const { id } = this;
    if (!id) return;
    const state = await this.#client.conversation(id);
    if (id !== this.id) return;
    const name = nameOf(id, state, this.#client.user);
    setText(this.#name, name);
    setText(this.#picture, initials(name));
    this.#picture.classList.toggle("group", id.startsWith("g:"));
    this.#picture.style.setProperty("--hue", String(hueOf(name)));
    this.#field.placeholder = `Message ${name.slice(0, 60)}`;
    this.#people(state?.kind === "group" ? plural(state.members, "member") : "");
  }

  /** Say who is typing, else what there is to say. @param {string} [otherwise] */
  #people(otherwise = this.#detail.dataset.otherwise ?? "") {
    this.#detail.dataset.otherwise = otherwise;
    const names = [...this.#typing.keys()];
    const direct = this.id?.startsWith("d:");
    let text = otherwise;
    if (names.length)
      text = direct ? "typing …" : names.length > 2 ? "several are typing …" : `${names.join(" and ")} typing …`;
    this.#detail.classList.toggle("typing", names.length > 0);
    setText(this.#detail, text);
  }

  /** @param {import("../client/src/protocol.js").Signalled} signal */
  #signal({ conversation, sender, signal }) {
    if (conversation !== this.id || signal !== "typing") return;
    clearTimeout(this.#typing.get(sender));
    this.#typing.set(
      sender,
      setTimeout(() => this.#quiet(sender), TYPING_FOR),
    );
    this.#people();
  }

  /** @param {string} sender */
  #quiet(sender) {
    clearTimeout(this.#typing.get(sender));
    if (this.#typing.delete(sender)) this.#people();
  }

  /** Who has spoken is not typing any more. @param {import("../client/src/protocol.js").Entry[]} entries */
  #spoke(entries) {
    if (!this.#typing.size) return;
    for (const { event } of entries) {
      if (event.type === "message" && event.message.conversation === this.id) this.#quiet(event.message.sender);
    }
  }

  #wrote() {
    this.#grow();
    if (!this.id || !this.#field.value || Date.now() - this.#told < TYPING_EVERY) return;
    this.#told = Date.now();
    this.#client.signal(this.id);
  }

  #grow() {
    this.#field.style.height = "auto";
    this.#field.style.height = `${Math.min(this.#field.scrollHeight + 2, 160)}px`;
    this.#send.disabled = !this.#field.value.trim();
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    const text = this.#field.value.trim();
    if (!text || !this.id) return;
    this.#field.value = "";
    this.#told = 0;
    this.#grow();
    this.#timeline.follow();
    await this.#client.submit(this.id, { type: "text", text });
  }
}
