import assert from "node:assert/strict";
import { test } from "node:test";
import { Tally } from "../../bench/tally.ts";

function tallyOf(first: number, end: number, seqs: readonly number[]): Tally {
  const tally = new Tally(4, () => {});
  tally.begin(first, end);
  for (const seq of seqs) tally.take(seq);
  return tally;
}

test("tally: messages in order are complete with the last one", () => {
  const tally = tallyOf(10, 13, [10, 11, 12]);
  assert.equal(tally.complete, true);
  assert.equal(tally.lost, 0);
  assert.equal(tally.duplicated, 0);
});

test("tally: a hole and a missing tail are lost", () => {
  const tally = tallyOf(0, 10, [0, 1, 4, 5]);
  assert.equal(tally.complete, false);
  assert.equal(tally.lost, 2 + 4);
});

test("tally: a late message fills its hole and is no duplicate", () => {
  const tally = tallyOf(0, 4, [0, 3, 2, 1]);
  assert.equal(tally.complete, true);
  assert.equal(tally.duplicated, 0);
});

test("tally: a second arrival is a duplicate, before and after the end", () => {
  const tally = tallyOf(0, 3, [0, 1, 1, 2, 0]);
  assert.equal(tally.complete, true);
  assert.equal(tally.lost, 0);
  assert.equal(tally.duplicated, 2);
});

test("tally: begin forgets what was counted", () => {
  const tally = tallyOf(0, 3, [0, 2, 2]);
  tally.begin(3, 5);
  assert.equal(tally.lost, 2);
  assert.equal(tally.duplicated, 0);
});

test("tally: marks come every so often and with the last message, holes or not", () => {
  const marks: number[] = [];
  const tally: Tally = new Tally(4, () => marks.push(tally.next));
  tally.begin(0, 10);
  for (const seq of [0, 1, 2, 3, 5, 6, 8, 9, 7, 4]) tally.take(seq);
  assert.deepEqual(marks, [0, 4, 9, 10, 10]);
  assert.equal(tally.complete, true);
});
