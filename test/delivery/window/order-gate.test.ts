import assert from "node:assert/strict";
import { test } from "node:test";
import { OrderGate } from "../../../lib/delivery/window/order-gate.ts";

const NOTHING = Number.POSITIVE_INFINITY;
const one = (seq: number) => ({ first: seq, last: seq });

/** A gate whose sender keeps order, and awaits nothing yet. */
function ordered(): OrderGate {
  const gate = new OrderGate();
  gate.set(true, []);
  return gate;
}

test("order gate: without order it lets everything pass, whatever is given back or lost", () => {
  const gate = new OrderGate();
  gate.returned(one(1));
  gate.lostWaiting([one(2)]);
  gate.lostInHand(one(3));
  gate.givenUp(one(3));
  assert.equal(gate.awaitedFirst, NOTHING);
});

test("order gate: what was given back comes first, until it is there again", () => {
  const gate = ordered();
  gate.returned({ first: 3, last: 5 });
  assert.equal(gate.awaitedFirst, 3);
  gate.arrived(3, 4);
  assert.equal(gate.awaitedFirst, 5);
  gate.arrived(5, 5);
  assert.equal(gate.awaitedFirst, NOTHING);
});

test("order gate: what was lost in the application's hands is awaited only when it gives it up", () => {
  const gate = ordered();
  gate.lostInHand({ first: 1, last: 2 });
  assert.equal(gate.awaitedFirst, NOTHING);
  gate.arrived(1, 1);
  gate.givenUp(one(1));
  assert.equal(gate.awaitedFirst, NOTHING, "it came again before");
  gate.givenUp(one(2));
  assert.equal(gate.awaitedFirst, 2);
});

test("order gate: what the sender may not have heard of stays awaited when it tells anew, but not when order ends", () => {
  const gate = ordered();
  gate.returned(one(2));
  gate.lostWaiting([one(4)]);
  gate.set(true, [one(7)]);
  assert.equal(gate.awaitedFirst, 2);
  gate.arrived(2, 2);
  assert.equal(gate.awaitedFirst, 7, "4 is known to the sender, which did not name it");
  gate.returned(one(1));
  gate.set(false, []);
  gate.set(true, []);
  assert.equal(gate.awaitedFirst, NOTHING);
});

test("order gate: a new session's sender hears of all that is held, and so tells all that is awaited", () => {
  const gate = ordered();
  gate.returned(one(2));
  gate.lostInHand(one(3));
  gate.claimed();
  gate.givenUp(one(3));
  assert.equal(gate.awaitedFirst, 2);
  gate.set(true, []);
  assert.equal(gate.awaitedFirst, NOTHING);
});

test("order gate: nothing of another history is awaited", () => {
  const gate = ordered();
  gate.returned({ first: 2, last: 6 });
  assert.deepEqual(
    gate.cut(4).map(({ first, last }) => [first, last]),
    [[4, 6]],
  );
  gate.arrived(2, 3);
  assert.equal(gate.awaitedFirst, NOTHING);
});
