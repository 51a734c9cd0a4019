import assert from "node:assert/strict";
import { test } from "node:test";
import { RestartClaims } from "../../../lib/delivery/attempts/restart-claims.ts";
import type { SeqRange } from "../../../lib/delivery/range/range.ts";

const pairs = (ranges: readonly SeqRange[]) => ranges.map(({ first, last }) => [first, last]);

/** 1 to 3 were in somebody's hands, and 5 was dispatched and given back; nothing behind 9 was sent. */
function claims(): RestartClaims {
  const restored = new RestartClaims([{ first: 1, last: 3 }], 9);
  restored.restore({ first: 1, last: 3 }, true);
  restored.restore({ first: 5, last: 5 }, false);
  return restored;
}

test("restart claims: each message is claimed once, and none that is dispatched again", () => {
  const restored = claims();
  restored.dispatched({ first: 3, last: 3 });
  assert.deepEqual(pairs(restored.take({ first: 1, last: 9 })), [
    [1, 2],
    [5, 5],
  ]);
  assert.deepEqual(restored.take({ first: 1, last: 9 }), []);
});

test("restart claims: nobody can have what was never sent", () => {
  const restored = claims();
  assert.deepEqual(restored.sentOf({ first: 8, last: 12 }), { first: 8, last: 9 });
  assert.equal(restored.sentOf({ first: 10, last: 12 }), null);
});

test("restart claims: what was in somebody's hands is given up once, whatever was claimed of it", () => {
  const restored = claims();
  restored.take({ first: 1, last: 1 });
  assert.deepEqual(pairs(restored.takeLeased()), [[1, 3]]);
  assert.deepEqual(restored.takeLeased(), []);
});

test("restart claims: a message is unheard of until a receiver says something of it", () => {
  const restored = claims();
  restored.heard({ first: 1, last: 2 });
  assert.equal(restored.isUnheard, true);
  restored.heard({ first: 3, last: 3 });
  assert.equal(restored.isUnheard, false);
});
