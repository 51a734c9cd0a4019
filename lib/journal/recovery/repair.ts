import type { Batch } from "../../batch/batch.ts";
import { BATCH_HEADROOM_BYTES } from "../../batch/layout.ts";
import { BrokerlessError } from "../../errors.ts";
import { boolean, checkNames, expected } from "../../options.ts";
import type { DirectoryLock } from "../disk/directory-lock.ts";
import { readWhole, writeAll } from "../disk/disk.ts";
import { directoryFailure, diskFailure } from "../disk/disk-errors.ts";
import { CHECKPOINT_NAME, MARK_NAME, segmentNumber } from "../disk/file-names.ts";
import { journalPlace } from "../disk/journal-place.ts";
import { type JournalPorts, nodePorts } from "../disk/ports.ts";
import { decodeCheckpoint } from "../format/checkpoint.ts";
import { decodeMark } from "../format/durable-mark.ts";
import { RECORD_HEADER_BYTES, RECORD_TYPE, sealRecord } from "../format/record.ts";
import { decodeSegmentHeader, type SegmentHeader, segmentSeed } from "../format/segment-header.ts";
import { ValueTable } from "../format/values.ts";
import { readSeqFirst, seqFirstChange } from "../holds.ts";
import { IDENTITY_VALUES, ofStream } from "../identity.ts";
import { beginSegment } from "../segment/begin-segment.ts";
import { setAside } from "./quarantine.ts";
import { salvage } from "./salvage.ts";

/** Options of {@link repairJournal}. */
export interface RepairOptions {
  /**
   * Whether the journal becomes a stream of its own, or an inbox of another receiver: for a copy
   * that is used beside the journal it was copied from. Its entries are kept, and settled ones stay
   * settled. Default false.
   */
  readonly newStream?: boolean | undefined;
}

/** The entries that a repair kept, and those that are lost permanently. */
export interface RepairReport {
  /** Entries in the repaired journal (count). */
  readonly entriesKept: number;
  /** Id of the stream (32 hex digits). */
  readonly stream: string;
  /** Ranges of lost seqs. */
  readonly lost: readonly { readonly seqFirst: number; readonly seqLast: number }[];
  /** Copies of the original files, inside the directory. */
  readonly savedAs: readonly string[];
}

/**
 * Repairs a damaged journal: keeps every whole batch, in order, with gaps where entries are lost,
 * so that a read across a gap fails with `BROKERLESS_GAP` instead of omitting entries silently. The
 * epoch rises.
 *
 * The original files are copied to `broken/` first. An interrupted repair can be run again: until
 * the last file is replaced the journal does not open, and the copies contain everything.
 *
 * @throws TypeError for an invalid path or invalid options
 * @throws BrokerlessError BROKERLESS_LOCKED while a writer has it, BROKERLESS_JOURNAL_FAILED
 *
 * @example
 * ```ts
 * const { entriesKept, lost } = await repairJournal("orders");
 * for (const { seqFirst, seqLast } of lost) console.log(`lost: ${seqFirst} to ${seqLast}`);
 * ```
 *
 * @see docs/decisions/0027-epoch-repair-retention.md
 */
export async function repairJournal(
  directory: string,
  ports: JournalPorts = nodePorts,
  options: RepairOptions = {},
): Promise<RepairReport> {
  const place = journalPlace("repairJournal", directory);
  checkPorts(ports);
  checkNames("repairJournal", options, ["newStream"]);
  if (options.newStream !== undefined) boolean(options.newStream, "repairJournal: newStream");
  let lock: DirectoryLock | null = null;
  try {
    await ports.disk.list(place).catch((error: unknown) => {
      throw directoryFailure(error, `repair the journal in ${place}`);
    });
    lock = await ports.lock(place);
    return await repair(place, ports, options);
  } catch (error) {
    throw diskFailure(error, `repair the journal in ${place}`);
  } finally {
    await lock?.release();
  }
}

