import assert from "node:assert/strict";
import { test } from "node:test";
import { type EpochStart, parseStarts, voidFrom, withStart } from "../../lib/delivery/epochs.ts";

test("epochs: who missed some loses what any of them made void", () => {
  const starts = [
    { epoch: 2, seqFirst: 10 },
    { epoch: 3, seqFirst: 20 },
    { epoch: 4, seqFirst: 15 },
  ];
  assert.equal(voidFrom(starts, 1), 10);
  assert.equal(voidFrom(starts, 2), 15);
  assert.equal(voidFrom(starts, 3), 15);
  assert.equal(voidFrom(starts, 4), Number.POSITIVE_INFINITY);
});

test("epochs: a long history is joined, and voids no less than all of it", () => {
  let starts: readonly EpochStart[] = [];
  const all: EpochStart[] = [];
  for (let epoch = 2; epoch < 60; epoch++) {
    const start = { epoch, seqFirst: 100 + ((epoch * 37) % 50) };
    all.push(start);
    starts = withStart(starts, start);
    for (let known = 1; known <= epoch; known++) {
      assert.ok(voidFrom(starts, known) <= voidFrom(all, known), `epoch ${known} of ${epoch}`);
    }
  }
  assert.equal(starts.length, 16);
});

test("epochs: what is no history is refused", () => {
  for (const value of [null, 7, [{}], [null], [{ epoch: -1, seqFirst: 1 }], Array(17).fill({})]) {
    assert.equal(parseStarts(value), null);
  }
  assert.deepEqual(parseStarts([{ epoch: 2, seqFirst: 9, more: 1 }]), [{ epoch: 2, seqFirst: 9 }]);
});
