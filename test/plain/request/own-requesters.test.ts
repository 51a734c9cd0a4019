import assert from "node:assert/strict";
import { test } from "node:test";
import { OwnRequesters } from "../../../lib/plain/request/own-requesters.ts";
import { range } from "../../support/fixtures.ts";

const NEVER_MS = 600_000;
const idOf = (name: string): Buffer => Buffer.from(name);

function known(...names: string[]): OwnRequesters {
  const own = new OwnRequesters(() => {});
  for (const name of names) own.met(name, idOf(name));
  return own;
}

/** Whether a promise is resolved already. */
async function isResolved(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol("pending");
  await new Promise((resolve) => setImmediate(resolve));
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}

test("own requesters: a drain waits for those that were told, until they confirm it or are gone", async () => {
  const own = known("a", "b", "c");
  assert.equal(own.isWaiting, false);
  assert.deepEqual(
    own.leave().map(({ routingId }) => `${routingId}`),
    ["a", "b", "c"],
  );
  const drained = own.drain(undefined, NEVER_MS);
  own.left(idOf("a"));
  own.left(idOf("a"));
  own.left(idOf("nobody"));
  own.lost(idOf("b"));
  assert.equal(await isResolved(drained), false);
  // Those that have confirmed it are not told again.
  assert.deepEqual(
    own.leave().map(({ routingId }) => `${routingId}`),
    ["c"],
  );
  own.left(idOf("c"));
  await drained;
  assert.equal(own.isWaiting, false);
});

test("own requesters: who comes later is told too, and who was told hears that this side stays", async () => {
  const own = known("a");
  own.leave();
  const late = own.met("b", idOf("b"));
  assert.equal(late.isTold, false);
  own.told(late);
  const drained = own.drain(undefined, NEVER_MS);
  own.left(idOf("a"));
  assert.equal(await isResolved(drained), false);
  own.met("c", idOf("c"));
  assert.deepEqual(
    own.stay().map(({ routingId }) => `${routingId}`),
    ["a", "b"],
  );
  await drained;
  // What they confirm now was meant for the farewell before.
  own.left(idOf("b"));
  assert.equal(own.leave().length, 3);
  assert.equal(own.isWaiting, true);
});

test("own requesters: one that never confirms it is waited for only so long", async () => {
  const own = known("a");
  own.leave();
  await own.drain(undefined, 5);
  assert.equal(own.isWaiting, false);
});

test("own requesters: a drain ends by its own limits, and by the close", async () => {
  const own = known("a");
  own.leave();
  await assert.rejects(own.drain({ timeoutMs: 5 }, NEVER_MS), { code: "BROKERLESS_TIMEOUT" });
  const drained = own.drain(undefined, NEVER_MS);
  own.close();
  await assert.rejects(drained, { code: "BROKERLESS_CLOSED" });
});

test("own requesters: so many are remembered, the oldest are forgotten", () => {
  const own = new OwnRequesters(() => {});
  for (const n of range(10_005)) own.met(`${n}`, idOf(`${n}`));
  const told = own.leave().map(({ routingId }) => `${routingId}`);
  assert.equal(told.length, 10_000);
  assert.equal(told[0], "5");
});
