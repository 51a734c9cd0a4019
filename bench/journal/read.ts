import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { FileJournal } from "../../lib/journal/file-journal.ts";
import type { Row } from "./report.ts";

/** What is opened after a crash (bytes). */
const OPEN_BYTES = 2 ** 30;

async function fill(place: string, size: number, messages: number): Promise<FileJournal> {
  const journal = await FileJournal.open(place, { sync: "never", pendingBytesMax: 2 ** 24 });
  const value = Buffer.alloc(size, 7);
  for (let index = 0; index < messages; index++) {
    if (journal.full) await journal.room();
    journal.append(value);
  }
  await journal.sync();
  return journal;
}

/** Entries a second, from the page cache. */
export async function readRows(work: {
  readonly place: string;
  readonly size: number;
  readonly messages: number;
}): Promise<Row[]> {
  const journal = await fill(join(work.place, "journal"), work.size, work.messages);
  const scenario = `read, ${work.size} B, values not decoded`;
  const row = (system: string, elapsedMs: number): Row => {
    const value = (work.messages / elapsedMs) * 1000;
    return { scenario, system, value, unit: "entries/s", against: null };
  };
  const batches = await time(async () => {
    let bytes = 0;
    for await (const batch of journal.read().batches()) {
      const cursor = batch.cursor();
      while (cursor.next()) bytes += cursor.end - cursor.start;
    }
    return bytes;
  });
  const entries = await time(async () => {
    let count = 0;
    for await (const entry of journal.read()) count += entry.seq > 0 ? 1 : 0;
    return count;
  });
  await journal.close();
  return [row("batches, cursor", batches), row("entry by entry", entries)];
}

/** Bytes a second, of a journal of 1 GiB. */
export async function openRows(work: {
  readonly place: string;
  readonly size: number;
}): Promise<Row[]> {
  const messages = Math.floor(OPEN_BYTES / (work.size + 4));
  const place = join(work.place, "journal");
  const crashed = join(work.place, "crashed");
  const writer = await fill(place, work.size, messages);
  // What a process that dies leaves: the same files without the end of a clean close.
  await cp(place, crashed, { recursive: true });
  await writer.close();
  const scenario = "open, 1 GiB";
  const rows: Row[] = [];
  const clean = await time(async () => (await FileJournal.open(place)).close());
  rows.push({
    scenario,
    system: "after a clean close (and close)",
    value: clean,
    unit: "ms",
    against: null,
  });
  let bytesRead = 0;
  const start = performance.now();
  const journal = await FileJournal.open(crashed);
  const elapsed = performance.now() - start;
  bytesRead = journal.recovery.bytesRead;
  await journal.close();
  await rm(crashed, { recursive: true });
  const value = bytesRead / 1e6 / (elapsed / 1000);
  rows.push({
    scenario: "open after a crash, 1 GiB",
    system: "journal",
    value,
    unit: "MB/s",
    against: null,
  });
  return rows;
}

async function time(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
