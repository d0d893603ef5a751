/**
 * What a device keeps, and how entries change it: the same for every store (protocol, sections 4, 6 and 7).
 *
 * Laws:
 *
 * 1. Applying an event twice changes nothing; an older form of a message never takes the place of a newer one.
 * 2. A snapshot and the entries after it give what all entries from the first would have given.
 *
 * A store loads what a batch of operations `needs`, lets `carryOut` change that draft, and writes what changed, all in
 * one transaction.
 */

import { asConversation, placeOf } from "./draft.js";

/** @typedef {import("./protocol.js").Message} Message */
/** @typedef {import("./protocol.js").Event} Event */
/** @typedef {import("./draft.js").Conversation} Conversation */
/** @typedef {import("./draft.js").Draft} Draft */

/**
 * What a store carries out in one transaction: outputs of the machine, and what the application's own requests bring.
 * `history`: messages came for a request. `reading`: the user has read up to there (kept until the server knows).
 * `reading_done`: it knows. `discard`: drop a message that is not sent.
 * @typedef {import("./outputs.js").StoreOutput
 *   | {type: "history", request: {before?: number | null, after?: number | null},
 *      frame: import("./protocol.js").Messages}
 *   | {type: "reading", conversation: string, message_seq: number}
 *   | {type: "reading_done", conversation: string, message_seq: number}
 *   | {type: "state", state: import("./protocol.js").ConversationState}
 *   | {type: "discard", client_id: string}} Operation
 */

/**
 * Tell whether an event is one that can be applied. Rule 9: one that isn't, of a known type or an unknown one, must not
 * stand in the way of all that follow.
 * @param {any} event
 */
function isSound(event) {
  const about = { message: event.message, conversation: event.state }[/** @type {string} */ (event.type)] ?? event;
  const { conversation, message_seq, head, added, removed, message } = about;
  if (typeof conversation !== "string" || !conversation) return event.type === "custom";
  if (event.type === "conversation") return Number.isSafeInteger(head);
  if (event.type === "member") return Array.isArray(added) && Array.isArray(removed);
  if (event.type === "edited" && message?.message_seq !== message_seq) return false;
  return Number.isSafeInteger(message_seq);
}

/**
 * Say what a batch has to have loaded into its draft.
 * @param {readonly Operation[]} operations
 */
export function needs(operations) {
  /** @type {Set<string>} */
  const conversations = new Set();
  /** @type {Map<string, [string, number]>} */
  const messages = new Map();
  /** @type {Set<string>} */
  const outbox = new Set();
  /** @param {string} id @param {number} seq */
  const message = (id, seq) => messages.set(placeOf(id, seq), [id, seq]);
  for (const operation of operations) {
    if (operation.type === "apply") {
      for (const { event } of operation.entries) {
        if (!isSound(event)) continue;
        if (event.type === "message") {
          conversations.add(event.message.conversation);
          if (event.message.client_id) outbox.add(event.message.client_id);
        } else if (event.type === "conversation") {
          conversations.add(event.state.conversation);
        } else if ("conversation" in event) {
          conversations.add(event.conversation);
          if (event.type !== "read" && "message_seq" in event) message(event.conversation, event.message_seq);
        }
      }
    } else if (operation.type === "history") {
      conversations.add(operation.frame.conversation);
      for (const { conversation, message_seq } of operation.frame.messages) message(conversation, message_seq);
    } else if (operation.type === "state") {
      conversations.add(operation.state.conversation);
    } else if ("conversation" in operation) {
      conversations.add(operation.conversation);
    }
    if ("client_id" in operation) outbox.add(operation.client_id);
  }
  return { conversations, messages, outbox };
}

/**
 * Change a draft as the operations say, in order. `stage` and `replace` are the store's own.
 * @param {Draft} draft
 * @param {readonly Operation[]} operations
 * @param {number} now The device's clock (ms): where a conversation without messages goes in the list.
 */
