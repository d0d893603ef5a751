/**
 * The long-poll transport, for networks without WebSocket (protocol, section 2).
 *
 * To the machine it is a connection like any other: `hello` becomes a pull, a pull that waits becomes pushes, and
 * every request is a POST. A pull states what is applied, so it goes out only once everything before is stored.
 */

import { readFrame } from "./inputs.js";
import { LIMITS, POSITION_ERRORS } from "./protocol.js";

/** @typedef {import("./protocol.js").Outgoing} Outgoing */

const WAIT = 25;
const STORED_CHECK = 50;

/**
 * @param {string | URL} url The server's address.
 * @param {typeof fetch} [request]
 * @returns {import("./transport.js").Transport}
 */
export function longPoll(url, request = globalThis.fetch.bind(globalThis)) {
  return (context, listener) => {
    const ending = new AbortController();
    const { signal } = ending;
    let token = "";
    let device = "";
    let last = Promise.resolve();
    let polling = false;

    /** @param {number} code @param {string} reason */
    const end = (code, reason) => {
      if (signal.aborted) return;
      ending.abort();
      listener.closed(code, reason);
    };
    /** @param {any} frame */
    const hear = (frame) => {
      if (!signal.aborted) listener.frames([readFrame(frame)]);
    };

    /** @param {string} type @param {object} fields */
    async function post(type, fields) {
      const response = await request(new URL(`/v1/${type}`, url), {
        method: "POST",
        headers: { Authorization: `Bearer ${token}`, "Tideline-Device": device, "Content-Type": "application/json" },
        body: JSON.stringify(fields),
        signal,
      });
      const frame = await response.json();
      if (frame?.type === "error" && frame.code === "unauthorized") throw new Unauthorized(frame.message);
      return frame;
    }

    /** @param {Outgoing} hello */
    async function greet(hello) {
      token = hello.token;
      device = hello.device;
      const { id, cursor, epoch, limit } = hello;
      const info = await (await request(new URL("/v1/info", url), { signal })).json();
      const limits = { ...LIMITS, ...info.limits };
      const { sub: user } = claims(token);
      const common = { type: "welcome", id, user, device, session: "", heartbeat: 30, time: Date.now(), limits };
      /** @param {string} reset */
      const resetting = (reset) => hear({ ...common, epoch: "", head: 0, entries: [], more: false, reset });
      if (cursor === null) {
        // Says nothing but who is asking: a refused token is to end here and not in the snapshot.
        await post("ping", {});
        resetting("new_device");
        return;
      }
      const page = await post("pull", { after: cursor, epoch, limit });
      if (page.type === "error") {
        if (POSITION_ERRORS.has(page.code)) resetting(page.code);
        else hear({ ...page, id });
        return;
      }
      hear({ ...common, epoch: page.epoch, head: page.head, entries: page.entries, more: page.more, reset: null });
      poll(page.epoch, limit);
    }

    /** @param {string} epoch @param {number} limit */
    async function poll(epoch, limit) {
      if (polling) return;
      polling = true;
      let delivered = 0;
      try {
        while (!signal.aborted) {
          const after = context.cursor();
          if (after === null || after < delivered) {
            await pause(STORED_CHECK, signal);
            continue;
          }
          const page = await post("pull", { after, epoch, limit, wait: WAIT });
          if (page.type === "error") {
            if (!page.retry) break; // The machine will pull by itself, and learn why.
            await pause((page.retry_after ?? 1) * 1000, signal);
            continue;
          }
          delivered = page.entries.at(-1)?.seq ?? delivered;
          if (page.entries.length) hear({ type: "push", entries: page.entries });
          if (page.more) hear({ type: "notify", head: page.head });
        }
      } catch (error) {
        fail(error);
      }
      polling = false;
    }

    /** @param {unknown} error */
    function fail(error) {
      if (error instanceof Unauthorized) end(4401, error.message);
      else end(1006, String(error));
    }

    /** @param {Outgoing} frame */
    async function carry(frame) {
      const { type, id, ...fields } = frame;
      if (type === "hello") return greet(frame);
      if (type === "renew") {
        token = frame.token;
        return hear({ type: "ok", id });
      }
      const answer = await post(type, fields);
      if (type !== "signal") hear({ ...answer, id });
      if (type === "pull" && answer.type === "page") poll(answer.epoch, fields.limit);
    }

    Promise.resolve().then(() => signal.aborted || listener.open());
    return {
      send(frames) {
        for (const frame of frames) {
          // One after the other, so that the messages of a conversation keep their order.
          if (frame.type === "send" || frame.type === "hello") last = last.then(() => carry(frame)).catch(fail);
          else last.then(() => carry(frame)).catch(fail);
        }
      },
      close: () => ending.abort(),
    };
  };
}

class Unauthorized extends Error {}

/**
 * Read what a token says; whether it is true is the server's business.
 * @param {string} token
 * @returns {{sub?: string, exp?: number, [claim: string]: unknown}}
 */
export function claims(token) {
  try {
    const text = atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (char) => char.charCodeAt(0))));
  } catch {
    return {};
  }
}

/**
 * @param {number} ms
 * @param {AbortSignal} signal
 */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve(undefined)), { once: true });
  });
}
