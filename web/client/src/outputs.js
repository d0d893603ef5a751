/**
 * What a device wants done, in order. All of it is data.
 *
 * Those of the local store that come one after the other may share one transaction, and may go before those of the
 * network: the server is told of a cursor only after it is stored.
 */

/** @typedef {import("./protocol.js").Entry} Entry */
/** @typedef {import("./protocol.js").ConversationState} ConversationState */

/**
 * `apply`: apply entries, and store `cursor` and `epoch`, in one local transaction.
 * `stage`: keep conversation states of a snapshot aside; `start`: drop what was kept aside before.
 * `replace`: put the staged states in the place of all, and store `cursor` and `epoch`, in one transaction;
 * `messages`: `discard` held messages and ranges, or `unverify` them (fetch again before showing).
 * `attempt`: store that a message is being sent for the first time, at `tried` (ms, the server's clock).
 * `confirmed`, `failed`, `unconfirmed`: a message leaves the outbox: it is stored by the server, refused for good, or
 * too old to be sent again by itself.
 * @typedef {{type: "apply", entries: Entry[], cursor: number, epoch: string}
 *   | {type: "stage", conversations: ConversationState[], start: boolean}
 *   | {type: "replace", cursor: number, epoch: string, reason: string, messages: "discard" | "unverify"}
 *   | {type: "attempt", client_id: string, tried: number}
 *   | {type: "confirmed", client_id: string, conversation: string, message_seq: number, seq: number, time: number,
 *      duplicate: boolean}
 *   | {type: "failed", client_id: string, code: string, message: string}
 *   | {type: "unconfirmed", client_id: string}} StoreOutput
 */

/**
 * `connect`: open a connection, answer with `connected` or `disconnected`; `fresh`: not with the last token.
 * `transmit`: send a frame; the tokens of `hello` and `renew` are put in by whoever holds them.
 * `close`: close the connection, or give up opening it; no input of it may come after this.
 * `renew`: get a later token; answer with `renewed`.
 * `answer`: what came back for a call: its response, or an `error`.
 * `signal`: a signal of another user, for the application.
 * `stopped`: the device does not reconnect by itself; `code` is a close code, an error's code, or 0: as told.
 * @typedef {StoreOutput
 *   | {type: "connect", fresh: boolean}
 *   | {type: "transmit", frame: import("./protocol.js").Outgoing}
 *   | {type: "close"}
 *   | {type: "renew"}
 *   | {type: "answer", key: string, frame: import("./protocol.js").ServerFrame}
 *   | {type: "signal", frame: import("./protocol.js").Signalled}
 *   | {type: "stopped", code: number | string, reason: string}} Output
 */

/** The outputs that a local store carries out. */
export const STORED = new Set(["apply", "stage", "replace", "attempt", "confirmed", "failed", "unconfirmed"]);
