import assert from "node:assert/strict";
import { test } from "node:test";
import type { Lease } from "../../../lib/delivery/attempts/leases.ts";
import { newLink } from "../../../lib/delivery/consumers/consumer.ts";
import { Roster } from "../../../lib/delivery/consumers/roster.ts";
import type { DispatcherOptions } from "../../../lib/delivery/dispatch/dispatcher-events.ts";
import { DISPATCHER_STATE_EMPTY } from "../../../lib/delivery/dispatch/dispatcher-start.ts";
import { MessageTables } from "../../../lib/delivery/dispatch/message-tables.ts";
import { Order } from "../../../lib/delivery/dispatch/order.ts";
import { Retries } from "../../../lib/delivery/dispatch/retries.ts";
import { Settlement } from "../../../lib/delivery/dispatch/settlement.ts";
import { StepResults } from "../../../lib/delivery/dispatch/step-results.ts";
import type { ValuedRange } from "../../../lib/delivery/range/range-map.ts";

const OPTIONS: DispatcherOptions = {
  leaseMs: 100,
  graceMs: 30,
  attemptsMax: 2,
  retryMs: 10,
  retryMsMax: 10,
  order: "total",
  deadLettersMax: 1,
};

/** A settlement over tables from which messages 1 to 9 were dispatched. */
function parts(order: DispatcherOptions["order"] = "none") {
  const options = { ...OPTIONS, order };
  const sources = { random: () => 0.5, timeMs: () => 0 };
  const start = { state: DISPATCHER_STATE_EMPTY, seqBefore: 0, nowMs: 0, ...sources };
  const results = new StepResults(0);
  const tables = new MessageTables(DISPATCHER_STATE_EMPTY, start);
  const roster = new Roster([], 0);
  const retries = new Retries(options, tables, start);
  const shared = { tables, retries, order: new Order(options), roster, results };
  tables.feed({ first: 1, last: 9 }, 9);
  tables.fresh.take(1, 9);
  return { ...shared, settlement: new Settlement(shared, options) };
}

function held(first: number, last: number, attempt = 1): ValuedRange<Lease> {
  return { first, last, value: { attempt, bytesEach: 1, endMs: 100 } };
}

test("settlement: what is processed is told once, and with total order to those who wait for it", () => {
  const { settlement, results, roster, tables } = parts("total");
  const credit = { prefetch: 1, prefetchBytesMax: 1 };
  const links = [1, 2].map((id) => newLink(id, { receiver: "r", incarnation: "", ...credit }));
  for (const link of links) {
    link.ordered = true;
    roster.add(link);
  }
  const range = { first: 1, last: 2 };
  settlement.settle(range, "processed", links[0]!);
  assert.deepEqual(results.take(), [
    { type: "settled", outcome: "processed", ...range },
    { type: "settledElsewhere", link: 2, ranges: [range] },
  ]);
  assert.equal(tables.floor, 2);
});

test("settlement: what is given back untouched counts as no attempt", () => {
  const { settlement, tables } = parts();
  settlement.release(held(1, 3));
  assert.equal(tables.ready.lowest?.value.attempts, 0);
});

test("settlement: a failure is in back-off, and the results says until when", () => {
  const { settlement, results, tables } = parts();
  settlement.endAttempt(held(1, 1), { type: "nacked", delayMs: 25, error: null });
  assert.deepEqual([results.dueMs, tables.ready.count], [25, 0]);
});

test("settlement: the last attempt makes a dead letter, and without room for one the message lives on", () => {
  const { settlement, results } = parts();
  const failed = { type: "nacked", delayMs: 0, error: null } as const;
  settlement.endAttempt(held(1, 1, 2), failed);
  settlement.endAttempt(held(2, 2, 2), failed);
  assert.deepEqual(results.take(), [
    { type: "settled", outcome: "dead", first: 1, last: 1 },
    { type: "deadLettersFull", first: 2, last: 2 },
  ]);
});

test("settlement: of what a dead receiver held only what it had begun was tried", () => {
  const { settlement, tables } = parts();
  tables.begin([held(2, 3)]);
  settlement.giveBack([held(1, 4)], "crashed");
  const attempts = [...tables.ready].map(({ first, last, value }) => [first, last, value.attempts]);
  assert.deepEqual(attempts, [
    [1, 1, 0],
    [2, 3, 1],
    [4, 4, 0],
  ]);
});
