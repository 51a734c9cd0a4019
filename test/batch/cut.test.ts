import assert from "node:assert/strict";
import { test } from "node:test";
import { Batch, type EntryEnd } from "../../lib/batch/batch.ts";
import { cutBatch, sliceBatch } from "../../lib/batch/batch-split.ts";
import { MemoryJournal } from "../../lib/journal/index.ts";

test("batch: a slice that continues after the previous one equals the slice that is cut from the start", async () => {
  const journal = new MemoryJournal();
  await journal.append(Array.from({ length: 40 }, (_, at) => Buffer.alloc(at, at)));
  const { value: batch } = await journal.read().batches().next();
  let end: EntryEnd | undefined;
  for (let seqFirst = 1; seqFirst <= 40; seqFirst += 3) {
    const range = { seqFirst, seqLast: Math.min(40, seqFirst + 1) };
    const piece = cutBatch(batch!, range, end);
    assert.deepEqual(piece.bytes, sliceBatch(batch!, range));
    assert.equal(new Batch(piece.bytes).seqFirst, seqFirst);
    end = piece.end!;
  }
  // A mark behind the range is of no use, and does no harm.
  const range = { seqFirst: 2, seqLast: 3 };
  assert.deepEqual(cutBatch(batch!, range, end).bytes, sliceBatch(batch!, range));
});
