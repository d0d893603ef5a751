/**
 * This tab's part in the device: it leads, and runs the device, or follows the tab that does.
 *
 * Law: what changes the device or speaks to the server is asked of the leader; a store is read by every tab itself.
 */

import { longPoll } from "./longpoll.js";
import { Runner } from "./runner.js";
import { canShare, Tabs } from "./tabs.js";
import { fallback } from "./transport.js";
import { webSocket } from "./websocket.js";

/** @typedef {import("./events.js").ClientEvent} ClientEvent */

/**
 * @typedef {object} SeatOptions
 * @property {string | URL} url The server's address, `https://chat.example`.
 * @property {string | ((why: {fresh: boolean}) => string | Promise<string>)} token A token, or what gets one (`fresh`:
 *   the last one was refused or expires).
 * @property {import("./transport.js").Transport} [transport] WebSocket, and long polls where it can't be opened.
 * @property {boolean} [tabs] Whether the tabs of this origin are one device (default, where the store is shared).
 * @property {"content" | "hint"} [delivery]
 * @property {Partial<import("./policy.js").Policy>} [policy]
 */

/** Milliseconds that a request may take, if its caller says nothing else. */
export const TIMEOUT = 30_000;

/** Made once for a client; `take` begins. */
export class Seat {
  #options;
  #store;
  #token;
  #hear;
  /** @type {Runner | null} */
  #runner = null;
  /** @type {Tabs | null} */
  #tabs = null;
  /** What the leader said last. @type {import("./events.js").Status} */
  #status = { state: "connecting", online: false, cursor: null, head: 0 };
  #ending = new AbortController();

  /**
   * @param {object} about
   * @param {SeatOptions} about.options
   * @param {import("./store.js").Store} about.store Open.
   * @param {(why: {fresh: boolean}) => Promise<string>} about.token
   * @param {(event: ClientEvent) => void} about.hear Take what happened, in this tab or at the leader.
   */
  constructor({ options, store, token, hear }) {
    this.#options = options;
    this.#store = store;
    this.#token = token;
    this.#hear = hear;
  }

  /**
   * Lead, or follow where another tab leads already.
   * @param {string} user
   * @param {string} device
   */
  async take(user, device) {
    if (this.#store.shared && this.#options.tabs !== false && canShare()) {
      this.#tabs = new Tabs(`tideline ${this.#options.url} ${user}`, {
        lead: () => this.#lead(device),
        serve: (method, args) => this.#serve(method, args),
        hear: (event) => this.#note(event),
      });
      this.#tabs.start();
      this.#note({ type: "leader", detail: null });
    } else {
      await this.#lead(device);
    }
    this.#watch();
  }

  get status() {
    return this.#runner?.status ?? this.#status;
  }

  get leading() {
    return this.#runner !== null;
  }

  close() {
    this.#ending.abort();
    this.#runner?.close();
    this.#tabs?.close();
  }

  /**
   * Have the leader do something: see `#serve`.
   * @param {string} method
   * @param {...any} args
   * @returns {Promise<any>}
   */
  ask(method, ...args) {
    return this.#tabs ? this.#tabs.ask(method, args) : this.#serve(method, args);
  }

  /**
   * Tell this tab what happened, and as the leader (or `everywhere`) the other tabs.
   * @param {ClientEvent} event
   */
  tell(event, everywhere = false) {
    if ((this.leading && event.type !== "staged") || everywhere) this.#tabs?.tell(event);
    this.#note(event);
  }

  /** @param {ClientEvent} event */
  #note(event) {
    if (event.type === "status") this.#status = event.detail;
    else if (event.type === "leader" && !this.leading) {
      this.ask("status").then(
        (status) => this.#note({ type: "status", detail: status }),
        () => {},
      );
    }
    this.#hear(event);
  }

  /** @param {string} device */
  async #lead(device) {
    const { token, delivery, policy, transport, url } = this.#options;
    const runner = new Runner({
      store: this.#store,
      transport: transport ?? (globalThis.WebSocket ? fallback(webSocket(url), longPoll(url)) : longPoll(url)),
      token: this.#token,
      renewable: typeof token === "function",
      device,
      delivery,
      policy,
      emit: (event) => this.tell(event),
    });
    this.#runner = runner;
    await runner.start();
  }

  /**
   * Do something as the leader, for this tab or another.
   * @param {string} method
   * @param {any[]} args
   * @returns {Promise<any>}
   */
  async #serve(method, args) {
    const runner = /** @type {Runner} */ (this.#runner);
    if (method === "status") return runner.status;
    if (method === "submitted") return runner.submitted();
    if (method === "tell") return runner.tell(args[0]);
    if (method === "commit") return runner.store(args[0]);
    if (method === "read") {
      const [conversation, message_seq] = args;
      await runner.store([{ type: "reading", conversation, message_seq }]);
      runner
        .call({ type: "read", conversation, message_seq }, TIMEOUT)
        .then(() => runner.store([{ type: "reading_done", conversation, message_seq }]))
        .catch(() => {}); // It stays to be told at the next connection.
      return undefined;
    }
    const [request, timeout] = args;
    const frame = await runner.call(request, timeout);
    if (frame.type === "messages") await runner.store([{ type: "history", request, frame }]);
    else if (frame.type === "conversation") await runner.store([{ type: "state", state: frame.state }]);
    return frame;
  }

  /** Reconnect at once when the browser says that it may work now. */
  #watch() {
    const { signal } = this.#ending;
    globalThis.addEventListener?.("online", () => this.#runner?.nudge(), { signal });
    globalThis.addEventListener?.("offline", () => this.#runner?.drop(), { signal });
    globalThis.document?.addEventListener(
      "visibilitychange",
      () => document.visibilityState === "visible" && this.#runner?.nudge(),
      { signal },
    );
  }
}