export function carryOut(draft, operations, now) {
  for (const operation of operations) {
    switch (operation.type) {
      case "apply":
        for (const { event } of operation.entries) if (isSound(event)) applyEvent(draft, event, now);
        draft.position = { cursor: operation.cursor, epoch: operation.epoch };
        break;
      case "history":
        applyHistory(draft, operation.request, operation.frame);
        break;
      case "state":
        applyState(draft, operation.state, now);
        break;
      case "reading":
        draft.reads.set(operation.conversation, operation.message_seq);
        applyRead(draft, operation.conversation, draft.user ?? "", operation.message_seq);
        break;
      case "reading_done":
        if ((draft.reads.get(operation.conversation) ?? 0) <= operation.message_seq) {
          draft.reads.set(operation.conversation, null);
        }
        break;
      case "discard":
        draft.putPending(operation.client_id, null);
        break;
      case "confirmed":
        applyConfirmed(draft, operation);
        break;
      case "attempt":
      case "failed":
      case "unconfirmed": {
        const item = draft.outbox.get(operation.client_id);
        if (!item) break;
        if (operation.type === "attempt") draft.putPending(item.client_id, { ...item, tried: operation.tried });
        else if (operation.type === "unconfirmed") draft.putPending(item.client_id, { ...item, status: "unconfirmed" });
        else draft.putPending(item.client_id, { ...item, status: "failed", error: operation.message });
      }
    }
  }
}

/** @param {Draft} draft @param {Event} event @param {number} now */
function applyEvent(draft, event, now) {
  switch (event.type) {
    case "message":
      applyMessage(draft, event.message);
      break;
    case "edited":
      // Kept even where the message is not held yet: a page of history that is on its way may be older.
      replaceMessage(draft, event.message);
      break;
    case "recalled": {
      const { conversation, message_seq } = event;
      const held =
        draft.messages.get(placeOf(conversation, message_seq)) ?? lastMessage(draft, conversation, message_seq);
      const { sender = "", client_id = "", time = 0 } = held ?? {};
      replaceMessage(draft, { conversation, message_seq, sender, client_id, time, body: {}, recalled: true });
      break;
    }
    case "reaction": {
      const held =
        draft.messages.get(placeOf(event.conversation, event.message_seq)) ??
        lastMessage(draft, event.conversation, event.message_seq);
      if (held) replaceMessage(draft, withReaction(held, event));
      break;
    }
    case "read":
      applyRead(draft, event.conversation, event.user, event.message_seq);
      break;
    case "conversation":
      applyState(draft, event.state, now);
      break;
    case "member": {
      const held = draft.conversations.get(event.conversation);
      if (event.removed.includes(draft.user ?? "")) {
        draft.conversations.set(event.conversation, null);
        draft.ranges.set(event.conversation, []);
        for (const set of [draft.changed.conversations, draft.changed.ranges, draft.changed.gone])
          set.add(event.conversation);
      } else if (held) {
        draft.putConversation({ ...held, members: event.members });
      }
    }
  }
}

/** @param {Draft} draft @param {Message} message */
function applyMessage(draft, message) {
  const { conversation: id, message_seq, sender } = message;
  const held = draft.conversations.get(id) ?? implied(id, draft.user ?? "");
  const next = { ...held };
  if (message_seq >= held.head) {
    next.head = message_seq;
    next.last_message = message;
  }
  if (sender === draft.user) next.read = Math.max(next.read, message_seq);
  else if (next.kind === "direct") next.peer_read = Math.max(next.peer_read, message_seq);
  draft.putConversation(next);
  draft.putMessage(message);
  draft.hold(id, message_seq, message_seq);
  if (sender === draft.user && draft.outbox.get(message.client_id)) draft.putPending(message.client_id, null);
}

/**
 * A message of one's own has its place, even if its entry is still to come: so it never leaves the screen in between.
 * @param {Draft} draft
 * @param {{client_id: string, conversation: string, message_seq: number, time: number}} confirmed
 */
