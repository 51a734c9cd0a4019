import fs from "node:fs";
import { dirname } from "node:path";
import { BrokerlessError } from "../../errors.ts";
import { type DiskFile, readAll, readWhole, writeAll } from "../disk/disk.ts";
import { corruptError, diskFailure } from "../disk/disk-errors.ts";
import { MARK_NAME } from "../disk/file-names.ts";
import { journalPlace } from "../disk/journal-place.ts";
import { nodeDisk } from "../disk/node-disk.ts";
import { nodePorts } from "../disk/ports.ts";
import { JournalView } from "../file/journal-view.ts";
import { encodeMark } from "../format/durable-mark.ts";
import type { VerifyReport } from "../journal.ts";
import { openingRefusal, withRefusal } from "../recovery/opening.ts";
import type { Segment } from "../segment/segment.ts";
import { isFreed } from "../segment/segment-cursor.ts";
import { findEnd, type LogEnd } from "./backup-end.ts";
import { makePartial } from "./backup-target.ts";

/** Contents of a backup. */
export interface BackupReport extends VerifyReport {
  /** The id of the stream (32 hex digits). */
  readonly stream: string;
  /** The first seq in the copy. */
  readonly seqFirst: number;
  /** The last seq in the copy. */
  readonly seqStored: number;
}

const CHUNK_BYTES = 2 ** 20;
/**
 * Rounds after which the backup fails, because the owner frees segments faster than they can be
 * copied (count).
 */
const ROUNDS_MAX = 100;

/**
 * Copies a file journal into a new directory, whether its owner is running or not. The copy is what
 * an open would find if the owner had been killed at one moment of the copying. It is verified, and
 * durable before the directory gets its name. The owner is neither involved nor stopped.
 *
 * @param to target directory; it must not exist, and its parent must exist and hold no journal
 * @returns contents of the copy; where the journal is damaged the copy is too, and `damage` says
 *   where
 * @throws TypeError for an invalid path
 * @throws BrokerlessError BROKERLESS_JOURNAL_FAILED, BROKERLESS_NO_SPACE, BROKERLESS_CORRUPT,
 *   BROKERLESS_VERSION; nothing is left behind then
 *
 * @example
 * ```ts
 * const { ok, seqFirst, seqStored } = await backupJournal("orders", "/backup/orders-monday");
 * console.log(`entries ${seqFirst} to ${seqStored}, ${ok ? "intact" : "damaged"}`);
 * ```
 *
 * @see docs/decisions/0030-backup.md
 */
export async function backupJournal(directory: string, to: string): Promise<BackupReport> {
  const from = journalPlace("backupJournal", directory);
  const target = journalPlace("backupJournal: to", to);
  const view = await JournalView.open(from);
  try {
    return await makeBackup(view, { from, target });
  } catch (error) {
    throw diskFailure(error, `back up the journal in ${from} to ${target}`);
  } finally {
    view.close();
  }
}

interface Places {
  readonly from: string;
  readonly target: string;
}

