import assert from "node:assert/strict";
import { test } from "node:test";
import type { Journal } from "../../../lib/journal/journal.ts";
import { MemoryJournal } from "../../../lib/journal/memory-journal.ts";
import { Backlog } from "../../../lib/reliable/sender/backlog.ts";
import { SequentialReads } from "../../../lib/reliable/sequential-reads.ts";
import { changed } from "../../support/changed.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const BATCHES = 400;
const BATCH_ENTRIES = 3;

/** A journal of many small batches, and how often somebody began to read it. */
async function stored(): Promise<{ readonly journal: Journal; readonly reads: () => number }> {
  const memory = new MemoryJournal();
  for (let batch = 0; batch < BATCHES; batch++) {
    await memory.append(Array.from({ length: BATCH_ENTRIES }, () => Buffer.alloc(20, batch)));
  }
  let reads = 0;
  const read: Journal["read"] = (options) => {
    reads += 1;
    return memory.read(options);
  };
  return { journal: changed(memory, { read }), reads: () => reads };
}

/**
 * Lets a backlog be dispatched as soon as it is fed, while a receiver may not have it yet for many turns.
 *
 * @returns batches that were not in memory when they were to be sent (count)
 */
async function readBack(isProtected: boolean): Promise<number> {
  const { journal } = await stored();
  let fed = 0;
  let sent = 0;
  let missed = 0;
  const backlog = new Backlog({
    journal,
    clock: new ManualClock(),
    bytesMax: 2_000,
    formerCodec: { takes: () => true, checked: () => {} },
    fed: () => fed,
    freshFirst: () => fed + 1,
    onMissing: () => assert.fail("nothing is missing"),
    unsentFirst: () => (isProtected && sent < fed ? sent + 1 : Number.POSITIVE_INFINITY),
    feed: ({ last }) => {
      fed = last;
    },
    onFailed: (error) => assert.fail(error),
  });
  backlog.fill();
  for (let turn = 0; sent < journal.seqStored; turn++) {
    assert.ok(turn < 10_000, `stuck at ${sent} of ${journal.seqStored}`);
    await new Promise((resolve) => setImmediate(resolve));
    // Now and then a save is done, and what it held up leaves.
    if (turn % 3 !== 2) continue;
    while (sent < fed) {
      const batch = backlog.find(sent + 1);
      if (batch === null) missed += 1;
      sent = batch === null ? Math.min(fed, sent + BATCH_ENTRIES) : batch.seqLast;
    }
    backlog.fill();
  }
  backlog.close();
  return missed;
}

test("backlog: what is dispatched and has not left yet is not read from the journal a second time", async () => {
  assert.equal(await readBack(true), 0);
});

test("control: without that rule it is", async () => {
  assert.ok((await readBack(false)) > BATCHES / 2);
});

test("sequential reads: batches that are asked for in a row cost one reader", async () => {
  const { journal, reads } = await stored();
  const sequential = new SequentialReads(journal, new ManualClock());
  for (let batch = 0; batch < BATCHES; batch++) {
    const seq = batch * BATCH_ENTRIES + 1;
    assert.equal((await sequential.load(seq)).seqFirst, seq);
  }
  assert.equal(reads(), 1);
  sequential.close();
});

test("control: with each reader closed after a batch they cost one each", async () => {
  const { journal, reads } = await stored();
  for (let batch = 0; batch < BATCHES; batch++) {
    const sequential = new SequentialReads(journal, new ManualClock());
    await sequential.load(batch * BATCH_ENTRIES + 1);
    sequential.close();
  }
  assert.equal(reads(), BATCHES);
});

test("sequential reads: places far apart, and what was stored since, are found too", async () => {
  const { journal } = await stored();
  const clock = new ManualClock();
  const sequential = new SequentialReads(journal, clock);
  const places = [1, 1_000, 2, 600, 4, 1_199, 1_200, 500, 3];
  for (const seq of places) {
    const { seqFirst, seqLast } = await sequential.load(seq);
    assert.ok(seqFirst <= seq && seq <= seqLast, `${seq} is not in ${seqFirst} to ${seqLast}`);
  }
  const seq = await journal.append(Buffer.from("later"));
  assert.equal((await sequential.load(seq)).seqLast, seq);
  await assert.rejects(sequential.load(seq + 1), { code: "BROKERLESS_GAP" });
  sequential.close();
});

test("sequential reads: a reader that nobody reads on with is closed", async () => {
  const { journal } = await stored();
  let open = 0;
  const counted = changed(journal, {
    read: (options) => {
      open += 1;
      const reader = journal.read(options);
      const close = reader.close.bind(reader);
      reader.close = () => {
        open -= 1;
        return close();
      };
      return reader;
    },
  });
  const clock = new ManualClock();
  const sequential = new SequentialReads(counted, clock);
  await sequential.load(1);
  clock.advance(500);
  await sequential.load(2_000 % journal.seqStored);
  assert.ok(open > 0);
  clock.advance(5_000);
  assert.equal(open, 0);
});
