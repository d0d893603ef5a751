/** The contract of a local store. */

/** @typedef {import("./replica.js").Operation} Operation */
/** @typedef {import("./draft.js").Conversation} Conversation */
/** @typedef {import("./draft.js").Pending} Pending */
/** @typedef {import("./draft.js").Change} Change */
/** @typedef {import("./draft.js").Position} Position */

/**
 * What a device keeps. Obligations: `commit` carries out all of its operations or none, seen whole by every reader,
 * also of other tabs; what it did survives the process where the store is made to. `submit` gives numbers that only
 * ever grow.
 * @typedef {object} Store
 * @property {boolean} shared Whether the tabs of an origin share it.
 * @property {() => Promise<Position>} open Open it, and say where the device is.
 * @property {(user: string, device: string) => Promise<void>} identify Say whose it is.
 * @property {(operations: readonly Operation[]) => Promise<Change>} commit
 * @property {(item: Omit<Pending, "order">) => Promise<number>} submit Put a message into the outbox; return its `order`.
 * @property {(conversation?: string) => Promise<Pending[]>} outbox The messages not confirmed, in order.
 * @property {() => Promise<[conversation: string, message_seq: number][]>} reads Read positions not told to the server.
 * @property {() => Promise<[conversation: string, rank: number][]>} order The ids of all conversations, highest rank first.
 * @property {(ids: readonly string[]) => Promise<(Conversation | null)[]>} conversations
 * @property {(conversation: string, first: number, last: number) => Promise<import("./protocol.js").Message[]>} messages
 *   What is held of a range of `message_seq` (inclusive), ascending.
 * @property {(conversation: string) => Promise<import("./ranges.js").Range[]>} ranges
 * @property {() => void} close
 * @property {() => Promise<void>} destroy Close it and delete everything.
 */

export {};
