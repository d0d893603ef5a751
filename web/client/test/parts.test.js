// Ranges, packing, falling back, reading frames.

import assert from "node:assert/strict";
import { test } from "node:test";

import { readFrames } from "../src/inputs.js";
import { claims } from "../src/longpoll.js";
import { addRange, holesIn } from "../src/ranges.js";
import { fallback, pack } from "../src/transport.js";

test("ranges join where they touch", () => {
  /** @type {import("../src/ranges.js").Range[]} */
  let ranges = [];
  for (const [low, high] of [
    [5, 6],
    [1, 2],
    [9, 9],
    [3, 4],
    [8, 8],
  ])
    ranges = addRange(ranges, low, high);
  assert.deepEqual(ranges, [
    [1, 6],
    [8, 9],
  ]);
  assert.deepEqual(addRange(ranges, 2, 12), [[1, 12]]);
  assert.deepEqual(addRange(ranges, 7, 6), ranges);
});

test("what is missing is known", () => {
  assert.deepEqual(
    holesIn(
      [
        [3, 5],
        [8, 9],
      ],
      1,
      12,
    ),
    [
      [1, 2],
      [6, 7],
      [10, 12],
    ],
  );
  assert.deepEqual(holesIn([[3, 5]], 3, 5), []);
  assert.deepEqual(holesIn([], 4, 5), [[4, 5]]);
});

test("frames go out in order, and no message is over the limit but one frame alone", () => {
  const frames = Array.from({ length: 50 }, (_, id) => ({
    type: "send",
    id,
    body: { text: "ü".repeat(id === 20 ? 500 : 20) },
  }));
  const messages = pack(frames, 1000);
  assert.deepEqual(
    messages.flatMap((text) => JSON.parse(text)),
    frames,
  );
  assert.ok(messages.length > 1);
  for (const text of messages) assert.ok(Buffer.byteLength(text) <= 1000 || !Array.isArray(JSON.parse(text)));
});

test("what is no frame is ignored, and nothing from outside passes for a local input", () => {
  const types = (/** @type {string} */ text) => readFrames(text).map(({ type }) => type);
  assert.deepEqual(types('[{"type":"ok","id":1},7,null,{"type":"stop"},{"type":"push"},{"type":"toString"}]'), [
    "ok",
    ...Array(5).fill("unknown"),
  ]);
  assert.deepEqual(types('{"type":"push","entries":[{"seq":1.5,"event":{"type":"x"}}]}'), ["unknown"]);
  assert.throws(() => readFrames("nonsense"), SyntaxError);
});

test("a network without WebSocket is served by long polls after one attempt", () => {
  /** @type {string[]} */
  const tried = [];
  const broken = (/** @type {any} */ _, /** @type {any} */ listener) => (
    tried.push("first"),
    listener.closed(1006, ""),
    { send() {}, close() {} }
  );
  const works = (/** @type {any} */ _, /** @type {any} */ listener) => (
    tried.push("second"),
    listener.open(),
    { send() {}, close() {} }
  );
  const transport = fallback(broken, works);
  const listener = { open() {}, frames() {}, closed() {} };
  for (let round = 0; round < 3; round++) transport(/** @type {any} */ ({}), listener);
  assert.deepEqual(tried, ["first", "second", "second"]);
});

test("a token says whose it is, and what is no token says nothing", () => {
  const token = `x.${Buffer.from(JSON.stringify({ sub: "zoë", exp: 5 })).toString("base64url")}.y`;
  assert.deepEqual(claims(token), { sub: "zoë", exp: 5 });
  assert.deepEqual(claims("nonsense"), {});
});
