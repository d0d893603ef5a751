/** What the inspector knows: a user's timeline, where each device is in it, and messages on their way. */

/** @typedef {import("./source.js").Line} Line */

/**
 * A device in a timeline. `position`: up to where it was sent everything (null: not connected, or it takes a
 * snapshot); `cursor`: the last one it stated; `act`: what last happened to it.
 * @typedef {{name: string, state: "live" | "behind" | "unpositioned" | null, hint: boolean, position: number | null,
 *   cursor: number | null, act: string, at: number}} Device
 */

/** How an entry reached a device, when (ms). @typedef {{how: "push" | "pull", time: number, hinted?: number}} Arrival */

/**
 * A message that was seen being committed. `at`: its `seq` by user; `arrivals`: by user and device.
 * @typedef {{key: string, time: number, seconds: number, event: any, at: Record<string, number>,
 *   arrivals: Map<string, Arrival>, hints: Map<string, number>}} Trace
 */

const KEPT = 400;
const TRACES = 60;

/** @param {string} user @param {string} device */
export const deviceKey = (user, device) => `${user} ${device}`;

export class Model {
  user = "";
  head = 0;
  /** @type {Map<number, any>} */
  entries = new Map();
  /** The devices of the user that is looked at. @type {Map<string, Device>} */
  devices = new Map();
  /** Which devices other users are known to have. @type {Map<string, Set<string>>} */
  others = new Map();
  /** @type {Map<string, Trace>} */
  traces = new Map();
  /** @type {Record<string, number>} */
  online = {};
  /** @type {Line[]} */
  rates = [];
  epoch = "";
  app = "";

  /** @param {string} user */
  look(user) {
    this.user = user;
    this.head = 0;
    this.entries.clear();
    this.devices.clear();
  }

  /** @param {import("../client/src/protocol.js").DeviceInfo[]} devices */
  know(devices) {
    for (const { device, cursor } of devices) {
      if (this.devices.has(device)) continue;
      this.devices.set(device, {
        name: device,
        state: null,
        hint: false,
        position: null,
        cursor,
        act: "offline",
        at: 0,
      });
    }
  }

  /** @param {{seq: number, event: any}[]} entries @param {number} head */
  read(entries, head) {
    for (const { seq, event } of entries) if (!this.entries.has(seq)) this.entries.set(seq, event);
    this.#grow(head);
  }

  /** @param {Line} line */
  take(line) {
    if (line.type === "commit") this.#commit(line);
    else if (line.type === "device") this.#device(line);
    else if (line.type === "online") this.online = line.users;
    else if (line.type === "hello") Object.assign(this, { epoch: line.epoch, app: line.app });
    else if (line.type === "rates") {
      this.rates.push(line);
      if (this.rates.length > 160) this.rates.shift();
    }
  }

  /** @param {Line} line */
  #commit({ time, seconds, posts }) {
    for (const { event, at } of posts) {
      const seq = at[this.user];
      if (seq) {
        this.entries.set(seq, event);
        this.#grow(seq);
      }
      if (event?.type !== "message") continue;
      const key = `${event.message.conversation} ${event.message.message_seq}`;
      this.traces.set(key, { key, time, seconds, event, at, arrivals: new Map(), hints: new Map() });
    }
    for (const key of this.traces.keys()) {
      if (this.traces.size <= TRACES) break;
      this.traces.delete(key);
    }
  }

  /** @param {Line} line */
  #device({ time, user, device, why, state, hint, position, cursor }) {
    let known = this.others.get(user);
    if (!known) this.others.set(user, (known = new Set()));
    known.add(device);
    this.#arrive(user, device, { time, why, state, position });
    if (user !== this.user) return;
    const held = this.devices.get(device);
    const next = { ...(held ?? { name: device, cursor: null, position: null }), state, hint, at: time, act: "" };
    if (cursor !== null) next.cursor = cursor;
    // A cursor that was stated is never ahead of what was sent; offline, the device may be a little further.
    next.position = state === "unpositioned" ? null : (position ?? held?.position ?? null);
    next.act = acted(why, held, next);
    this.devices.set(device, next);
  }

  /**
   * @param {string} user
   * @param {string} device
   * @param {{time: number, why: string, state: string | null, position: number | null}} moved
   */
  #arrive(user, device, { time, why, state, position }) {
    const key = deviceKey(user, device);
    for (const trace of this.traces.values()) {
      const seq = trace.at[user];
      if (!seq || trace.arrivals.has(key) || state === null) continue;
      if (position !== null && state !== "unpositioned" && position >= seq) {
        // A first sight of a device that has it already says nothing of when it came.
        const how = why === "commit" ? "push" : "pull";
        trace.arrivals.set(key, { how, time, hinted: trace.hints.get(key) });
      } else if (why === "commit" && !trace.hints.has(key)) {
        trace.hints.set(key, time);
      }
    }
  }

  /** @param {number} head */
  #grow(head) {
    this.head = Math.max(this.head, head);
    for (const seq of this.entries.keys()) if (seq <= this.head - KEPT) this.entries.delete(seq);
  }
}

/**
 * Say what happened to a device, in a word or two.
 * @param {string} why
 * @param {Device | undefined} before
 * @param {Omit<Device, "act">} after
 */
function acted(why, before, after) {
  const from = before?.position ?? null;
  const to = after.position;
  const moved = from !== null && to !== null && to > from;
  const span = moved ? (to === from + 1 ? `#${to}` : `#${from + 1}–${to}`) : "";
  if (why === "offline") return "went offline";
  if (why === "online") return "connected";
  if (after.state === "unpositioned") return "takes a snapshot";
  if (why === "stated") return `says it is at #${after.cursor}`;
  if (why === "page" || why === "polled") return moved ? `pulled ${span}` : "pulled, nothing new";
  if (moved) return `was pushed ${span}`;
  return after.state === "behind" ? (after.hint ? "was sent a hint" : "was told to pull") : (before?.act ?? "");
}
