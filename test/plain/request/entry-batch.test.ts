import assert from "node:assert/strict";
import { test } from "node:test";
import { EntryBatch } from "../../../lib/plain/request/entry-batch.ts";
import {
  ENTRIES_MAX,
  type FrameEntry,
  REPLY_KINDS,
} from "../../../lib/plain/request/request-frames.ts";
import { range } from "../../support/fixtures.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const entry = (n: number, bytes = 1): FrameEntry => {
  const id = Buffer.alloc(12);
  id.writeUInt32BE(n);
  return { kind: REPLY_KINDS.value, id, leftMs: 0, headers: null, body: Buffer.alloc(bytes) };
};

function batch() {
  const frames: number[][] = [];
  const entries = new EntryBatch((all) => frames.push(all.map(({ id }) => id.readUInt32BE(0))));
  return { frames, entries };
}

test("entry batch: those of one turn share a frame, in order, and a lone one does not wait", async () => {
  const { frames, entries } = batch();
  entries.add(entry(0), true);
  assert.deepEqual(frames, [[0]]);
  for (const n of range(3)) entries.add(entry(n + 1), false);
  // Behind others it waits with them.
  entries.add(entry(4), true);
  assert.deepEqual(frames, [[0]]);
  await turn();
  assert.deepEqual(frames, [[0], [1, 2, 3, 4]]);
  await turn();
  assert.equal(frames.length, 2);
});

test("entry batch: a frame is bounded in entries and in bytes", async () => {
  const { frames, entries } = batch();
  for (const n of range(ENTRIES_MAX + 1)) entries.add(entry(n), false);
  assert.deepEqual(
    frames.map(({ length }) => length),
    [ENTRIES_MAX],
  );
  await turn();
  frames.length = 0;
  for (const n of range(4)) entries.add(entry(n, 30_000), false);
  entries.add(entry(4, 100_000), false);
  await turn();
  assert.deepEqual(frames, [[0, 1], [2, 3], [4]]);
});

test("entry batch: one that was removed is not written", async () => {
  const { frames, entries } = batch();
  for (const n of range(3)) entries.add(entry(n), false);
  assert.equal(entries.remove(entry(1).id), true);
  assert.equal(entries.remove(entry(1).id), false);
  entries.flush();
  entries.flush();
  assert.deepEqual(frames, [[0, 2]]);
  await turn();
  assert.equal(frames.length, 1);
});
