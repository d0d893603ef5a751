// What entries do to what is kept: the laws of replica.js, and what goes wrong elsewhere (spec: failures 20, 21).

import assert from "node:assert/strict";
import { test } from "node:test";

import { MemoryStore } from "../src/memory.js";

const ME = "alice";
const ID = "d:alice~bob";

/** @param {number} message_seq @param {string} sender @param {object} [more] */
const message = (message_seq, sender, more = {}) => ({
  ...{ conversation: ID, message_seq, sender, client_id: `c${message_seq}`, time: 1000 + message_seq },
  ...{ body: { type: "text", text: `m${message_seq}` }, ...more },
});

/** @param {any[]} events @param {number} [from] @returns {any} */
const apply = (events, from = 1) => ({
  type: "apply",
  entries: events.map((event, place) => ({ seq: from + place, event })),
  cursor: from + events.length - 1,
  epoch: "e1",
});

async function opened() {
  const store = new MemoryStore();
  await store.open();
  await store.identify(ME, "laptop");
  return store;
}

/** @param {any[]} events */
async function after(...events) {
  const store = await opened();
  await store.commit([apply(events)]);
  return store;
}

/** @param {MemoryStore} store @param {string} [id] */
async function state(store, id = ID) {
  return /** @type {any} */ ((await store.conversations([id]))[0]);
}

test("the first message of a direct conversation implies its state", async () => {
  const store = await after({ type: "message", message: message(1, "bob") });
  const { kind, peer, head, read, unread, members } = await state(store);
  assert.deepEqual(
    { kind, peer, head, read, unread, members },
    { kind: "direct", peer: "bob", head: 1, read: 0, unread: 1, members: 2 },
  );
  assert.deepEqual(await store.ranges(ID), [[1, 1]]);
  assert.equal((await store.open()).cursor, 1);
});

test("one's own message is read", async () => {
  const store = await after(
    { type: "message", message: message(1, "bob") },
    { type: "message", message: message(2, ME) },
  );
  assert.equal((await state(store)).unread, 0);
});

test("a read position that arrives before its message counts when the message comes", async () => {
  const store = await after(
    { type: "message", message: message(1, "bob") },
    { type: "read", conversation: ID, user: ME, message_seq: 3 },
    { type: "message", message: message(2, "bob") },
  );
  const { unread, read } = await state(store);
  assert.deepEqual({ unread, read }, { unread: 0, read: 3 });
});

test("applying everything twice changes nothing", async () => {
  const events = [
    { type: "message", message: message(1, "bob") },
    { type: "message", message: message(2, ME) },
    {
      type: "edited",
      conversation: ID,
      message_seq: 1,
      by: "bob",
      time: 5000,
      message: message(1, "bob", { edited: 5000 }),
    },
    { type: "reaction", conversation: ID, message_seq: 2, by: "bob", reaction: "👍", on: true },
    { type: "recalled", conversation: ID, message_seq: 2, by: ME, time: 6000 },
    { type: "read", conversation: ID, user: "bob", message_seq: 2 },
  ];
  const store = await after(...events);
  const once = [await state(store), await store.messages(ID, 1, 9), await store.ranges(ID)];
  await store.commit([apply(events.slice(2), 3)]);
  assert.deepEqual([await state(store), await store.messages(ID, 1, 9), await store.ranges(ID)], once);
});

test("a snapshot and the entries after it give what all entries give", async () => {
  const events = [1, 2, 3, 4].map((seq) => ({ type: "message", message: message(seq, seq === 3 ? ME : "bob") }));
  const whole = await state(await after(...events));
  const store = await opened();
  const { peer_read: _, rank: __, ...snapshot } = await state(await after(...events.slice(0, 3)));
  await store.commit([
    { type: "stage", conversations: [snapshot], start: true },
    { type: "replace", cursor: 2, epoch: "e1", reason: "new_device", messages: "discard" },
    apply(events.slice(2), 3),
  ]);
  assert.deepEqual(await state(store), whole);
});

