// The client in Node against a real server: over long polls, and over WebSocket where Node has it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { longPoll, MemoryStore, RequestError, TidelineClient, webSocket } from "../src/index.js";
import { startServer } from "./server.js";

/** @type {Awaited<ReturnType<typeof startServer>>} */
let server;
before(async () => {
  server = await startServer();
});
after(() => server.stop());

let names = 0;
/** @param {string} name */
const fresh = (name) => `${name}-${++names}`;

/** @param {(url: string) => import("../src/transport.js").Transport} transport @param {string} user @param {MemoryStore} [store] */
async function connect(transport, user, store = new MemoryStore()) {
  const client = new TidelineClient({
    url: server.url,
    token: () => server.token(user),
    transport: transport(server.url),
    store,
  });
  await client.start();
  await until(client, () => client.status.state === "live");
  return client;
}

/** @param {TidelineClient} client @param {() => boolean | Promise<boolean>} holds */
async function until(client, holds) {
  const signal = AbortSignal.timeout(15_000);
  while (!(await holds())) {
    await new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error(`waited in vain, ${JSON.stringify(client.status)}`)));
      for (const type of ["change", "status"]) client.addEventListener(type, resolve, { once: true });
    });
  }
}

const transports = /** @type {[string, (url: string) => import("../src/transport.js").Transport][]} */ ([
  ["long polls", (url) => longPoll(url)],
  ...(globalThis.WebSocket ? [["WebSocket", (/** @type {string} */ url) => webSocket(url)]] : []),
]);

for (const [name, transport] of transports) {
  test(`over ${name}: messages arrive once, in order, and are read`, async () => {
    const [alice, bob] = [fresh("alice"), fresh("bob")];
    const a = await connect(transport, alice);
    const b = await connect(transport, bob);
    const heard = (async () => {
      const texts = [];
      for await (const { event } of b.entries({ signal: AbortSignal.timeout(15_000) })) {
        if (event.type === "message") texts.push(event.message.body.text);
        if (texts.length === 30) return texts;
      }
      return texts;
    })();
    const sent = await Promise.all(Array.from({ length: 30 }, (_, n) => a.send(bob, { type: "text", text: `m${n}` })));
    assert.deepEqual(
      sent.map(({ message_seq }) => message_seq),
      Array.from({ length: 30 }, (_, n) => n + 1),
    );
    assert.deepEqual(
      await heard,
      Array.from({ length: 30 }, (_, n) => `m${n}`),
    );
    const id = sent[0].conversation;
    await b.read(id, 30);
    await until(a, async () => (await a.conversation(id))?.peer_read === 30);
    assert.deepEqual(await a.pending(), []);
    a.close();
    b.close();
  });

  test(`over ${name}: a new device has the state, and history fills what it lacks`, async () => {
    const [alice, bob] = [fresh("alice"), fresh("bob")];
    const a = await connect(transport, alice);
    for (let n = 1; n <= 20; n++) a.submit(bob, { type: "text", text: `m${n}` });
    await until(a, async () => (await a.pending()).length === 0 && (await a.conversations()).length === 1);
    const b = await connect(transport, bob);
    const [[id]] = await b.conversations();
    assert.equal((await b.conversation(id))?.unread, 20);
    assert.deepEqual((await b.held(id, 1, 20)).holes, [[1, 20]]);
    const { messages, holes } = await b.messages(id, { limit: 10 });
    assert.deepEqual(
      messages.map(({ message_seq }) => message_seq),
      [11, 12, 13, 14, 15, 16, 17, 18, 19, 20],
    );
    assert.deepEqual(holes, []);
    assert.deepEqual((await b.held(id, 1, 20)).holes, [[1, 10]]);
    a.close();
    b.close();
  });
}

test("groups: create, add, leave, and what is refused says why", async () => {
  const [alice, bob, carol] = [fresh("alice"), fresh("bob"), fresh("carol")];
  const [, transport] = transports[0];
  const a = await connect(transport, alice);
  const b = await connect(transport, bob);
  const { conversation, members } = await a.create({ title: "Team", members: [bob] });
  assert.equal(members, 2);
  await until(b, async () => (await b.conversation(conversation))?.title === "Team");
  await a.add(conversation, [carol]);
  assert.deepEqual(
    (await a.members(conversation)).map(({ user }) => user),
    [alice, bob, carol],
  );
  await assert.rejects(
    b.add(conversation, [fresh("dave")]),
    (error) => error instanceof RequestError && error.code === "forbidden",
  );
  await b.leave(conversation);
  await until(b, async () => (await b.conversation(conversation)) === null);
  await assert.rejects(b.send(conversation, { type: "text", text: "no" }), /forbidden/);
  a.close();
  b.close();
});

test("a token of another user than the store's is refused before anything is sent", async () => {
  const [alice, bob] = [fresh("alice"), fresh("bob")];
  const store = new MemoryStore();
  await store.identify(alice, "laptop");
  const client = new TidelineClient({ url: server.url, token: await server.token(bob), store });
  await assert.rejects(client.start(), /wrong_user/);
});

test("a server that is killed and comes back loses nothing, and nothing arrives twice", async () => {
  const own = await startServer();
  const url = own.url;
  const make = async (/** @type {string} */ user) => {
    const client = new TidelineClient({
      url,
      token: await own.token(user),
      store: new MemoryStore(),
      policy: { backoff: 50, backoff_cap: 200 },
    });
    await client.start();
    await until(client, () => client.status.state === "live");
    return client;
  };
  const [a, b] = [await make("alice"), await make("bob")];
  await a.send("bob", { type: "text", text: "before" });
  await own.kill();
  for (let n = 0; n < 5; n++) await a.submit("bob", { type: "text", text: `during ${n}` });
  assert.equal((await a.pending()).length, 5);
  const again = await startServer({ port: own.port, data: own.data });
  await until(b, async () => (await b.conversation("d:alice~bob"))?.head === 6);
  await until(a, async () => (await a.pending()).length === 0);
  const { messages } = await b.messages("d:alice~bob");
  assert.deepEqual(
    messages.map(({ body }) => body.text),
    ["before", ...Array.from({ length: 5 }, (_, n) => `during ${n}`)],
  );
  a.close();
  b.close();
  await again.stop();
});

test("to abort is to stop waiting", async () => {
  const a = await connect(transports[0][1], fresh("alice"));
  const abort = new AbortController();
  const waiting = a.request({ type: "devices" }, { signal: abort.signal });
  abort.abort();
  await assert.rejects(waiting, { name: "AbortError" });
  const events = a.on("entries", { signal: abort.signal });
  assert.deepEqual(await events.next(), { done: true, value: undefined });
  a.close();
});
