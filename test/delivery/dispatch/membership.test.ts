import assert from "node:assert/strict";
import { test } from "node:test";
import { EXTENSION_MS_MAX } from "../../../lib/delivery/attempts/leases.ts";
import { Roster } from "../../../lib/delivery/consumers/roster.ts";
import { Assignment } from "../../../lib/delivery/dispatch/assignment.ts";
import type { DispatcherOptions } from "../../../lib/delivery/dispatch/dispatcher-events.ts";
import { DISPATCHER_STATE_EMPTY } from "../../../lib/delivery/dispatch/dispatcher-start.ts";
import { Membership } from "../../../lib/delivery/dispatch/membership.ts";
import { MessageTables } from "../../../lib/delivery/dispatch/message-tables.ts";
import { Order } from "../../../lib/delivery/dispatch/order.ts";
import { Retries } from "../../../lib/delivery/dispatch/retries.ts";
import { Settlement } from "../../../lib/delivery/dispatch/settlement.ts";
import { StepResults } from "../../../lib/delivery/dispatch/step-results.ts";

const OPTIONS: DispatcherOptions = {
  leaseMs: 100,
  graceMs: 30,
  attemptsMax: 3,
  retryMs: 10,
  retryMsMax: 40,
  order: "none",
  deadLettersMax: 10,
};

/** The parts of a dispatcher, with messages 1 to 9 fed, and what was handed to each receiver. */
function parts() {
  const sources = { random: () => 0.5, timeMs: () => 0 };
  const start = { state: DISPATCHER_STATE_EMPTY, seqBefore: 0, nowMs: 0, ...sources };
  const results = new StepResults(0);
  const tables = new MessageTables(DISPATCHER_STATE_EMPTY, start);
  const roster = new Roster([], 0);
  const order = new Order(OPTIONS);
  const retries = new Retries(OPTIONS, tables, start);
  const assignment = new Assignment(tables, (link, range, handed) =>
    membership.lease(link, range, handed),
  );
  const settlement = new Settlement({ tables, retries, order, roster, results }, OPTIONS);
  const all = { tables, roster, order, assignment, settlement, results };
  const membership = new Membership(all, OPTIONS);
  tables.feed({ first: 1, last: 9 }, 9);
  const join = (link: number, incarnation = "p") => {
    const credit = { prefetch: 3, prefetchBytesMax: 1_000 };
    const who = { receiver: `r${link}`, incarnation, held: [], done: [] };
    membership.join({ type: "joined", link, ...who, ...credit });
    return roster.get(link)!;
  };
  return { ...all, membership, join };
}

test("membership: who joins gets a turn, and who is silent, congested or gone has none", () => {
  const { membership, assignment, join } = parts();
  const [one, two, three] = [join(1), join(2), join(3)];
  membership.pause(one);
  membership.congest(two, true);
  membership.leave(three, "left");
  assignment.run();
  assert.deepEqual([one.leases.count, two.leases.count, three.leases.count], [0, 0, 0]);
  membership.heard(one, false);
  membership.congest(two, false);
  assignment.run();
  assert.deepEqual([one.leases.count, two.leases.count], [3, 3]);
});

test("membership: who gives back what it has not looked at is leaving, and gets nothing until it speaks again", () => {
  const { membership, assignment, join } = parts();
  const one = join(1);
  membership.heard(one, true);
  assignment.run();
  assert.equal(one.leases.count, 0);
  membership.heard(one, false);
  assignment.run();
  assert.equal(one.leases.count, 3);
});

test("membership: a receiver without a connection keeps what it holds for its grace, and no longer", () => {
  const { membership, assignment, results, roster, tables, join } = parts();
  const one = join(1);
  assignment.run();
  membership.lose(one);
  assert.equal(results.dueMs, 30);
  results.nowMs = 29;
  assert.equal(membership.passTime(), 30);
  assert.equal(one.leases.count, 3);
  results.nowMs = 30;
  membership.passTime();
  assert.deepEqual([roster.size, tables.ready.count], [0, 3]);
});

test("membership: a lease that ends is told before its messages go back, and its receiver falls silent", () => {
  const { membership, assignment, results, tables, join } = parts();
  const one = join(1);
  assignment.run();
  results.take();
  results.nowMs = 100;
  membership.passTime();
  assert.deepEqual(results.take(), [{ type: "revoked", link: 1, ranges: [{ first: 1, last: 3 }] }]);
  assert.deepEqual([one.silent, tables.ready.count], [true, 3]);
});

test("membership: a lease is lengthened by a day at most, and never shortened", () => {
  const { membership, assignment, join } = parts();
  const one = join(1);
  assignment.run();
  const extend = (wishMs: number) => {
    for (const part of one.leases.take(1, 3)) membership.extend(one, part, wishMs);
    return one.leases.lowest?.value.endMs;
  };
  assert.equal(extend(10), 100);
  assert.equal(extend(Number.MAX_SAFE_INTEGER), EXTENSION_MS_MAX);
  assert.equal(extend(200), EXTENSION_MS_MAX);
});
