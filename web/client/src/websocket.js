/** The WebSocket transport (protocol, section 2). When to connect again is the machine's business. */

import { readFrames } from "./inputs.js";
import { pack } from "./transport.js";

/**
 * @param {string | URL} url The server's address, `https://…`.
 * @param {typeof WebSocket} [Socket] Another implementation, where there is none (Node before 22).
 * @returns {import("./transport.js").Transport}
 */
export function webSocket(url, Socket = globalThis.WebSocket) {
  const address = new URL("/v1/ws", url);
  address.protocol = address.protocol.replace("http", "ws");
  return (context, listener) => {
    const socket = new Socket(address.href, "tideline.v1");
    let over = false;
    /** @param {number} code @param {string} reason */
    const end = (code, reason) => {
      if (!over) listener.closed(code, reason);
      over = true;
    };
    socket.onopen = () => over || listener.open();
    socket.onclose = (event) => end(event.code || 1006, event.reason);
    socket.onmessage = (event) => {
      if (over) return;
      let frames;
      try {
        frames = readFrames(event.data);
      } catch {
        socket.close();
        end(1006, "what came is not JSON");
        return;
      }
      listener.frames(frames);
    };
    return {
      send(frames) {
        if (over || socket.readyState !== Socket.OPEN) return;
        for (const message of pack(frames, context.limit())) socket.send(message);
      },
      close() {
        over = true;
        socket.close();
      },
    };
  };
}
