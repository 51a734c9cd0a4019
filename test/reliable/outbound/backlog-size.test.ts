import assert from "node:assert/strict";
import { test } from "node:test";
import { BacklogSize } from "../../../lib/reliable/outbound/backlog-size.ts";
import type { BatchSize } from "../../../lib/reliable/outbound/batch-runs.ts";

const BATCH_BYTES = 120;

function filled(batches: number): BacklogSize {
  const size = new BacklogSize();
  for (let seq = 1; seq <= batches; seq++) size.appended(seq, BATCH_BYTES, 1);
  return size;
}

test("backlog size: ten million batches of one message cost no more than some thousand objects", () => {
  const size = filled(10_000_000);
  assert.equal(size.bytes, 10_000_000 * BATCH_BYTES);
  assert.equal(size.count, 10_000_000);
  assert.ok(size.runs < 20_000, `${size.runs} objects`);
});

test("backlog size: a small backlog is freed batch by batch", () => {
  const size = filled(100);
  for (let floor = 1; floor <= 100; floor++) assert.equal(size.free(floor), BATCH_BYTES);
  assert.equal(size.bytes, 0);
});

test("backlog size: what is freed lags behind by a thousandth of the largest backlog at most", () => {
  const batches = 200_000;
  const size = filled(batches);
  for (let floor = 1; floor <= batches; floor++) {
    size.free(floor);
    const behind = size.bytes - (batches - floor) * BATCH_BYTES;
    assert.ok(behind >= 0, `${-behind} bytes too few at ${floor}`);
    assert.ok(behind <= (batches * BATCH_BYTES) / 1_000, `${behind} bytes too many at ${floor}`);
  }
  assert.equal(size.bytes, 0);
});

test("backlog size: batches that could not be stored leave nothing, and do not hold back what follows", () => {
  const size = filled(5_000);
  const lost: BatchSize[] = [];
  for (let seq = 5_001; seq <= 5_020; seq++) lost.push(size.appended(seq, BATCH_BYTES, 1));
  assert.ok(
    lost.some(({ lastBefore }) => lastBefore > 0),
    "none of them joined another",
  );
  for (const batch of lost) size.failed(batch, 1);
  assert.deepEqual([size.bytes, size.count], [5_000 * BATCH_BYTES, 5_000]);
  // Their seqs are given again.
  size.appended(5_001, BATCH_BYTES, 1);
  size.settled(5_001);
  size.free(5_001);
  assert.deepEqual([size.bytes, size.count, size.runs], [0, 0, 0]);
});

test("backlog size: what a process before has left is freed message by message, read or not", () => {
  const size = new BacklogSize();
  size.restored({ first: 11, last: 110, bytes: 100_000 }, 90);
  assert.deepEqual([size.bytes, size.count], [100_000, 90]);
  assert.equal(size.free(10), 0);
  assert.equal(size.free(35), 25_000);
  // Half of the first batch is needed no more.
  assert.equal(size.read({ first: 26, last: 45 }, 4_000), true);
  assert.equal(size.bytes, 2_000 + 65 * 200);
  size.appended(111, BATCH_BYTES, 1);
  assert.equal(size.read({ first: 111, last: 111 }, BATCH_BYTES), false);
  assert.equal(size.free(60), 2_000 + 15 * 200);
  assert.equal(size.bytes, 50 * 200 + BATCH_BYTES);
  size.free(110);
  assert.equal(size.bytes, BATCH_BYTES);
});

test("backlog size: what was left takes no more than there is for it, and nothing where there is none", () => {
  const size = new BacklogSize();
  size.restored({ first: 1, last: 0, bytes: 0 }, 0);
  assert.equal(size.bytes, 0);
  size.restored({ first: 1, last: 100, bytes: 100_000 }, 100);
  size.read({ first: 1, last: 1 }, 90_000);
  assert.equal(size.bytes, 100_000);
  // Its estimate was too small.
  size.read({ first: 2, last: 2 }, 90_000);
  assert.equal(size.bytes, 180_000);
});

test("backlog size: what was left costs few objects when it is read", () => {
  const size = new BacklogSize();
  const last = 1_000_000;
  size.restored({ first: 1, last, bytes: last * BATCH_BYTES }, last);
  for (let seq = 1; seq <= last; seq++) size.read({ first: seq, last: seq }, BATCH_BYTES);
  assert.equal(size.bytes, last * BATCH_BYTES);
  assert.ok(size.runs < 20_000, `${size.runs} objects`);
  size.free(last);
  assert.deepEqual([size.bytes, size.runs], [0, 0]);
});
