// The scenarios of spec/vectors, which hold for the device machine in every language.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { Device } from "../src/core.js";
import { STATES, TABLE } from "../src/table.js";

const folder = new URL("../../../spec/vectors/", import.meta.url);
/** @param {string} name */
const load = (name) => JSON.parse(readFileSync(new URL(name, folder), "utf8"));

/**
 * Leave out what a missing member says as well.
 * @param {any} value
 * @returns {any}
 */
function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  const kept = Object.entries(value).filter(
    ([key, item]) => item != null && !(key === "delivery" && item === "content"),
  );
  return Object.fromEntries(kept.map(([key, item]) => [key, plain(item)]));
}

/** @param {Device} device */
function view(device) {
  const { position, flight } = device.sync;
  return {
    state: device.state,
    cursor: position.cursor,
    epoch: position.epoch,
    known_head: position.knownHead,
    stash: [...position.stash.keys()].sort((a, b) => a - b),
    flight,
    outbox: [...device.outbox.items.keys()],
    wake: device.wake(),
  };
}

for (const file of readdirSync(folder).filter((name) => name.endsWith(".json") && name !== "table.json")) {
  for (const scenario of load(file)) {
    test(`${file}: ${scenario.name}`, () => {
      const device = new Device({ ...scenario.device, random: () => scenario.random });
      scenario.steps.forEach((/** @type {any} */ step, /** @type {number} */ place) => {
        const outputs = device.handle(step.now, step.input);
        const where = `step ${place}: ${JSON.stringify(step.input)}`;
        assert.deepEqual(plain(outputs), plain(step.outputs), where);
        assert.deepEqual(plain(view(device)), plain(step.after), where);
      });
    });
  }
}

test("the table is the one that all languages share", () => {
  const { states, actions } = load("table.json");
  assert.deepEqual(STATES, states);
  assert.deepEqual(TABLE, actions);
});

test("every action of the table is one that the machine knows", () => {
  const used = new Set(Object.values(TABLE).flatMap((row) => Object.values(row)));
  used.delete("-");
  assert.deepEqual([...used].sort(), Object.keys(Device.actions).sort());
});