async function makeBackup(view: JournalView, { from, target }: Places): Promise<BackupReport> {
  const partial = await makePartial(target);
  try {
    await copySegments(view, { from, target: partial });
    const copy = await JournalView.open(partial);
    // The copy has a mark of its own, which hides that the end of the journal is missing.
    const place = { disk: nodeDisk, directory: from, bootId: nodePorts.bootId };
    const report = withRefusal(await copy.verify(), await openingRefusal(place));
    await nodeDisk.rename(partial, target);
    await nodeDisk.syncDirectory(dirname(target));
    const { stream, seqFirst, seqStored } = copy;
    return { ...report, stream, seqFirst, seqStored };
  } catch (error) {
    await fs.promises.rm(partial, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Each round copies only what the previous one has not. Sealed segments do not change, so a round
 * that was cut short because the owner freed segments is not lost, and the next one has less to do.
 */
async function copySegments(view: JournalView, places: Places): Promise<void> {
  const copied = new Set<string>();
  let before = "";
  for (let round = 1; ; round++) {
    const segments = [...view.segments];
    const end = await copyRound(view, { ...places, segments, copied });
    const refusal = JSON.stringify(end?.refusal ?? null);
    // A refusal that occurs twice in the same way is a property of the journal itself: it is in the
    // copy, and verification reports it.
    if (end !== null && (end.refusal === null || refusal === before)) {
      const kept = new Set(segments.map(({ name }) => name));
      for (const name of copied) {
        if (!kept.has(name)) await nodeDisk.unlink(`${places.target}/${name}`);
      }
      await putMark(places.target, segments.at(-1)!, end);
      return;
    }
    if (round === ROUNDS_MAX) {
      const message = `the owner of ${places.from} frees segments faster than they can be copied; back it up when there is less to do`;
      throw new BrokerlessError("BROKERLESS_JOURNAL_FAILED", message);
    }
    before = refusal;
    await view.refresh();
  }
}

interface Round extends Places {
  readonly segments: readonly Segment[];
  readonly copied: Set<string>;
}

/** @returns the end of the copy; `null` where a segment was freed before it was copied */
async function copyRound(view: JournalView, round: Round): Promise<LogEnd | null> {
  const { from, target, segments, copied } = round;
  const { seqStored } = view;
  for (const segment of segments) {
    const { name } = segment;
    if (copied.has(name)) continue;
    const places = { from: `${from}/${name}`, target: `${target}/${name}` };
    try {
      // The newest segment grows, and is copied again in the next round.
      if (segment === segments.at(-1)) return await copyNewest(places, segments, seqStored);
      await copyFile(places, segment);
      copied.add(name);
    } catch (error) {
      const isGone = (error as NodeJS.ErrnoException).code === "ENOENT";
      if (isGone && (await isFreed(view.log, segment))) return null;
      throw error;
    }
  }
  return null;
}

async function copyNewest(
  { from, target }: Places,
  segments: readonly Segment[],
  seqStored: number,
): Promise<LogEnd> {
  const bytes = await readWhole(nodeDisk, from);
  const end = findEnd(bytes, segments, seqStored);
  const { name, header } = segments.at(-1)!;
  if (bytes.length < end.offset) throw cutShort(name, bytes.length, header.seqBase);
  const file = await nodeDisk.open(target, "create");
  try {
    await writeAll(file, [bytes.subarray(0, end.offset)], 0);
    await file.sync();
  } finally {
    await file.close();
  }
  return end;
}

async function copyFile({ from, target }: Places, { name, header, end }: Segment): Promise<void> {
  const source = await nodeDisk.open(from, "read");
  try {
    const file = await nodeDisk.open(target, "create");
    try {
      await copyBytes(source, file, end);
      const bytes = await file.size();
      if (bytes < end) throw cutShort(name, bytes, header.seqBase);
      await file.sync();
    } finally {
      await file.close();
    }
  } finally {
    await source.close();
  }
}

async function copyBytes(source: DiskFile, file: DiskFile, end: number): Promise<void> {
  const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, Math.max(1, end)));
  for (let offset = 0; offset < end; ) {
    const wanted = chunk.subarray(0, Math.min(chunk.length, end - offset));
    const count = await readAll(source, wanted, offset);
    if (count > 0) await writeAll(file, [wanted.subarray(0, count)], offset);
    if (count < wanted.length) return;
    offset += count;
  }
}

/**
 * Records that the contents of the copy are durable: later damage to them is not mistaken for a
 * torn tail.
 */
async function putMark(
  directory: string,
  { header }: Segment,
  { offset, seqStored }: LogEnd,
): Promise<void> {
  const mark = encodeMark({
    segment: header.number,
    stream: header.stream,
    bootId: nodePorts.bootId,
    durableOffset: offset,
    storedOffset: offset,
    seqStored,
    lazy: false,
  });
  const file = await nodeDisk.open(`${directory}/${MARK_NAME}`, "create");
  try {
    await writeAll(file, [mark], 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await nodeDisk.syncDirectory(directory);
}

function cutShort(file: string, offset: number, seqFirst: number): BrokerlessError {
  return corruptError({ file, offset, seqFirst, seqLast: null }, "the file ends");
}
