import assert from "node:assert/strict";
import { test } from "node:test";
import type { JournalPorts } from "../../lib/journal/disk/ports.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import type { FileJournalOptions } from "../../lib/journal/file/file-journal-options.ts";
import { repairJournal } from "../../lib/journal/recovery/repair.ts";
import { Random } from "../support/random.ts";
import { SimDisk } from "../support/sim-disk.ts";
import { simPorts } from "../support/sim-ports.ts";

const HOUR_MS = 3_600_000;
const START_MS = 1_700_000_000_000;
const DIRECTORY = "/j";

/** A journal in a world whose clock is set at will. */
class Clocked {
  readonly disk = new SimDisk();
  nowMs = START_MS;
  journal!: FileJournal;
  readonly #options: FileJournalOptions;

  constructor(options: FileJournalOptions = {}) {
    this.#options = { segmentBytes: 4096, ...options };
  }

  get ports(): JournalPorts {
    return { ...simPorts(this.disk), now: () => this.nowMs };
  }

  async open(): Promise<this> {
    this.journal = await FileJournal.openWith(this.ports, DIRECTORY, this.#options);
    return this;
  }

  /** Appends so many entries, each a batch of its own, a second apart. */
  async append(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await this.journal.append(Buffer.alloc(400));
      this.nowMs += 1_000;
    }
  }

  /** What a read from a time must begin with, found by reading all. */
  async firstSince(timeMs: number): Promise<number | null> {
    for await (const batch of this.journal.read().batches()) {
      if (batch.timeMs >= timeMs) return batch.seqFirst;
    }
    return null;
  }

  async readSince(timeMs: number): Promise<number | null> {
    for await (const { seq } of this.journal.read({ from: { time: new Date(timeMs) } })) return seq;
    return null;
  }
}

test("clock: a read from a time finds the first batch of then, wherever the clock was set meanwhile", async (t) => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const random = new Random(seed);
  for (let round = 0; round < 12; round++) {
    const clocked = await new Clocked(round % 2 === 0 ? {} : { recovery: "newest" }).open();
    for (let step = 0; step < 6; step++) {
      await clocked.append(5 + random.below(20));
      clocked.nowMs = START_MS + (random.below(200) - 100) * HOUR_MS;
      if (random.chance(0.4)) {
        // With or without a close: what is read from is a clean journal, or a crash.
        if (random.chance(0.5)) await clocked.journal.close();
        await clocked.open();
      }
    }
    let before = 0;
    for await (const { timeMs } of clocked.journal.read().batches()) {
      assert.ok(timeMs >= before, `round ${round}: a time falls`);
      before = timeMs;
    }
    for (let asked = 0; asked < 20; asked++) {
      const timeMs = START_MS + (random.below(240) - 120) * HOUR_MS + random.below(20_000);
      const [found, wanted] = [await clocked.readSince(timeMs), await clocked.firstSince(timeMs)];
      assert.equal(found, wanted, `round ${round}, ${timeMs}`);
    }
    await clocked.journal.close();
  }
});

test("clock: after a repair a read from a time finds what is behind the gap", async () => {
  const clocked = await new Clocked().open();
  await clocked.append(40);
  const lastMs = clocked.nowMs - 1_000;
  await clocked.journal.close();
  const path = `${DIRECTORY}/0000000003.segment`;
  const bytes = clocked.disk.peek(path);
  clocked.disk.poke(path, bytes.fill(0, 600, 1_200));
  await repairJournal(DIRECTORY, clocked.ports);
  await clocked.open();
  await clocked.append(1);
  assert.equal(await clocked.readSince(lastMs), 40);
  assert.equal(await clocked.readSince(lastMs + 1), 41);
});

test("clock: the time does not fall behind a newest segment without entries", async () => {
  const clocked = await new Clocked({ recovery: "newest" }).open();
  await clocked.append(12);
  // Values that fill the segment, so that the newest begins with them and holds nothing else.
  for (let i = 0; i < 3; i++) await clocked.journal.set({ cursor: Buffer.alloc(4_000, i) });
  clocked.nowMs -= 48 * HOUR_MS;
  await clocked.open();
  await clocked.append(1);
  let before = 0;
  for await (const { timeMs } of clocked.journal.read().batches()) {
    assert.ok(timeMs >= before);
    before = timeMs;
  }
});

/** Entries that a retention of an hour keeps, after a day of so many an hour apart and one odd moment. */
async function keptAround(oddMs: number): Promise<{ during: number; after: number }> {
  const clocked = await new Clocked({ retention: { ageMs: HOUR_MS } }).open();
  await clocked.append(40);
  clocked.nowMs += oddMs;
  await clocked.append(30);
  clocked.nowMs -= oddMs;
  await clocked.append(1);
  const kept = () => clocked.journal.seqStored + 1 - clocked.journal.seqFirst;
  const during = kept();
  for (let day = 0; day < 5; day++) {
    clocked.nowMs += 24 * HOUR_MS;
    await clocked.append(40);
  }
  await clocked.journal.truncateBefore(1);
  const after = kept();
  await clocked.journal.close();
  return { during, after };
}

test("clock: retention by age goes on after a moment in which the clock was years ahead", async () => {
  const { after } = await keptAround(10 * 365 * 24 * HOUR_MS);
  assert.ok(after < 80, `${after} of 271 are kept`);
});

test("clock: retention by age keeps a segment that lived long before the clock was behind", async () => {
  const clocked = await new Clocked({ retention: { ageMs: HOUR_MS } }).open();
  await clocked.append(1);
  clocked.nowMs += 3 * HOUR_MS;
  await clocked.append(1);
  clocked.nowMs -= 48 * HOUR_MS;
  await clocked.append(30);
  clocked.nowMs += 48 * HOUR_MS;
  await clocked.append(30);
  assert.equal(clocked.journal.seqFirst, 1);
  await clocked.journal.close();
});

test("clock: retention by age frees nothing new after a moment in which the clock was behind", async () => {
  const { during, after } = await keptAround(-48 * HOUR_MS);
  assert.equal(during, 71);
  assert.ok(after < 80, `${after} of 271 are kept`);
});
