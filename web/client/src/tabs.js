/**
 * The tabs of an origin are one device: one leads and holds the connection, the others follow it.
 *
 * Who leads is who holds a Web Lock, which the browser passes on when the tab that held it is closed or crashes. All
 * tabs read the shared store themselves; what they want done they ask of the leader over a BroadcastChannel. What was
 * asked of a leader that is gone is asked of the next one: every request may be repeated.
 */

import { RequestError } from "./protocol.js";
import { randomId } from "./random.js";

/** @typedef {{resolve: (value: any) => void, reject: (error: Error) => void, message: any}} Asked */

/** Whether this environment can let tabs share a device. */
export const canShare = () => typeof BroadcastChannel === "function" && !!globalThis.navigator?.locks;

/** A tab among the tabs of a device. */
export class Tabs {
  leading = false;
  #name;
  #channel;
  #lead;
  #serve;
  #hear;
  #ending = new AbortController();
  /** @type {Map<string, Asked>} */
  #asked = new Map();
  #count = 0;
  #tab = randomId();

  /**
   * @param {string} name The same for all tabs of a device.
   * @param {object} roles
   * @param {() => Promise<void>} roles.lead Begin to lead.
   * @param {(method: string, args: any[]) => Promise<any>} roles.serve Do what a follower asks, as its leader.
   * @param {(event: any) => void} roles.hear Take an event of the leader.
   */
  constructor(name, { lead, serve, hear }) {
    this.#name = name;
    this.#lead = lead;
    this.#serve = serve;
    this.#hear = hear;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#receive(data);
  }

  /** Lead as soon as nobody else does. */
  start() {
    const { signal } = this.#ending;
    const held = async () => {
      this.leading = true;
      await this.#lead();
      this.#channel.postMessage({ kind: "leading" });
      for (const [id, { resolve, reject, message }] of [...this.#asked]) {
        this.#asked.delete(id);
        this.#serve(message.method, message.args).then(resolve, reject);
      }
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    };
    navigator.locks.request(this.#name, { signal }, held).catch(() => {});
  }

  /**
   * Have the leader do something.
   * @param {string} method
   * @param {any[]} args
   * @returns {Promise<any>}
   */
  ask(method, args) {
    if (this.leading) return this.#serve(method, args);
    const id = `${this.#tab} ${++this.#count}`;
    return new Promise((resolve, reject) => {
      const message = { kind: "ask", id, method, args };
      this.#asked.set(id, { resolve, reject, message });
      this.#channel.postMessage(message);
    });
  }

  /**
   * Tell the followers what happened.
   * @param {any} event
   */
  tell(event) {
    this.#channel.postMessage({ kind: "event", event });
  }

  close() {
    this.#ending.abort();
    this.#channel.close();
    for (const { reject } of this.#asked.values()) reject(new DOMException("the client is closed", "AbortError"));
    this.#asked.clear();
  }

  /** @param {any} data */
  #receive(data) {
    if (data.kind === "event") {
      if (!this.leading) this.#hear(data.event);
    } else if (data.kind === "ask") {
      if (this.leading) this.#answer(data);
    } else if (data.kind === "answer") {
      const asked = this.#asked.get(data.id);
      this.#asked.delete(data.id);
      if (data.error) asked?.reject(new RequestError(data.error));
      else asked?.resolve(data.value);
    } else if (data.kind === "leading") {
      for (const { message } of this.#asked.values()) this.#channel.postMessage(message);
      this.#hear({ type: "leader", detail: null });
    }
  }

  /** @param {{id: string, method: string, args: any[]}} asked */
  async #answer({ id, method, args }) {
    let answer;
    try {
      answer = { kind: "answer", id, value: await this.#serve(method, args) };
    } catch (error) {
      const { code = "internal", message, retry = false, retryAfter = null } = /** @type {any} */ (error);
      const bare = String(message).replace(`${code}: `, "");
      answer = { kind: "answer", id, error: { code, message: bare, retry, retry_after: retryAfter } };
    }
    if (!this.#ending.signal.aborted) this.#channel.postMessage(answer);
  }
}
