import assert from "node:assert/strict";
import { test } from "node:test";
import type { SeqRange } from "../../../lib/delivery/range/range.ts";
import { AckLedger } from "../../../lib/delivery/window/ack-ledger.ts";

const pairs = (ranges: readonly SeqRange[]) => ranges.map(({ first, last }) => [first, last]);

/** A ledger in which 1 to 6 are done and to be said. */
function processed(): AckLedger {
  const ledger = new AckLedger(0, []);
  ledger.add({ first: 1, last: 6 });
  ledger.schedule({ first: 1, last: 6 });
  return ledger;
}

test("ack ledger: what was said is remembered until the sender knows it durably", () => {
  const ledger = processed();
  assert.deepEqual(pairs(ledger.takeAck(9)), [[1, 6]]);
  assert.deepEqual(ledger.takeAck(9), []);
  ledger.confirm(0);
  assert.deepEqual(pairs(ledger.done()), [[1, 6]]);
  ledger.confirm(1);
  assert.deepEqual(ledger.done(), []);
});

test("ack ledger: an ack says no more ranges than fit, and the lowest first", () => {
  const ledger = new AckLedger(0, []);
  for (const seq of [5, 1, 3]) ledger.schedule({ first: seq, last: seq });
  assert.deepEqual(pairs(ledger.takeAck(2)), [
    [1, 1],
    [3, 3],
  ]);
  assert.equal(ledger.unsentCount, 1);
});

test("ack ledger: what is refused does not become known with its ack", () => {
  const ledger = processed();
  ledger.takeAck(9);
  ledger.refuse([{ first: 3, last: 4 }]);
  ledger.confirm(1);
  assert.deepEqual(pairs(ledger.done()), [[3, 4]]);
});

test("ack ledger: what comes again and is done is counted, and said again", () => {
  const ledger = processed();
  ledger.takeAck(9);
  ledger.arrived({ first: 5, last: 9 });
  assert.equal(ledger.duplicates, 2);
  assert.deepEqual(pairs(ledger.takeAck(9)), [[5, 6]]);
});

test("ack ledger: a claim is the session's first ack, and clears what was to be said", () => {
  const ledger = processed();
  ledger.takeAck(9);
  ledger.open();
  ledger.add({ first: 9, last: 9 });
  ledger.schedule({ first: 9, last: 9 });
  assert.deepEqual(pairs(ledger.claim(1)), [[1, 6]]);
  assert.equal(ledger.unsentCount, 0);
  ledger.confirm(1);
  assert.deepEqual(pairs(ledger.done()), [[9, 9]], "what did not fit is not known either");
});

test("ack ledger: nothing at or below the floor is remembered, and the floor never falls by itself", () => {
  const ledger = processed();
  assert.equal(ledger.raiseFloor(4), true);
  assert.equal(ledger.raiseFloor(2), false);
  assert.deepEqual([ledger.floor, pairs(ledger.done())], [4, [[5, 6]]]);
});

test("ack ledger: of another history both what is done and what is settled is forgotten", () => {
  const ledger = new AckLedger(4, [{ first: 6, last: 8 }]);
  assert.deepEqual(pairs(ledger.cut(7)), [[7, 8]]);
  assert.deepEqual(pairs(ledger.cut(3)), [
    [6, 6],
    [3, 4],
  ]);
  assert.deepEqual([ledger.floor, ledger.size], [2, 0]);
});
