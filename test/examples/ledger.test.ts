import assert from "node:assert/strict";
import { test } from "node:test";
import { readChunks } from "../../examples/flights/durable/chunks.ts";
import { Ledger } from "../../examples/flights/durable/ledger.ts";
import { type FlightPart, FlightSummary } from "../../examples/flights/flight-summary.ts";
import type { Job } from "../../examples/flights/job.ts";
import { temporaryDirectory, temporaryFile } from "./support/temporary.ts";

const job: Job<{ delay: number; distance: number; time: number }, FlightPart> = {
  name: "flights",
  check: () => ({ delay: 1, distance: 1, time: 1 }),
  summary: () => new FlightSummary(),
};

function resultOf(chunk: number): { chunk: number; count: number; part: FlightPart } {
  const summary = job.summary();
  summary.add({ delay: chunk, distance: 100, time: 0 });
  return { chunk, count: 1, part: summary.part() };
}

test("ledger: a result that comes again is counted once, in one call and in another", async (t) => {
  const ledger = await Ledger.open(temporaryDirectory(t), job);
  await ledger.add([resultOf(1), resultOf(2), resultOf(1)]);
  await ledger.add([resultOf(2), resultOf(3)]);
  assert.deepEqual([ledger.count, ledger.chunks, ledger.repeated], [3, 3, 2]);
  assert.deepEqual(ledger.summary.part()[0], [3, 6]);
  await ledger.close();
});

test("ledger: what was counted is known after a restart, and is not counted again", async (t) => {
  const directory = temporaryDirectory(t);
  for (const round of [1, 2, 3]) {
    const ledger = await Ledger.open(directory, job);
    assert.equal(ledger.count, round === 1 ? 0 : 8 + round);
    // Chunk 9 + round is new in each round.
    const results = Array.from({ length: 9 + round }, (_, index) => resultOf(index + 1));
    await ledger.add(results);
    assert.equal(ledger.count, 9 + round);
    await ledger.close();
  }
});

test("chunks: who reads a file again gets the same ones, of bounded size", async (t) => {
  const lines = Array.from({ length: 1_100 }, (_, index) =>
    JSON.stringify({ index, text: "x".repeat(index === 600 ? 300_000 : index % 7) }),
  );
  const path = temporaryFile(t, "chunks.ndjson", `${lines.join("\n")}\n`);
  const read = async () => {
    const chunks: (readonly [chunk: number, records: number, isLast: boolean])[] = [];
    for await (const { chunk, records, isLast } of readChunks(path, job)) {
      chunks.push([chunk, records.length, isLast]);
    }
    return chunks;
  };
  const chunks = await read();
  assert.deepEqual(chunks, await read());
  assert.deepEqual(chunks, [
    [1, 250, false],
    [2, 250, false],
    [3, 101, false],
    [4, 250, false],
    [5, 249, true],
  ]);
});
