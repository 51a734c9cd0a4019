import assert from "node:assert/strict";
import { test } from "node:test";
import type { SeqRange } from "../../../lib/delivery/range/range.ts";
import { SettledSet } from "../../../lib/delivery/range/settled-set.ts";

const pairs = (ranges: readonly SeqRange[]) => ranges.map(({ first, last }) => [first, last]);

test("settled set: the floor rises over what was settled before, as soon as the gap below it closes", () => {
  const set = new SettledSet(2, [{ first: 5, last: 7 }]);
  set.add({ first: 9, last: 9 });
  assert.deepEqual([set.floor, set.size, set.count], [2, 2, 6]);
  set.add({ first: 3, last: 4 });
  assert.deepEqual([set.floor, pairs(set.above()), set.count], [7, [[9, 9]], 8]);
});

test("settled set: what is saved right above the floor is part of it", () => {
  const set = new SettledSet(2, [{ first: 3, last: 4 }]);
  assert.deepEqual([set.floor, set.size], [4, 0]);
});

test("settled set: a range across the floor is settled up to it, and open only above", () => {
  const set = new SettledSet(4, [{ first: 7, last: 8 }]);
  const range = { first: 3, last: 9 };
  assert.deepEqual(pairs(set.parts(range)), [
    [3, 4],
    [7, 8],
  ]);
  assert.deepEqual(pairs(set.gaps(range)), [
    [5, 6],
    [9, 9],
  ]);
  assert.deepEqual(set.gaps({ first: 1, last: 4 }), []);
});

test("settled set: ranges of one value are one where all between them is settled", () => {
  const set = new SettledSet(0, [{ first: 3, last: 4 }]);
  const ranges = [
    { first: 1, last: 2, value: 1 },
    { first: 5, last: 5, value: 1 },
    { first: 6, last: 6, value: 2 },
    { first: 8, last: 8, value: 2 },
  ];
  assert.deepEqual(set.join(ranges), [
    { first: 1, last: 5, value: 1 },
    { first: 6, last: 6, value: 2 },
    { first: 8, last: 8, value: 2 },
  ]);
});
