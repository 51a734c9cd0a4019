import assert from "node:assert/strict";
import { test } from "node:test";
import type { DispatcherOptions } from "../../../lib/delivery/dispatch/dispatcher-events.ts";
import { DISPATCHER_STATE_EMPTY } from "../../../lib/delivery/dispatch/dispatcher-start.ts";
import { MessageTables } from "../../../lib/delivery/dispatch/message-tables.ts";
import { Retries } from "../../../lib/delivery/dispatch/retries.ts";

const OPTIONS: DispatcherOptions = {
  leaseMs: 1_000,
  graceMs: 100,
  attemptsMax: 3,
  retryMs: 100,
  retryMsMax: 1_000,
  order: "none",
  deadLettersMax: 2,
};
const NOW_MS = 5_000;

/** A try of one message, which has ended. */
function part(seq: number, attempt: number) {
  return { first: seq, last: seq, value: { attempt, bytesEach: 10, endMs: 0 } };
}

function setUp(options: Partial<DispatcherOptions> = {}) {
  const sources = { random: () => 0.999_999, timeMs: () => 77 };
  const start = { seqBefore: 0, nowMs: NOW_MS, timeMs: sources.timeMs };
  const tables = new MessageTables(DISPATCHER_STATE_EMPTY, start);
  const retries = new Retries({ ...OPTIONS, ...options }, tables, sources);
  const dead = (seq: number) => tables.dead.parts(seq, seq)[0]!.value;
  const ready = () => [...tables.ready].map(({ first, value }) => [first, value.attempts]);
  return { tables, retries, ready, dead };
}

test("retries: what was given back untouched is ready at once, and was not tried", () => {
  const { retries, ready } = setUp();
  assert.equal(retries.end(part(1, 3), { type: "released" }, NOW_MS).type, "again");
  assert.deepEqual(ready(), [[1, 2]]);
});

test("retries: what was lost is ready at once, until its attempts are used up", () => {
  const { retries, ready, dead } = setUp();
  assert.equal(retries.end(part(1, 2), { type: "lost", isBeside: false }, NOW_MS).type, "again");
  assert.deepEqual(ready(), [[1, 2]]);
  assert.equal(retries.end(part(2, 3), { type: "lost", isBeside: false }, NOW_MS).type, "dead");
  assert.match(dead(2).reason, /the lease ended/);
});

test("retries: a last attempt that was lost beside others is not counted, unless it is the only one", () => {
  const beside = { type: "lost", isBeside: true } as const;
  const { retries, ready } = setUp();
  assert.equal(retries.end(part(1, 2), beside, NOW_MS).type, "again");
  assert.equal(retries.end(part(3, 3), beside, NOW_MS).type, "again");
  assert.deepEqual(ready(), [
    [1, 2],
    [3, 2],
  ]);
  assert.equal(setUp({ attemptsMax: 1 }).retries.end(part(1, 1), beside, NOW_MS).type, "dead");
});

test("retries: what failed is in back-off as long as the formula says, or as it was asked to", () => {
  const { retries, ready, tables } = setUp();
  const failed = { type: "nacked", delayMs: null, error: null } as const;
  for (const [attempt, backOffMs] of [
    [1, 100],
    [2, 200],
  ] as const) {
    const { type, dueMs } = retries.end(part(attempt, attempt), failed, NOW_MS);
    assert.equal(type, "again");
    assert.ok(dueMs >= NOW_MS + backOffMs && dueMs <= NOW_MS + backOffMs * 1.02, `${dueMs}`);
  }
  assert.deepEqual(ready(), []);
  const { dueMs } = retries.end(part(3, 1), { ...failed, delayMs: 40_000 }, NOW_MS);
  assert.ok(dueMs >= NOW_MS + 40_000 && dueMs <= NOW_MS + 40_000 * 1.02);
  tables.wake(dueMs);
  assert.deepEqual(ready(), [
    [1, 1],
    [2, 2],
    [3, 1],
  ]);
});

test("retries: the last failure, and a rejection at once, make a dead letter that says why", () => {
  const { retries, dead } = setUp();
  const error = { name: "Error", message: "boom", code: null };
  const failed = { type: "nacked", delayMs: 10, error } as const;
  assert.equal(retries.end(part(1, 3), failed, NOW_MS).type, "dead");
  const rejected = { type: "rejected", reason: "no such order", error: null } as const;
  assert.equal(retries.end(part(2, 1), rejected, NOW_MS).type, "dead");
  const [one, two] = [dead(1), dead(2)];
  assert.deepEqual([one.reason, one.attempts, one.error], ["all attempts failed", 3, error]);
  assert.deepEqual([two.reason, two.attempts, two.timeMs], ["no such order", 1, 77]);
});

test("retries: without room among the dead letters a message is tried on, after the longest back-off", () => {
  const { retries, tables, ready } = setUp({ deadLettersMax: 1 });
  const rejected = { type: "rejected", reason: "no", error: null } as const;
  assert.equal(retries.end(part(1, 1), rejected, NOW_MS).type, "dead");
  const outcome = retries.end(part(2, 3), rejected, NOW_MS);
  assert.deepEqual(outcome, { type: "full", dueMs: NOW_MS + OPTIONS.retryMsMax });
  assert.equal(tables.dead.count, 1);
  tables.wake(outcome.dueMs);
  assert.deepEqual(ready(), [[2, 2]], "its last attempt is to be made again");
});

test("retries: what a process before this one tried for the last time is taken out", () => {
  const { retries, tables, ready } = setUp();
  tables.ready.set(1, 2, { attempts: 2, bytesEach: 0 });
  tables.ready.set(3, 5, { attempts: 3, bytesEach: 7 });
  const taken = retries.takeExhausted();
  assert.deepEqual(taken, [{ first: 3, last: 5, value: { attempt: 3, bytesEach: 7, endMs: 0 } }]);
  assert.deepEqual(ready(), [[1, 2]]);
});