test("history that was read before an edit does not undo it", async () => {
  const edited = message(1, "bob", { edited: 5000, body: { type: "text", text: "new" } });
  const store = await after(
    { type: "edited", conversation: ID, message_seq: 1, by: "bob", time: 5000, message: edited },
    { type: "recalled", conversation: ID, message_seq: 2, by: "bob", time: 5000 },
  );
  const frame = /** @type {any} */ ({
    type: "messages",
    conversation: ID,
    messages: [message(1, "bob"), message(2, "bob")],
    head: 2,
    first: 1,
    more: false,
  });
  await store.commit([{ type: "history", request: {}, frame }]);
  const [first, second] = await store.messages(ID, 1, 2);
  assert.equal(first.body.text, "new");
  assert.equal(second.recalled, true);
});

test("history says what is held, and what lies before it stays a hole", async () => {
  const store = await after({ type: "message", message: message(90, "bob") });
  const page = (/** @type {number[]} */ seqs, /** @type {boolean} */ more) =>
    /** @type {any} */ ({
      type: "messages",
      conversation: ID,
      messages: seqs.map((seq) => message(seq, "bob")),
      head: 90,
      first: 1,
      more,
    });
  await store.commit([{ type: "history", request: { before: 90 }, frame: page([87, 88, 89], true) }]);
  assert.deepEqual(await store.ranges(ID), [[87, 90]]);
  await store.commit([{ type: "history", request: { before: 3 }, frame: page([1, 2], false) }]);
  assert.deepEqual(await store.ranges(ID), [
    [1, 2],
    [87, 90],
  ]);
});

test("who is removed has the conversation no more, and who comes back begins anew", async () => {
  const group = {
    conversation: "g:team",
    kind: "group",
    title: "Team",
    members: 2,
    role: "member",
    head: 5,
    last_message: null,
    read: 5,
    unread: 0,
    muted: false,
    pinned: false,
    joined: 1,
    history: "joined",
    first: 1,
  };
  const store = await after(
    { type: "conversation", state: group },
    { type: "member", conversation: "g:team", added: [], removed: [ME], by: "bob", members: 1 },
  );
  assert.equal(await state(store, "g:team"), null);
  await store.commit([
    apply([{ type: "conversation", state: { ...group, head: 9, read: 9, joined: 10, first: 10 } }], 3),
  ]);
  const { first, unread } = await state(store, "g:team");
  assert.deepEqual({ first, unread }, { first: 10, unread: 0 });
});

test("an event that is malformed or unknown moves the cursor and nothing else", async () => {
  const store = await after(
    { type: "message" },
    { type: "edited", conversation: ID },
    { type: "weather" },
    { type: "member", conversation: ID },
  );
  assert.equal((await store.open()).cursor, 4);
  assert.deepEqual(await store.order(), []);
});

test("a message that is confirmed before its entry comes never leaves the screen", async () => {
  const store = await opened();
  const order = await store.submit({
    client_id: "c1",
    conversation: ID,
    body: { type: "text", text: "m1" },
    time: 1,
    tried: null,
    status: "pending",
  });
  assert.equal(order, 1);
  await store.commit([
    { type: "confirmed", client_id: "c1", conversation: ID, message_seq: 1, seq: 7, time: 1001, duplicate: true },
  ]);
  assert.deepEqual(await store.outbox(), []);
  assert.equal((await store.messages(ID, 1, 1))[0].body.text, "m1");
  assert.equal((await store.open()).cursor, null);
});

test("a reading stays to be told until the server knows it", async () => {
  const store = await after(
    { type: "message", message: message(1, "bob") },
    { type: "message", message: message(2, "bob") },
  );
  await store.commit([{ type: "reading", conversation: ID, message_seq: 2 }]);
  assert.equal((await state(store)).unread, 0);
  await store.commit([{ type: "reading_done", conversation: ID, message_seq: 1 }]);
  assert.deepEqual(await store.reads(), [[ID, 2]]);
  await store.commit([{ type: "reading_done", conversation: ID, message_seq: 2 }]);
  assert.deepEqual(await store.reads(), []);
});
