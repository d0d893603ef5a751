// A long random history, carried out on a store: two stores that hold the contract show the same at every look.
// It is also run in a browser, by itself: so it imports nothing.

/**
 * @param {import("../src/store.js").Store} store
 * @param {number} seed
 * @param {(store: import("../src/store.js").Store) => Promise<import("../src/store.js").Store>} reopen
 * @returns {Promise<any[]>} What was seen.
 */
export async function play(store, seed, reopen) {
  let state = seed;
  const chance = (/** @type {number} */ below) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * below);
  };
  const users = ["alice", "bob", "carol"];
  const ids = ["d:alice~bob", "d:alice~carol", "g:team", "g:other"];
  /** @type {Record<string, number>} */
  const heads = {};
  let seq = 0;
  let clients = 0;
  const message = (/** @type {string} */ conversation, /** @type {number} */ message_seq) => ({
    ...{ conversation, message_seq, sender: users[chance(3)], client_id: `x${conversation}${message_seq}` },
    ...{ time: 1000 + seq, body: { type: "text", text: `m${message_seq}` } },
  });
  const stateOf = (/** @type {string} */ conversation, at = 5) => ({
    ...{
      conversation,
      kind: conversation[0] === "d" ? "direct" : "group",
      peer: "bob",
      title: null,
      members: 2,
      role: null,
    },
    ...{ head: at, last_message: message(conversation, at), read: chance(at + 1), unread: 0, muted: false },
    ...{ pinned: chance(4) === 0, joined: 1, history: "all", first: 1 },
  });
  const event = () => {
    const conversation = ids[chance(4)];
    const head = heads[conversation] ?? 0;
    const message_seq = 1 + chance(Math.max(1, head));
    switch (chance(9)) {
      case 0:
        return { type: "read", conversation, user: users[chance(3)], message_seq };
      case 1:
        return {
          type: "edited",
          conversation,
          message_seq,
          by: "bob",
          time: 1,
          message: { ...message(conversation, message_seq), edited: 2000 + seq },
        };
      case 2:
        return { type: "recalled", conversation, message_seq, by: "bob", time: 1 };
      case 3:
        return {
          type: "reaction",
          conversation,
          message_seq,
          by: users[chance(3)],
          reaction: "👍",
          on: chance(2) === 0,
        };
      case 4:
        return { type: "member", conversation, added: [], removed: [users[chance(3)]], by: "bob", members: 2 };
      default:
        heads[conversation] = head + 1;
        return { type: "message", message: message(conversation, head + 1) };
    }
  };
  const operation = async () => {
    const conversation = ids[chance(4)];
    const kind = chance(12);
    if (kind < 6) {
      const entries = Array.from({ length: 1 + chance(6) }, () => ({ seq: ++seq, event: event() }));
      return [{ type: "apply", entries, cursor: seq, epoch: "e" }];
    }
    if (kind === 6) {
      const head = heads[conversation] ?? 0;
      const low = 1 + chance(head + 1);
      const messages = Array.from({ length: Math.max(0, head - low + 1) }, (_, place) =>
        message(conversation, low + place),
      );
      return [
        {
          type: "history",
          request: {},
          frame: { type: "messages", conversation, messages, head, first: 1, more: low > 1 },
        },
      ];
    }
    if (kind === 7) return [{ type: "reading", conversation, message_seq: 1 + chance(9) }];
    if (kind === 8) return [{ type: "reading_done", conversation, message_seq: 1 + chance(9) }];
    if (kind === 9) {
      const client_id = `own${++clients}`;
      await store.submit({
        client_id,
        conversation,
        body: { text: client_id },
        time: 1,
        tried: null,
        status: "pending",
      });
      return [{ type: "attempt", client_id, tried: 5 }];
    }
    if (kind === 10) {
      const client_id = `own${1 + chance(clients + 1)}`;
      heads[conversation] = (heads[conversation] ?? 0) + 1;
      const confirmed = {
        type: "confirmed",
        client_id,
        conversation,
        message_seq: heads[conversation],
        seq: ++seq,
        time: 7,
        duplicate: false,
      };
      return [
        [
          { type: "failed", client_id, code: "forbidden", message: "no" },
          { type: "unconfirmed", client_id },
          { type: "discard", client_id },
          confirmed,
        ][chance(4)],
      ];
    }
    if (chance(4)) return [{ type: "state", state: stateOf(conversation, heads[conversation] || 1) }];
    const states = ids.slice(0, 1 + chance(4)).map((id) => stateOf(id, heads[id] || 1));
    return [
      { type: "stage", conversations: states.slice(0, 1), start: true },
      { type: "stage", conversations: states.slice(1), start: false },
      { type: "replace", cursor: seq, epoch: "e", reason: "new_device", messages: chance(2) ? "discard" : "unverify" },
    ];
  };
  const steady = (/** @type {any} */ conversation) =>
    conversation && { ...conversation, rank: conversation.last_message ? conversation.rank : 0 };
  const seen = [];
  for (let round = 0; round < 150; round++) {
    const change = await store.commit(/** @type {any} */ (await operation()));
    if (round % 50 === 49) store = await reopen(store);
    seen.push({
      round,
      change: {
        ...change,
        conversations: change.conversations.map(([id]) => id).sort(),
        outbox: [...change.outbox].sort(),
      },
      position: await store.open(),
      conversations: (await store.conversations(ids)).map(steady),
      known: (await store.order()).map(([id]) => id).sort(),
      messages: await Promise.all(ids.map((id) => store.messages(id, 1, 1000))),
      ranges: await Promise.all(ids.map((id) => store.ranges(id))),
      outbox: await store.outbox(),
      own: await store.outbox(ids[0]),
      reads: (await store.reads()).sort(),
    });
  }
  return seen;
}
