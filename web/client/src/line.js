/** What the parts of a device share: the moment, what is to be done, requests in flight, chance. */

import { Flights } from "./flights.js";
import { delay } from "./policy.js";

/** @typedef {import("./outputs.js").Output} Output */

/** The connection as the parts of a device see it. Times in ms by the device's clock. */
export class Line {
  now = 0;
  /** The server's clock minus ours. */
  clock = 0;
  /** When we last sent something. */
  said = 0;
  /** When something last came. */
  heard = 0;
  /** @type {Output[]} */
  out = [];
  #random;

  /**
   * @param {import("./policy.js").Policy} policy
   * @param {() => number} random
   */
  constructor(policy, random) {
    this.policy = policy;
    this.flights = new Flights(policy.late);
    this.#random = random;
  }

  /**
   * Have something done, after what was put before.
   * @param {Output} output
   */
  put(output) {
    this.out.push(output);
  }

  /**
   * Send a request and return the id that it was given.
   * @param {import("./flights.js").Kind} kind
   * @param {import("./protocol.js").Outgoing} frame
   * @param {number | string | null} [about]
   */
  ask(kind, frame, about = null) {
    const request = this.flights.begin(kind, about, this.now);
    this.say({ ...frame, id: request });
    return request;
  }

  /**
   * Send a frame.
   * @param {import("./protocol.js").Outgoing} frame
   */
  say(frame) {
    this.said = this.now;
    this.put({ type: "transmit", frame });
  }

  /**
   * Return when to try again after so many failures in a row; `retryAfter` (s): not before.
   * @param {number} failures
   * @param {number | null} [retryAfter]
   */
  later(failures, retryAfter) {
    return this.now + Math.round((retryAfter ?? 0) * 1000) + delay(this.policy, failures, this.#random());
  }

  /** The time by the server's clock. */
  get serverNow() {
    return this.now + this.clock;
  }
}
