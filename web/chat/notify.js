/** Notifications of the browser, the title's count, and what a screen reader hears. */

import { h, icon, ICONS } from "../shared/dom.js";
import { announce } from "./app.js";
import { nameOf, textOf } from "./list.js";

/** @typedef {import("../client/src/client.js").TidelineClient} Client */

const VISIBLE = "tideline visible";

export class Notifier {
  button = h(
    "button",
    { type: "button", class: "icon-button", title: "Notify me", "aria-label": "Notify me of messages" },
    icon(ICONS.bell),
  );
  #client;
  #open;
  #current;
  /** Conversations with something new since this page was looked at. @type {Set<string>} */
  #fresh = new Set();

  /**
   * @param {Client} client
   * @param {(id: string) => void} open
   * @param {() => string | null} current The conversation that is shown.
   */
  constructor(client, open, current) {
    this.#client = client;
    this.#open = open;
    this.#current = current;
    this.button.hidden = !("Notification" in globalThis) || Notification.permission !== "default";
    this.button.addEventListener("click", async () => {
      await Notification.requestPermission();
      this.button.hidden = Notification.permission !== "default";
    });
    client.addEventListener("entries", (event) => this.#hear(/** @type {any} */ (event).detail));
    document.addEventListener("visibilitychange", () => this.#look());
    this.#look();
  }

  /** @param {string | null} id */
  seen(id) {
    if (id) this.#fresh.delete(id);
    this.#title();
  }

  #look() {
    if (document.visibilityState !== "visible") return;
    this.seen(this.#current());
    // Held for as long as this tab is looked at: so the tab that leads knows of it.
    navigator.locks?.request(
      VISIBLE,
      { mode: "shared" },
      () =>
        new Promise((resolve) => {
          document.addEventListener("visibilitychange", () => resolve(undefined), { once: true });
        }),
    );
  }

  /** @param {import("../client/src/protocol.js").Entry[]} entries */
  async #hear(entries) {
    /** @type {Map<string, import("../client/src/protocol.js").Message>} */
    const latest = new Map();
    for (const { event } of entries) {
      if (event.type === "message" && event.message.sender !== this.#client.user)
        latest.set(event.message.conversation, event.message);
    }
    const looking = document.visibilityState === "visible";
    for (const [id, message] of latest) {
      if (looking && id === this.#current()) announce(`${message.sender}: ${textOf(message)}`);
      else this.#fresh.add(id);
    }
    this.#title();
    if (
      !latest.size ||
      !this.#client.leading ||
      !("Notification" in globalThis) ||
      Notification.permission !== "granted"
    )
      return;
    if (Date.now() - Math.max(...[...latest.values()].map(({ time }) => time)) > 60_000) return; // Old news.
    const held = (await navigator.locks?.query())?.held ?? [];
    if (looking || held.some(({ name }) => name === VISIBLE)) return;
    for (const [id, message] of [...latest].slice(-3)) await this.#show(id, message);
  }

  /** @param {string} id @param {import("../client/src/protocol.js").Message} message */
  async #show(id, message) {
    const state = await this.#client.conversation(id);
    if (!state || state.muted || state.read >= message.message_seq) return;
    const title = nameOf(id, state, this.#client.user);
    const body = state.kind === "group" ? `${message.sender}: ${textOf(message)}` : textOf(message);
    const notification = new Notification(title, { body: body.slice(0, 200), tag: id });
    notification.onclick = () => {
      window.focus();
      this.#open(id);
      notification.close();
    };
  }

  #title() {
    document.title = this.#fresh.size ? `(${this.#fresh.size}) Tideline` : "Tideline";
  }
}
