/** The frame of the chat: list and conversation side by side, the connection's state, what the address names. */

import { conversationOf } from "../client/src/index.js";
import { $, h, icon, ICONS, setText } from "../shared/dom.js";
import { plural } from "../shared/format.js";
import { newGroup } from "./dialogs.js";
import { ConversationList } from "./list.js";
import { Notifier } from "./notify.js";
import { avatar, wave } from "./sign-in.js";
import { ConversationView } from "./view.js";

/** @typedef {import("../client/src/client.js").TidelineClient} Client */

/** A connection that is away for less than this is not worth a word: no flicker (ms). */
const PATIENCE = 1500;

const STOPPED = /** @type {Record<string, [text: string, action: string]>} */ ({
  4401: ["You have been signed out: your token is no longer accepted.", "Sign in again"],
  4403: ["This device was removed from your account.", "Sign in again"],
  4409: ["Tideline was opened as this device elsewhere.", "Use it here"],
});

export class App {
  #root;
  #client;
  #signOut;
  #list;
  #view;
  #notifier;
  #banner = h("div", { class: "banner", role: "status", hidden: true });
  #me = h("strong", { class: "me", dir: "auto" });
  #dot = h("span", { class: "dot" });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #opened = performance.now();

  /**
   * @param {HTMLElement} root
   * @param {Client} client
   * @param {{signOut: () => void}} actions
   */
  constructor(root, client, { signOut }) {
    this.#root = root;
    this.#client = client;
    this.#signOut = signOut;
    this.#list = new ConversationList(client, (id) => this.show(id));
    this.#view = new ConversationView(client, { close: () => this.show(null) });
    this.#notifier = new Notifier(
      client,
      (id) => this.show(id),
      () => this.#view.id,
    );
    client.addEventListener("status", () => this.#status());
    client.addEventListener("stopped", (event) => this.#stopped(/** @type {any} */ (event).detail));
    client.addEventListener("error", (event) =>
      this.#say(`This browser can't store messages: ${/** @type {any} */ (event).detail}`),
    );
    client.addEventListener("staged", (event) => this.#list.preview(/** @type {any} */ (event).detail));
    client.addEventListener("change", (event) => {
      this.#list.changed(/** @type {any} */ (event).detail);
      this.#view.changed(/** @type {any} */ (event).detail);
      if (/** @type {any} */ (event).detail.outbox.length) this.#status();
    });
    addEventListener("hashchange", () => this.#route());
    addEventListener("keydown", (event) => this.#key(event));
  }

  /** Show what is stored; the rest comes. */
  async open() {
    const { user } = this.#client;
    setText(this.#me, user);
    this.#root.replaceChildren(
      h(
        "a",
        {
          class: "skip",
          href: "#write",
          onclick: (/** @type {Event} */ e) => (e.preventDefault(), this.#view.focus()),
        },
        "To the conversation",
      ),
      h(
        "div",
        { class: "app" },
        h(
          "nav",
          { class: "side", "aria-label": "Conversations" },
          h(
            "header",
            { class: "side-head" },
            h("span", { class: "mine" }, avatar(user), this.#dot),
            this.#me,
            this.#notifier.button,
            iconButton("New group", ICONS.plus, () => newGroup(this.#client, (id) => this.show(id))),
            iconButton("Sign out", ICONS.out, this.#signOut),
          ),
          this.#list.element,
        ),
        h("main", { class: "main" }, this.#banner, this.#view.element, empty()),
      ),
    );
    await this.#list.load();
    this.#route();
    this.#status();
    requestAnimationFrame(() => performance.measure("tideline:open", { start: 0 }));
  }

  /** @param {string | null} id A conversation, or null for none. */
  show(id) {
    const hash = id ? `#${encodeURIComponent(id)}` : "";
    if (location.hash === hash) this.#route();
    else if (id) location.hash = hash;
    else {
      history.pushState(null, "", location.pathname);
      this.#route();
    }
  }

  /** @param {string} message */
  fail(message) {
    this.#root.replaceChildren(
      h(
        "main",
        { class: "sign-in" },
        h("header", null, wave(), h("h1", null, "Tideline")),
        h("p", { class: "problem", role: "alert" }, message),
        h("button", { class: "button", onclick: this.#signOut }, "Sign in again"),
      ),
    );
  }

  #route() {
    let id = null;
    try {
      const named = decodeURIComponent(location.hash.slice(1));
      if (named) id = conversationOf(this.#client.user, named);
    } catch {
      // An address that is none shows no conversation.
    }
    this.#root.classList.toggle("in-conversation", id !== null);
    this.#list.select(id);
    if (id !== this.#view.id) this.#view.open(id);
    this.#notifier.seen(id);
  }

  #status() {
    const { online, state } = this.#client.status;
    this.#dot.className = online ? "dot on" : "dot";
    this.#root.dataset.state = state;
    clearTimeout(this.#timer);
    if (online) {
      if (state === "snapshot" && this.#list.size === 0) this.#say("Fetching your conversations …");
      else this.#banner.hidden = true;
      return;
    }
    if (state === "stopped") return;
    // While a page is being opened there is nothing unusual about not being connected yet.
    const patience = performance.now() - this.#opened < 3 * PATIENCE ? 3 * PATIENCE : PATIENCE;
    if (this.#banner.hidden) this.#timer = setTimeout(() => this.#offline(), navigator.onLine ? patience : 0);
    else this.#offline();
  }

  async #offline() {
    if (this.#client.status.online || this.#client.status.state === "stopped") return;
    const waiting = (await this.#client.pending()).filter(({ status }) => status === "pending").length;
    const what = navigator.onLine ? "Connecting …" : "You are offline.";
    this.#say(waiting ? `${what} ${plural(waiting, "message")} will be sent when you are back.` : what);
  }

  /** @param {{code: number | string, reason: string}} stopped */
  #stopped({ code, reason }) {
    if (code === 0) return;
    clearTimeout(this.#timer);
    const [text, action] = STOPPED[code] ?? [`Not connected: ${reason || code}`, "Try again"];
    const again = code === 4401 || code === 4403 ? this.#signOut : () => location.reload();
    this.#say(text, h("button", { class: "link", onclick: again }, action));
  }

  /** @param {string} text @param {HTMLElement} [action] */
  #say(text, action) {
    this.#banner.replaceChildren(text, ...(action ? [" ", action] : []));
    this.#banner.hidden = false;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (document.querySelector("dialog[open]")) return;
    const control = event.ctrlKey || event.metaKey;
    if (control && event.key.toLowerCase() === "k") this.#list.search();
    else if (event.altKey && event.key === "ArrowDown") this.#list.step(1);
    else if (event.altKey && event.key === "ArrowUp") this.#list.step(-1);
    else if (event.key === "Escape" && this.#view.id) this.show(null);
    else return;
    event.preventDefault();
  }
}

/** @param {string} label @param {string} path @param {() => void} onclick */
export function iconButton(label, path, onclick) {
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick }, icon(path));
}

function empty() {
  return h(
    "div",
    { class: "empty" },
    wave(),
    h("p", null, "Pick a conversation, or type a name to begin one."),
    h(
      "p",
      { class: "keys" },
      h("kbd", null, "Ctrl"),
      " ",
      h("kbd", null, "K"),
      " search  ",
      h("kbd", null, "Alt"),
      " ",
      h("kbd", null, "↑ ↓"),
      " next",
    ),
  );
}

/**
 * Say something to a screen reader.
 * @param {string} text
 */
export function announce(text) {
  const region = $("#announce");
  region.append(h("p", null, text));
  while (region.childElementCount > 5) region.firstElementChild?.remove();
}