/** @throws TypeError for options in the place of the ports */
function checkPorts(ports: JournalPorts): void {
  if (typeof ports?.lock === "function" && typeof ports.disk?.list === "function") return;
  const wanted = "left undefined, and the options be the third";
  throw expected("repairJournal: the second argument", wanted, ports);
}

interface Good {
  readonly batches: Batch[];
  readonly table: ValueTable;
  readonly stream: string;
  readonly epoch: number;
  /** Lowest seq that the next append may get. */
  readonly seqNext: number;
  readonly number: number;
}

async function repair(
  directory: string,
  ports: JournalPorts,
  options: RepairOptions,
): Promise<RepairReport> {
  const { disk } = ports;
  const names = (await disk.list(directory)).filter((name) => segmentNumber(name) !== null).sort();
  const files = new Map<string, Buffer>();
  const savedAs: string[] = [];
  for (const name of names) {
    const bytes = await readWhole(disk, `${directory}/${name}`);
    files.set(name, bytes);
    savedAs.push(await setAside({ directory, ports }, { file: name, offset: 0 }, bytes));
  }
  const found = await collect(directory, ports, files);
  const good = options.newStream === true ? renewed(found, ports.randomHex(16)) : found;
  const runs = split(good.batches);
  const lost = findLost(good, runs);
  // Checkpoint and mark are removed first: a half repaired journal must not look like one that was
  // closed cleanly.
  for (const name of await disk.list(directory)) {
    const isAid = name === CHECKPOINT_NAME || name === MARK_NAME;
    if (isAid) await disk.unlink(`${directory}/${name}`);
  }
  for (const name of names) await disk.unlink(`${directory}/${name}`);
  await disk.syncDirectory(directory);
  await writeRuns({ directory, ports }, good, runs);
  const entriesKept = good.batches.reduce((sum, batch) => sum + batch.count, 0);
  return { entriesKept, stream: good.stream, lost, savedAs };
}

/** The same entries and values as a stream of its own. */
function renewed(good: Good, stream: string): Good {
  good.table.apply(new Map(IDENTITY_VALUES.map((name) => [name, null])));
  return { ...good, stream, batches: good.batches.map((batch) => ofStream(batch, stream)) };
}

async function collect(
  directory: string,
  ports: JournalPorts,
  files: ReadonlyMap<string, Buffer>,
): Promise<Good> {
  const headers = new Map<string, SegmentHeader>();
  for (const [name, bytes] of files) {
    const result = decodeSegmentHeader(bytes);
    if (result.kind === "version") throw new BrokerlessError("BROKERLESS_VERSION", result.reason);
    if (result.kind === "header") headers.set(name, result.header);
  }
  const mark = await read(directory, ports, MARK_NAME, decodeMark);
  const checkpoint = await read(directory, ports, CHECKPOINT_NAME, decodeCheckpoint);
  const anyHeader = [...headers.values()].at(-1);
  const stream = anyHeader?.stream ?? mark?.stream ?? checkpoint?.stream;
  if (stream === undefined) {
    const message = `${directory}: no segment, mark or checkpoint identifies the stream`;
    throw new BrokerlessError("BROKERLESS_JOURNAL_FAILED", message);
  }
  const table = new ValueTable();
  if (checkpoint !== null) table.replace(checkpoint.values);
  const batches: Batch[] = [];
  let epoch = anyHeader?.epoch ?? 1;
  for (const [name, bytes] of files) {
    const header = headers.get(name);
    const found = salvage(bytes, stream, header === undefined ? null : segmentSeed(header));
    for (const batch of found.batches) {
      const last = batches.at(-1);
      // A batch that does not continue the sequence is a copy in a wrong place.
      if (last !== undefined && (batch.seqFirst <= last.seqLast || batch.epoch < last.epoch))
        continue;
      batches.push(batch);
      epoch = Math.max(epoch, batch.epoch);
    }
    for (const { all, changes } of found.values) {
      if (all) table.replace(changes);
      else table.apply(changes);
    }
  }
  const seqNext = Math.max(
    (batches.at(-1)?.seqLast ?? 0) + 1,
    (mark?.seqStored ?? 0) + 1,
    checkpoint?.seqNext ?? 1,
    anyHeader?.seqBase ?? 1,
  );
  return { batches, table, stream, epoch, seqNext, number: Math.max(1, numberOf(files)) };
}

