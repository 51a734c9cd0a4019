import { cp } from "node:fs/promises";
import { join } from "node:path";
import { FileJournal } from "../../lib/journal/index.ts";
import { benchPlace, burstsAlone, nothing } from "../journal/place.ts";
import type { Run } from "../run.ts";
import { type Scenario, type System, sizeOf } from "../scenario.ts";

const PENDING_BYTES = 2 ** 24;

/** A journal with as many entries as are measured, in the page cache, and not closed, as after a crash. */
async function filled(run: Run, directory: string): Promise<FileJournal> {
  const journal = await FileJournal.open(directory, {
    sync: "never",
    pendingBytesMax: PENDING_BYTES,
  });
  const value = Buffer.alloc(sizeOf(run.options), 7);
  for (let count = 0; count < run.options.messages; count++) {
    if (journal.full) await journal.room();
    journal.append(value);
  }
  await journal.sync();
  return journal;
}

const batches: System = {
  name: "read, batches and a cursor",
  baseline: null,
  receive: nothing,
  async send(run) {
    const journal = await filled(run, benchPlace());
    await burstsAlone(run, async (from, to) => {
      let seq = from;
      for await (const batch of journal.read().batches()) {
        const cursor = batch.cursor();
        while (seq < to && cursor.next()) run.tally.take(seq++);
        if (seq === to) return;
      }
    });
  },
};

const entries: System = {
  name: "read, entry by entry",
  baseline: batches.name,
  receive: nothing,
  async send(run) {
    const journal = await filled(run, benchPlace());
    await burstsAlone(run, async (from, to) => {
      let seq = from;
      for await (const _ of journal.read()) {
        run.tally.take(seq++);
        if (seq === to) return;
      }
    });
  },
};

/** Entries recovered per second: all of the journal is read or, after a clean close, only its end. */
const opened = (name: string, baseline: string | null, isClosed: boolean): System => ({
  name,
  baseline,
  receive: nothing,
  async send(run) {
    const place = benchPlace();
    const original = join(place, "journal");
    const journal = await filled(run, original);
    if (isClosed) await journal.close();
    // Opening changes the files: the warm-up and the measured burst have one copy each.
    const copies = ["warm-up", "measured"].map((copy) => join(place, copy));
    for (const copy of copies) await cp(original, copy, { recursive: true });
    if (!isClosed) await journal.close();
    await burstsAlone(run, async (from, to) => {
      const again = await FileJournal.open(copies.shift()!);
      const { seqStored } = again;
      if (seqStored !== run.options.messages) throw new Error(`${seqStored} entries came back`);
      for (let seq = from; seq < to; seq++) run.tally.take(seq);
      await again.close();
    });
  },
});

const afterCrash = opened("open after a crash", null, false);

/** Reading a journal, and opening it. */
export const scenario: Scenario = {
  name: "journal-read",
  summary: "entries a second: read from the page cache, and recovered by opening",
  where: "one process, the disk of TMPDIR",
  defaults: { size: 100, messages: 5_000_000, runs: 5, subscribers: null },
  countedBy: "sender",
  paced: false,
  warmsUpOnce: true,
  systems: [
    batches,
    entries,
    afterCrash,
    opened("open after a clean close", afterCrash.name, true),
  ],
};
