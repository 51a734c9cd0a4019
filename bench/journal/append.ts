import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import { open as openLmdb } from "lmdb";
import { FileJournal } from "../../lib/journal/file-journal.ts";
import type { SyncLevel } from "../../lib/journal/file-journal-options.ts";
import { BareFile } from "./bare-file.ts";
import { against, type Row } from "./report.ts";

/** In flight at most: what an appender that does not await each append is bounded by (bytes). */
const PENDING_BYTES = 2 ** 24;
/** Others take batches of this many messages per transaction, their fast way (count). */
const TRANSACTION_MESSAGES = 10_000;

interface Work {
  readonly place: string;
  readonly size: number;
  readonly messages: number;
}

/** Messages a second, appended one by one without awaiting each. */
export async function appendRows(work: Work): Promise<Row[]> {
  const scenario = `append, ${work.size} B, not awaiting each`;
  const row = (system: string, value: number) => ({ scenario, system, value, unit: "messages/s" });
  await journal(
    { ...work, messages: work.messages / 10, place: join(work.place, "warm") },
    "always",
  );
  const rows = [
    row("bare write + fdatasync, 1 MiB", await bare(work, 2 ** 20)),
    row("journal, sync always", await journal(work, "always")),
    row("bare write + fdatasync, 4 MiB", await bare(work, 2 ** 22)),
    row("journal, sync interval", await journal(work, "interval")),
    row("journal, sync never", await journal(work, "never")),
    row("lmdb, 10,000 a transaction", await lmdb(work)),
    row("classic-level, 10,000 a batch", await level(work)),
  ];
  return against("bare write + fdatasync, 4 MiB", rows);
}

async function journal(work: Work, sync: SyncLevel): Promise<number> {
  const log = await FileJournal.open(join(work.place, `journal-${sync}`), {
    sync,
    pendingBytesMax: PENDING_BYTES,
  });
  const value = Buffer.alloc(work.size, 7);
  const start = performance.now();
  for (let index = 1; index < work.messages; index++) {
    if (log.full) await log.room();
    log.append(value);
  }
  // Stored at the journal's level: `sync()` would make the lazy ones flush all they left for later.
  await log.append(value);
  const elapsed = performance.now() - start;
  await log.close();
  return (work.messages / elapsed) * 1000;
}

/** The limit: the same bytes in large writes, each synced. */
async function bare(work: Work, pieceBytes: number): Promise<number> {
  const file = await BareFile.create(join(work.place, `bare-${pieceBytes}`));
  const piece = Buffer.alloc(pieceBytes, 7);
  const pieces = Math.ceil((work.messages * work.size) / pieceBytes);
  const start = performance.now();
  for (let index = 0; index < pieces; index++) await file.append(piece);
  const elapsed = performance.now() - start;
  await file.close();
  return ((pieces * pieceBytes) / work.size / elapsed) * 1000;
}

/** A tenth of the messages: they are slower, and their rate is the same. */
async function lmdb(work: Work): Promise<number> {
  const store = openLmdb<Buffer, number>({
    path: join(work.place, "lmdb"),
    encoding: "binary",
    overlappingSync: false,
  });
  const value = Buffer.alloc(work.size, 7);
  const messages = Math.max(TRANSACTION_MESSAGES, work.messages / 10);
  const start = performance.now();
  for (let index = 0; index < messages; ) {
    const end = index + TRANSACTION_MESSAGES;
    await store.batch(() => {
      for (; index < end; index++) store.put(index, value);
    });
  }
  const elapsed = performance.now() - start;
  await store.close();
  return (messages / elapsed) * 1000;
}

async function level(work: Work): Promise<number> {
  await mkdir(work.place, { recursive: true });
  const store = new ClassicLevel<string, Buffer>(join(work.place, "level"), {
    valueEncoding: "buffer",
  });
  await store.open();
  const value = Buffer.alloc(work.size, 7);
  const messages = Math.max(TRANSACTION_MESSAGES, work.messages / 10);
  const start = performance.now();
  for (let index = 0; index < messages; ) {
    const end = index + TRANSACTION_MESSAGES;
    const batch = store.batch();
    for (; index < end; index++) batch.put(String(index).padStart(12, "0"), value);
    await batch.write({ sync: true });
  }
  const elapsed = performance.now() - start;
  await store.close();
  return (messages / elapsed) * 1000;
}
