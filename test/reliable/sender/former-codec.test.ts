import assert from "node:assert/strict";
import { test } from "node:test";
import type { Batch } from "../../../lib/batch/batch.ts";
import { BatchEncoder } from "../../../lib/batch/batch-encoder.ts";
import { MemoryJournal } from "../../../lib/journal/memory-journal.ts";
import { FormerCodec } from "../../../lib/reliable/sender/former-codec.ts";

const [RAW, MSGPACK, JSON_TEXT, BYTES] = [1, 2, 3, 0];

/** Batches of two messages each, with these codecs. */
async function batchesOf(...codecs: readonly number[]): Promise<Batch[]> {
  const journal = new MemoryJournal();
  for (const codec of codecs) {
    const encoder = new BatchEncoder({ codec });
    for (const value of ["a", "b"]) encoder.add(Buffer.from(value));
    await journal.appendDraft(encoder.take());
  }
  const batches: Batch[] = [];
  for await (const batch of journal.read().batches()) batches.push(batch);
  return batches;
}

/** What a sender takes of these batches, and what it says. */
function looked(
  batches: readonly Batch[],
  { codec, settled, seqBefore }: { codec: string; settled?: readonly number[]; seqBefore?: number },
) {
  const said: string[] = [];
  const former = new FormerCodec({
    codec,
    seqBefore: seqBefore ?? 2 * batches.length,
    isSettled: (seq) => settled?.includes(seq) ?? false,
    onChecked: () => said.push("checked"),
    onRefused: (error, seq) => said.push(`${seq}: ${error().message}`),
  });
  return { taken: batches.map((batch) => former.takes(batch)), said };
}

test("former codec: a batch of which all is settled is taken, whatever its codec", async () => {
  const batches = await batchesOf(JSON_TEXT, MSGPACK, JSON_TEXT);
  const all = looked(batches, { codec: "json", settled: [3, 4] });
  assert.deepEqual(all, { taken: [true, true, true], said: ["checked"] });
  const part = looked(batches.slice(1), { codec: "json", settled: [3] });
  assert.deepEqual(part.taken, [false, true]);
  assert.match(part.said[0]!, /^4: .*messages from 4 on .*codec msgpack.*codec json/);
});

test("former codec: what this sender itself stores is not looked at", async () => {
  const batches = await batchesOf(JSON_TEXT, MSGPACK);
  const { taken } = looked(batches, { codec: "json", seqBefore: 2 });
  assert.deepEqual(taken, [true, true]);
});

test("former codec: raw() reads bytes of no format, and a codec of a program is like no other", async () => {
  const batches = await batchesOf(BYTES, RAW);
  assert.deepEqual(looked(batches, { codec: "raw" }).taken, [true, true]);
  const { taken, said } = looked(batches, { codec: "cbor" });
  assert.deepEqual(taken, [true, false]);
  assert.match(said[1]!, /of codec raw, and this socket has codec cbor/);
  const other = looked(batches, { codec: "json" });
  assert.match(other.said[0]!, /of codec number 0, which is none of this package, and/);
});
