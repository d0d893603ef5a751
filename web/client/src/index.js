/** Tideline's client for browsers and Node. */

export { conversationOf, TidelineClient } from "./client.js";
export { Device } from "./core.js";
export { IndexedDBStore } from "./indexeddb.js";
export { longPoll } from "./longpoll.js";
export { MemoryStore } from "./memory.js";
export { POLICY } from "./policy.js";
export { RequestError } from "./protocol.js";
export { fallback } from "./transport.js";
export { webSocket } from "./websocket.js";
