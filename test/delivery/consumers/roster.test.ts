import assert from "node:assert/strict";
import { test } from "node:test";
import { type Consumer, newLink } from "../../../lib/delivery/consumers/consumer.ts";
import { Roster, takeHeld } from "../../../lib/delivery/consumers/roster.ts";

const CREDIT = { prefetch: 10, prefetchBytesMax: 1_000 };

function consumer(id: number, receiver: string, ...held: readonly (readonly number[])[]): Consumer {
  const link = newLink(id, { receiver, incarnation: "", ...CREDIT });
  for (const [first, last, endMs = 100, attempt = 1] of held) {
    link.leases.add({ first: first!, last: last! }, { attempt, bytesEach: 2, endMs });
  }
  return link;
}

test("roster: a restart waits for those of before until all are back, or for so long", () => {
  const roster = new Roster(["a", "b"], 50);
  assert.ok(roster.isAwaiting);
  assert.equal(roster.endWait(10), 50);
  roster.add(consumer(1, "a", [1, 2]));
  roster.add(consumer(2, "stranger"));
  assert.ok(roster.isAwaiting, "a stranger is not one of them");
  assert.deepEqual([roster.wasThere("b"), roster.wasThere("stranger")], [true, false]);
  roster.add(consumer(3, "b", [3, 3]));
  assert.deepEqual([roster.isAwaiting, roster.isMissing], [false, false]);
  assert.equal(roster.endWait(10), Number.POSITIVE_INFINITY);
});

test("roster: one that does not come back in time, or with empty hands, is missing", () => {
  const late = new Roster(["a"], 50);
  assert.equal(late.endWait(50), Number.POSITIVE_INFINITY);
  assert.deepEqual([late.isAwaiting, late.isMissing], [false, true]);
  const empty = new Roster(["a"], 50);
  empty.add(consumer(1, "a"));
  assert.deepEqual([empty.isAwaiting, empty.isMissing], [false, true]);
  assert.ok(new Roster([], 50).isMissing, "nobody was there: nobody comes back");
});

test("roster: who is to be waited for after a restart", () => {
  const roster = new Roster(["a", "b"], 50);
  const [one, two] = [consumer(1, "a", [1, 1]), consumer(2, "c")];
  roster.add(one);
  roster.add(two);
  assert.deepEqual(roster.receivers().sort(), ["a", "b", "c"]);
  roster.delete(two);
  roster.endWait(50);
  assert.deepEqual(roster.receivers(), ["a"]);
});

test("roster: the links of one receiver, and what a link holds", () => {
  const roster = new Roster([], 0);
  const [one, two, other] = [
    consumer(1, "a", [1, 9]),
    consumer(2, "a"),
    consumer(3, "b", [20, 21]),
  ];
  for (const link of [one, two, other]) roster.add(link);
  assert.deepEqual(roster.of("a"), [one, two]);
  assert.equal(roster.get(3), other);
  assert.equal(roster.size, 3);
  const parts = roster.heldOf(1, { first: 8, last: 30 });
  assert.deepEqual(
    parts.map(({ first, last }) => [first, last]),
    [[8, 9]],
  );
  assert.deepEqual(roster.heldOf(99, { first: 1, last: 9 }), []);
});

test("roster: what is dispatched is one list of ranges with its attempts, whoever holds it", () => {
  const roster = new Roster([], 0);
  roster.add(consumer(1, "a", [1, 3], [10, 12, 100, 2]));
  roster.add(consumer(2, "b", [4, 6]));
  assert.equal(roster.leaseRanges, 3);
  assert.deepEqual(roster.leased([{ first: 7, last: 9, value: 1 }]), [
    { first: 1, last: 9, value: 1 },
    { first: 10, last: 12, value: 2 },
  ]);
});

test("roster: what earlier links of a receiver hold goes to the next, once", () => {
  const links = [consumer(1, "a", [1, 5]), consumer(2, "a", [6, 9])];
  const taken = takeHeld(links, { first: 4, last: 7 });
  assert.deepEqual(
    taken.map(({ first, last }) => [first, last]),
    [
      [4, 5],
      [6, 7],
    ],
  );
  assert.deepEqual(takeHeld(links, { first: 4, last: 7 }), []);
});
