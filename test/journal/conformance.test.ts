import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import type { FileJournalOptions } from "../../lib/journal/file/file-journal-options.ts";
import type { Journal } from "../../lib/journal/journal.ts";
import { LmdbJournal } from "../../lib/journal/lmdb/lmdb-journal.ts";
import { MemoryJournal } from "../../lib/journal/memory-journal.ts";
import { journalConformance } from "../../lib/testing/journal-conformance.ts";

const pendingBytesMax = 2 ** 23;
const places = new WeakMap<Journal, string>();

journalConformance({
  name: "memory journal",
  create: async () => new MemoryJournal({ pendingBytesMax }),
  reopen: null,
});

fileConformance("file journal", {});
fileConformance("file journal, small segments", { segmentBytes: 4096, batchBytesMax: 256 });
fileConformance("file journal, sync interval", { sync: "interval", syncIntervalMs: 5 });
fileConformance("file journal, sync never", { sync: "never" });

journalConformance({
  name: "lmdb journal",
  create: async (t: TestContext) => {
    const place = await mkdtemp(join(tmpdir(), "brokerless-"));
    t.after(() => rm(place, { recursive: true }));
    const journal = await LmdbJournal.open(place, { pendingBytesMax });
    places.set(journal, place);
    return journal;
  },
  reopen: (closed) => LmdbJournal.open(places.get(closed)!, { pendingBytesMax }),
});

function fileConformance(name: string, options: FileJournalOptions): void {
  const open = async (place: string) => {
    const journal = await FileJournal.open(place, { ...options, pendingBytesMax });
    places.set(journal, place);
    return journal;
  };
  journalConformance({
    name,
    create: async (t: TestContext) => {
      const place = await mkdtemp(join(tmpdir(), "brokerless-"));
      t.after(() => rm(place, { recursive: true }));
      return open(place);
    },
    reopen: (closed) => open(places.get(closed)!),
  });
}
