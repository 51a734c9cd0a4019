import { join } from "node:path";
import { FileJournal } from "../../lib/journal/index.ts";
import { BareFile } from "../journal/bare-file.ts";
import { benchPlace, burstsAlone, nothing } from "../journal/place.ts";
import { levelKey, openLevel, openStore } from "../journal/stores.ts";
import type { Run } from "../run.ts";
import { type Scenario, type System, sizeOf } from "../scenario.ts";

/** Most bytes in flight, where no append is awaited (bytes). */
const PENDING_BYTES = 2 ** 24;
/** Messages in a transaction of the other stores, which is their fast way (count). */
const TRANSACTION_MESSAGES = 10_000;
/** Size of the journal's writes under load; the baseline writes the same (bytes). */
const LARGE_WRITE_BYTES = 2 ** 22;

/** The upper limit: the same bytes in large writes, each of them synced. */
const bare = (writeBytes: number, baseline: string | null): System => ({
  name: `bare write + fdatasync, ${writeBytes / 2 ** 20} MiB`,
  baseline,
  receive: nothing,
  async send(run) {
    const file = await BareFile.create(join(benchPlace(), "file"));
    const piece = Buffer.alloc(writeBytes, 7);
    const messagesPerPiece = Math.ceil(writeBytes / sizeOf(run.options));
    await inPieces(run, messagesPerPiece, () => file.append(piece));
  },
});

const limit = bare(LARGE_WRITE_BYTES, null);

const journal = (sync: "always" | "interval" | "never"): System => ({
  name: `journal, sync ${sync}`,
  baseline: limit.name,
  receive: nothing,
  async send(run) {
    const log = await FileJournal.open(benchPlace(), { sync, pendingBytesMax: PENDING_BYTES });
    const value = Buffer.alloc(sizeOf(run.options), 7);
    let counted = 0;
    const count = () => {
      while (counted < log.seqStored) run.tally.take(counted++);
    };
    await burstsAlone(run, async (from, to) => {
      for (let seq = from; seq < to; seq++) {
        if (log.full) {
          await log.room();
          count();
        }
        log.append(value);
      }
      // At the journal's own level: `sync()` would do at once the work that lazy stores defer.
      await log.set({ end: null });
      count();
    });
  },
});

const lmdb: System = {
  name: "lmdb, 10,000 a transaction",
  baseline: limit.name,
  receive: nothing,
  async send(run) {
    const store = openStore();
    const value = Buffer.alloc(sizeOf(run.options), 7);
    await inPieces(run, TRANSACTION_MESSAGES, (from, to) =>
      store.batch(() => {
        for (let key = from; key < to; key++) store.put(key, value);
      }),
    );
  },
};

const level: System = {
  name: "classic-level, sync, 10,000 a batch",
  baseline: limit.name,
  receive: nothing,
  async send(run) {
    const store = await openLevel();
    const value = Buffer.alloc(sizeOf(run.options), 7);
    await inPieces(run, TRANSACTION_MESSAGES, async (from, to) => {
      const batch = store.batch();
      for (let key = from; key < to; key++) batch.put(levelKey(key), value);
      await batch.write({ sync: true });
    });
  },
};

/** Stores so many messages, each group when the previous one is stored. */
async function inPieces(
  run: Run,
  count: number,
  store: (from: number, to: number) => PromiseLike<unknown>,
): Promise<void> {
  await burstsAlone(run, async (from, to) => {
    for (let at = from; at < to; at += count) {
      const end = Math.min(at + count, to);
      await store(at, end);
      for (let seq = at; seq < end; seq++) run.tally.take(seq);
    }
  });
}

/** One appender that awaits no append, by sync level, compared with other stores and the bare disk. */
export const scenario: Scenario = {
  name: "journal",
  summary: "appending to a journal without awaiting each, until all is stored",
  where: "one process, the disk of TMPDIR",
  defaults: { size: 100, messages: 2_000_000, runs: 5, subscribers: null },
  countedBy: "sender",
  paced: false,
  systems: [
    limit,
    bare(2 ** 20, limit.name),
    journal("always"),
    journal("interval"),
    journal("never"),
    lmdb,
    level,
  ],
};
