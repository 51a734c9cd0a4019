import assert from "node:assert/strict";
import { test } from "node:test";
import type { Incarnation } from "../../../lib/delivery/protocol/incarnations.ts";
import { StreamHistory } from "../../../lib/delivery/window/stream-history.ts";

const life = (epoch: number, seqFirst: number): Incarnation => {
  return { epoch, seqFirst, id: `${epoch}`.repeat(32) };
};

test("stream history: a life that begins behind all that is known parts nothing", () => {
  const history = new StreamHistory([life(1, 1)], 5);
  assert.equal(history.open([life(1, 1), life(2, 6)]), null);
  assert.deepEqual([history.historyVersion, history.incarnations.length], [0, 2]);
});

test("stream history: a life that begins below what came parts it there, and what was known is void from there on", () => {
  const history = new StreamHistory([life(1, 1)], 0);
  history.reached(5);
  history.reached(3);
  assert.equal(history.open([life(1, 1), life(2, 4)]), 4);
  assert.equal(history.historyVersion, 1);
  assert.deepEqual(history.valid({ first: 2, last: 5 }, 0), { first: 2, last: 3 });
  assert.equal(history.valid({ first: 4, last: 5 }, 0), null);
  assert.deepEqual(history.valid({ first: 4, last: 5 }, 1), { first: 4, last: 5 });
});

test("stream history: nothing behind a parting is known any more", () => {
  const history = new StreamHistory([life(1, 1)], 9);
  assert.equal(history.open([life(1, 1), life(2, 4)]), 4);
  assert.equal(history.open([life(1, 1), life(2, 4), life(3, 4)]), null);
});