function numberOf(files: ReadonlyMap<string, Buffer>): number {
  return Math.max(0, ...[...files.keys()].map((name) => segmentNumber(name) ?? 0));
}

/** Splits batches into runs of consecutive batches of one epoch. */
function split(batches: readonly Batch[]): Batch[][] {
  const runs: Batch[][] = [];
  for (const batch of batches) {
    const last = runs.at(-1)?.at(-1);
    const follows = last?.seqLast === batch.seqFirst - 1 && last.epoch === batch.epoch;
    if (follows) runs.at(-1)!.push(batch);
    else runs.push([batch]);
  }
  return runs;
}

function findLost(good: Good, runs: readonly Batch[][]): { seqFirst: number; seqLast: number }[] {
  const lost: { seqFirst: number; seqLast: number }[] = [];
  let seqNext = readSeqFirst(good.table);
  for (const run of runs) {
    const { seqFirst } = run[0]!;
    if (seqFirst > seqNext) lost.push({ seqFirst: seqNext, seqLast: seqFirst - 1 });
    seqNext = run.at(-1)!.seqLast + 1;
  }
  if (good.seqNext > seqNext) lost.push({ seqFirst: seqNext, seqLast: good.seqNext - 1 });
  return lost;
}

/** Writes a segment for each run, and an empty one with the new epoch at the end. */
async function writeRuns(
  at: { readonly directory: string; readonly ports: JournalPorts },
  good: Good,
  runs: readonly Batch[][],
): Promise<void> {
  const { ports } = at;
  const seqFirst = runs[0]?.[0]?.seqFirst ?? good.seqNext;
  const { table } = good;
  if (seqFirst > readSeqFirst(table)) {
    table.apply(seqFirstChange(seqFirst));
  }
  let number = good.number + 1;
  let previousBytes = 0;
  let seqNext = 1;
  const places = [
    ...runs.map((run) => ({ run, seqBase: run[0]!.seqFirst, epoch: run[0]!.epoch })),
    { run: [], seqBase: good.seqNext, epoch: good.epoch + 1 },
  ];
  for (const { run, seqBase, epoch } of places) {
    const header: SegmentHeader = {
      number,
      hasGap: seqBase !== seqNext,
      stream: good.stream,
      salt: ports.randomHex(16),
      epoch,
      bornBytes: 0,
      seqBase,
      previousBytes,
      epochSeqFirst: seqBase,
      createdAtMs: run[0]?.timeMs ?? ports.now(),
    };
    previousBytes = await writeRun(at, { header, table }, run);
    seqNext = run.at(-1) === undefined ? seqBase : run.at(-1)!.seqLast + 1;
    number++;
  }
}

async function writeRun(
  at: { readonly directory: string; readonly ports: JournalPorts },
  parts: { readonly header: SegmentHeader; readonly table: ValueTable },
  run: readonly Batch[],
): Promise<number> {
  const { segment, file } = await beginSegment({ ...at, ...parts });
  try {
    let offset = segment.end;
    for (const { bytes } of run) {
      const record = Buffer.concat([Buffer.alloc(BATCH_HEADROOM_BYTES), bytes]);
      const bodyBytes = bytes.length;
      const fields = { bodyBytes, type: RECORD_TYPE.batch, joined: false, offset };
      sealRecord(record, 0, { ...fields, durableOffset: segment.end }, segment.seed);
      await writeAll(file, [record], offset);
      offset += RECORD_HEADER_BYTES + bodyBytes;
    }
    await file.sync();
    return offset;
  } finally {
    await file.close();
  }
}

async function read<T>(
  directory: string,
  ports: JournalPorts,
  name: string,
  decode: (bytes: Buffer) => T | null,
): Promise<T | null> {
  if (!(await ports.disk.list(directory)).includes(name)) return null;
  return decode(await readWhole(ports.disk, `${directory}/${name}`));
}
