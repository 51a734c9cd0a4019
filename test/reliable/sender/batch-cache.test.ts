import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Batch } from "../../../lib/batch/batch.ts";
import { BatchCache } from "../../../lib/reliable/sender/batch-cache.ts";

/** As much of a batch as the cache looks at. */
function batch(seqFirst: number, count: number, bytes: number): Batch {
  return { seqFirst, seqLast: seqFirst + count - 1, bytes: Buffer.alloc(bytes) } as Batch;
}

const step = fc.record({
  type: fc.constantFrom("push" as const, "push" as const, "drop" as const, "evict" as const),
  count: fc.integer({ min: 1, max: 5 }),
  /** Seqs that are never there, between two batches (count). */
  gap: fc.integer({ min: 0, max: 2 }),
  bytes: fc.integer({ min: 1, max: 100 }),
  seq: fc.nat(300),
});

test("batch cache: it finds what is kept by seq, and forgets the oldest only", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const cache = new BatchCache();
      let model: Batch[] = [];
      let seqNext = 1;
      for (const { type, count, gap, bytes, seq } of steps) {
        if (type === "push") {
          const added = batch(seqNext + gap, count, bytes);
          seqNext = added.seqLast + 1;
          cache.push(added);
          model.push(added);
        } else if (type === "drop") {
          cache.dropBefore(seq);
          model = model.filter(({ seqLast }) => seqLast >= seq);
        } else {
          cache.evict(seq, bytes);
          while (sum(model) > bytes && model.length > 0 && model[0]!.seqLast < seq) model.shift();
        }
        assert.equal(cache.bytes, sum(model));
        for (const asked of [seq, seqNext - 1, seqNext, model[0]?.seqFirst ?? 1]) {
          const held = model.find(({ seqFirst, seqLast }) => seqFirst <= asked && asked <= seqLast);
          assert.equal(cache.find(asked), held ?? null);
        }
      }
    }),
  );
});

function sum(batches: readonly Batch[]): number {
  return batches.reduce((total, { bytes }) => total + bytes.length, 0);
}
