import assert from "node:assert/strict";
import { test } from "node:test";
import { type Consumer, newLink } from "../../../lib/delivery/consumers/consumer.ts";
import { Roster } from "../../../lib/delivery/consumers/roster.ts";
import { DISPATCHER_STATE_EMPTY } from "../../../lib/delivery/dispatch/dispatcher-start.ts";
import { MessageTables } from "../../../lib/delivery/dispatch/message-tables.ts";
import { Order } from "../../../lib/delivery/dispatch/order.ts";

const CREDIT = { prefetch: 10, prefetchBytesMax: 1_000 };

/** A receiver, which holds some seqs. */
function consumer(id: number, held: readonly number[] = []): Consumer {
  const link = newLink(id, { receiver: `r${id}`, incarnation: "", ...CREDIT });
  for (const seq of held) {
    link.leases.add({ first: seq, last: seq }, { attempt: 1, bytesEach: 1, endMs: 100 });
  }
  return link;
}

function rosterOf(...links: readonly Consumer[]): Roster {
  const roster = new Roster([], 0);
  for (const link of links) roster.add(link);
  return roster;
}

test("order: with total, the first receiver is active until it is gone, and the next takes over", () => {
  const order = new Order({ order: "total" });
  const [one, two, three] = [consumer(1), consumer(2), consumer(3)];
  for (const link of [one, two, three]) assert.equal(order.joined(link, []), null);
  assert.deepEqual(
    [one, two, three].map((link) => order.admits(link)),
    [true, false, false],
  );
  assert.equal(order.left(three, [one, two]), null, "one that stands by changes nothing");
  two.graceEndMs = 50;
  assert.equal(order.left(one, [two, three]), three, "not one in its grace");
  assert.ok(order.admits(three));
  assert.ok(!order.admits(two));
});

test("order: with total, the active one that comes back over another link stays active", () => {
  const order = new Order({ order: "total" });
  const [one, two, again] = [consumer(1), consumer(2), consumer(3)];
  order.joined(one, []);
  order.joined(two, []);
  assert.equal(order.joined(again, [one]), null);
  assert.deepEqual([order.admits(again), order.admits(two)], [true, false]);
});

test("order: with total, after a restart the one that holds messages is active, whoever came first", () => {
  const order = new Order({ order: "total" });
  const [early, holder] = [consumer(1), consumer(2, [7])];
  order.joined(early, []);
  assert.equal(order.joined(holder, []), early);
  assert.deepEqual([order.admits(early), order.admits(holder)], [false, true]);
  assert.equal(order.joined(consumer(3, [8]), []), null, "one of them is enough");
});

test("order: with total, an active receiver that hangs hands over when it holds nothing any more", () => {
  const order = new Order({ order: "total" });
  const [one, silent, two] = [consumer(1, [1, 2]), consumer(2), consumer(3)];
  silent.silent = true;
  for (const link of [one, silent, two]) order.joined(link, []);
  const others = [silent, two];
  assert.equal(order.fellSilent(one, others), null, "it holds some");
  one.leases.take(1, 2);
  assert.equal(order.fellSilent(one, others), two);
});

test("order: with total, the first that speaks takes over from an active one that is silent and holds nothing", () => {
  const order = new Order({ order: "total" });
  const [one, two] = [consumer(1, [1]), consumer(2)];
  for (const link of [one, two]) order.joined(link, []);
  assert.equal(order.spoke(two), false, "the active one is not silent");
  one.silent = true;
  assert.equal(order.spoke(two), false, "it holds one");
  one.leases.take(1, 1);
  assert.equal(order.spoke(one), false, "it is active already");
  assert.equal(order.spoke(two), true);
  assert.ok(order.admits(two) && !order.admits(one));
});

test("order: without total, every receiver is admitted, and none takes another's place", () => {
  for (const kind of ["none", "perReceiver"] as const) {
    const order = new Order({ order: kind });
    const [one, two] = [consumer(1), consumer(2, [5])];
    assert.deepEqual([order.joined(one, []), order.joined(two, [])], [null, null]);
    assert.ok(order.admits(one) && order.admits(two));
    assert.equal(order.left(one, [two]), null);
    assert.deepEqual([order.keeps(1), order.keeps(2)], [kind === "perReceiver", false]);
  }
  assert.ok(new Order({ order: "total" }).keeps(5));
});

test("order: each receiver is told once, and again when it changes", () => {
  const order = new Order({ order: "perReceiver" });
  const start = { seqBefore: 0, nowMs: 0, timeMs: () => 0 };
  const tables = new MessageTables(DISPATCHER_STATE_EMPTY, start);
  const one = consumer(1);
  const alone = rosterOf(one);
  const told = order.changes(alone, tables);
  assert.deepEqual(told, [{ type: "ordering", link: 1, ordered: true, awaited: [] }]);
  assert.deepEqual(order.changes(alone, tables), []);
  const both = rosterOf(one, consumer(2));
  assert.deepEqual(
    order.changes(both, tables).map((action) => action.type === "ordering" && action.ordered),
    [false, false],
  );
});

test("order: who keeps order hears what does not come any more, but for the one that settled it", () => {
  const order = new Order({ order: "total" });
  const [one, two, by] = [consumer(1), consumer(2), consumer(3)];
  one.ordered = true;
  by.ordered = true;
  const roster = rosterOf(one, two, by);
  const range = { first: 4, last: 6 };
  assert.deepEqual(order.settled(range, by, roster), [
    { type: "settledElsewhere", link: 1, ranges: [range] },
  ]);
});