function applyConfirmed(draft, { client_id, conversation, message_seq, time }) {
  const item = draft.outbox.get(client_id);
  if (item && !draft.holds(conversation, message_seq)) {
    const { body, reply_to, mentions } = item;
    /** @type {Message} */
    const message = { conversation, message_seq, sender: draft.user ?? "", client_id, time, body };
    if (reply_to != null) message.reply_to = reply_to;
    if (mentions?.length) message.mentions = mentions;
    applyMessage(draft, message);
  }
  draft.putPending(client_id, null);
}

/** @param {Draft} draft @param {Message} message */
function replaceMessage(draft, message) {
  draft.putMessage(message);
  if (lastMessage(draft, message.conversation, message.message_seq)) {
    const held = /** @type {Conversation} */ (draft.conversations.get(message.conversation));
    draft.putConversation({ ...held, last_message: message });
  } else {
    const held = draft.conversations.get(message.conversation);
    if (held) draft.changed.conversations.add(message.conversation);
  }
}

/** @param {Draft} draft @param {string} id @param {number} seq */
function lastMessage(draft, id, seq) {
  const last = draft.conversations.get(id)?.last_message;
  return last?.message_seq === seq ? last : undefined;
}

/** @param {Message} message @param {{by: string, reaction: string, on: boolean}} event @returns {Message} */
function withReaction(message, { by, reaction, on }) {
  const reactions = { ...message.reactions };
  const others = (reactions[reaction] ?? []).filter((user) => user !== by);
  if (on) others.push(by);
  if (others.length) reactions[reaction] = others;
  else delete reactions[reaction];
  return { ...message, reactions };
}

/** @param {Draft} draft @param {string} id @param {string} user @param {number} seq */
function applyRead(draft, id, user, seq) {
  const held = draft.conversations.get(id);
  if (!held) return;
  if (user === draft.user) draft.putConversation({ ...held, read: Math.max(held.read, seq) });
  else draft.putConversation({ ...held, peer_read: Math.max(held.peer_read, seq) });
}

/** @param {Draft} draft @param {import("./protocol.js").ConversationState} state @param {number} now */
function applyState(draft, state, now) {
  const held = draft.conversations.get(state.conversation);
  const next = asConversation(state, held?.rank ?? now);
  if (held) {
    next.peer_read = held.peer_read;
    if (held.joined === state.joined) next.read = Math.max(held.read, state.read);
    if (held.head > state.head) {
      next.head = held.head;
      next.last_message = held.last_message;
    }
  }
  draft.putConversation(next);
}

/** @param {Draft} draft @param {{before?: number | null, after?: number | null}} request @param {import("./protocol.js").Messages} frame */
function applyHistory(draft, { before, after }, { conversation, messages, head, first, more }) {
  for (const message of messages) {
    const held = draft.messages.get(placeOf(conversation, message.message_seq));
    if (held?.recalled || (held?.edited ?? 0) > (message.edited ?? 0)) continue;
    draft.putMessage(message);
  }
  const low = messages[0]?.message_seq ?? first;
  const high = messages.at(-1)?.message_seq ?? head;
  if (after != null) draft.hold(conversation, Math.max(after + 1, first), more ? high : Math.max(high, head));
  else draft.hold(conversation, more ? low : first, before != null ? before - 1 : Math.max(high, head));
  const held = draft.conversations.get(conversation);
  if (held) draft.putConversation({ ...held, first });
}

/** @param {string} id @param {string} user @returns {Conversation} */
function implied(id, user) {
  const users = id.startsWith("d:") ? id.slice(2).split("~") : [];
  const peer = users.find((name) => name !== user) ?? user;
  return {
    conversation: id,
    kind: users.length ? "direct" : "group",
    peer: users.length ? peer : null,
    title: null,
    members: new Set(users).size,
    role: null,
    head: 0,
    last_message: null,
    read: 0,
    unread: 0,
    muted: false,
    pinned: false,
    joined: 1,
    history: "all",
    first: 1,
    peer_read: 0,
    rank: 0,
  };
}
