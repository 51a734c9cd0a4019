import { beginSegment } from "./begin-segment.ts";
import {
  CHECKPOINT_NAME,
  type Checkpoint,
  decodeCheckpoint,
  TEMPORARY_SUFFIX,
} from "./checkpoint.ts";
import { type DiskFile, readAll, readWhole, writeAll } from "./disk.ts";
import { corruptError } from "./failure.ts";
import { readSeqFirst } from "./holds.ts";
import { decodeMark, MARK_NAME, type Mark, MarkFile } from "./mark.ts";
import type { TornTail, Verdict } from "./recovery.ts";
import { Reserve } from "./reserve.ts";
import { type Found, knownBefore, type OpenLogOptions, scanLog } from "./scan-log.ts";
import type { Segment } from "./segment.ts";
import { type SegmentHeader, segmentName } from "./segment-header.ts";
import { readHeaders } from "./segment-list.ts";
import type { SegmentLogParts } from "./segment-log.ts";
import { setAside } from "./set-aside.ts";
import { ValueTable } from "./values.ts";

/** What opening found, and what it had to do. */
export interface RecoveryReport {
  /** The journal was closed in order, and nothing had to be read but its end. */
  readonly clean: boolean;
  readonly segmentsRead: number;
  readonly bytesRead: number;
  /** Bytes behind the last whole commit, which no acknowledgement covered; `null` without any. */
  readonly cut: (TornTail & { readonly savedAs: string | null }) | null;
  /** The epoch rose, because entries that readers may have seen can be lost. */
  readonly epochRaised: boolean;
}

/** An open log and how it got there. */
export interface OpenedLog {
  readonly parts: SegmentLogParts;
  readonly report: RecoveryReport;
  /** The epoch must rise before anything is appended. */
  readonly raiseEpoch: boolean;
}

/**
 * Opens a log for writing: judges what is there, cuts a torn tail after setting it aside, and makes
 * durable what it goes on from. Whatever step a crash interrupts, the next open does it again.
 *
 * The directory must exist, and this process hold its lock.
 *
 * @throws BrokerlessError BROKERLESS_CORRUPT, BROKERLESS_VERSION, BROKERLESS_JOURNAL_FAILED
 */
export async function openLog(options: OpenLogOptions): Promise<OpenedLog> {
  const { directory, ports } = options;
  const { disk } = ports;
  const names = await disk.list(directory);
  for (const name of names) {
    if (name.endsWith(TEMPORARY_SUFFIX)) await disk.unlink(`${directory}/${name}`);
  }
  const mark = await readIfThere(options, names, MARK_NAME, decodeMark);
  const checkpoint = await readIfThere(options, names, CHECKPOINT_NAME, decodeCheckpoint);
  const headers = await readHeaders(disk, directory, names);
  checkEnds(headers, mark, checkpoint);
  if (headers.length === 0) return createLog(options);
  return recoverLog(options, { headers, mark, checkpoint, bootId: ports.bootId });
}

async function createLog(options: OpenLogOptions): Promise<OpenedLog> {
  const { directory, ports } = options;
  const header: SegmentHeader = {
    number: 1,
    hasGap: false,
    stream: ports.randomHex(16),
    salt: ports.randomHex(16),
    epoch: 1,
    bornBytes: 0,
    seqBase: 1,
    previousBytes: 0,
    epochSeqFirst: 1,
    createdAtMs: ports.now(),
  };
  const table = new ValueTable();
  const { segment, file } = await beginSegment({ ports, directory, header, table });
  const common = { ports, directory, reserve: await openReserve(options) };
  const mark = await openMark(options);
  return {
    parts: { ...common, segments: [segment], file, mark, table, seqNext: 1, timeMs: 0 },
    report: { clean: true, segmentsRead: 0, bytesRead: 0, cut: null, epochRaised: false },
    raiseEpoch: false,
  };
}

async function recoverLog(options: OpenLogOptions, found: Found): Promise<OpenedLog> {
  const { directory, ports } = options;
  const scan = await scanLog(options, found);
  const { segments, table, verdict } = scan;
  const newest = segments.at(-1)!;
  checkFirst(segments[0]!, table);
  const file = await ports.disk.open(`${directory}/${newest.name}`, "write");
  const cut = verdict === null ? null : await settleTail(options, { verdict, newest, file, found });
  const mark = await openMark(options);
  const reserve = await openReserve(options);
  const lazyLoss = scan.clean ? false : mayHaveLost(found.mark, ports.bootId);
  return {
    parts: { ports, directory, reserve, segments, file, mark, table, ...scan.state },
    report: {
      clean: scan.clean,
      segmentsRead: scan.segmentsRead,
      bytesRead: scan.bytesRead,
      cut,
      epochRaised: lazyLoss,
    },
    raiseEpoch: lazyLoss,
  };
}

/** A mark or checkpoint may not know of a segment that is not there. */
function checkEnds(
  headers: readonly SegmentHeader[],
  mark: Mark | null,
  checkpoint: Checkpoint | null,
): void {
  const newest = headers.at(-1)?.number ?? 0;
  const known = Math.max(mark?.segment ?? 0, checkpoint?.segment ?? 0);
  if (known <= newest) return;
  const file = segmentName(newest + 1);
  const damage = { file, offset: 0, seqFirst: headers.at(-1)?.seqBase ?? 1, seqLast: null };
  throw corruptError(damage, `the file is missing, and the log went on to ${segmentName(known)}`);
}

/** The oldest segment must reach back to the first seq that was not freed. */
function checkFirst(oldest: Segment, table: ValueTable): void {
  const seqFirst = readSeqFirst(table);
  const { number, seqBase } = oldest.header;
  if (seqBase <= seqFirst) return;
  const damage = { file: segmentName(number - 1), offset: 0, seqFirst, seqLast: seqBase - 1 };
  throw corruptError(damage, "the file is missing");
}

/**
 * Makes the newest segment end in a whole, durable commit.
 *
 * What lies above the durable mark is written once more before it is synced: after a failed sync
 * the page cache may call pages clean that the disk never got, and would not write them again.
 */
async function settleTail(
  options: OpenLogOptions,
  at: {
    readonly verdict: Exclude<Verdict, { kind: "corrupt" }>;
    readonly newest: Segment;
    readonly file: DiskFile;
    readonly found: Found;
  },
): Promise<RecoveryReport["cut"]> {
  const { newest, file, verdict } = at;
  const known = knownBefore(newest.header, null, at.found);
  const from = Math.min(known.durableOffset, newest.end);
  const bytes = Buffer.allocUnsafe((await file.size()) - from);
  await readAll(file, bytes, from);
  let savedAs: string | null = null;
  const tail = verdict.kind === "torn" ? verdict.tail : null;
  if (tail !== null && tail.dataEnd > tail.offset) {
    savedAs = await setAside(
      options,
      tail,
      bytes.subarray(tail.offset - from, tail.dataEnd - from),
    );
  }
  if (newest.end > from) await writeAll(file, [bytes.subarray(0, newest.end - from)], from);
  await file.truncate(newest.end);
  await file.sync();
  await options.ports.disk.syncDirectory(options.directory);
  return tail === null || savedAs === null ? null : { ...tail, savedAs };
}

/** After a power cut, a journal that does not sync each commit may have lost what peers have seen. */
function mayHaveLost(mark: Mark | null, bootId: string): boolean {
  if (mark === null) return true;
  return mark.lazy && mark.bootId !== bootId;
}

/** What an earlier run kept is as good as new space; it is taken anew, since it may be short. */
async function openReserve({ directory, ports }: OpenLogOptions): Promise<Reserve> {
  const reserve = new Reserve(ports.disk, directory, ports.reserveBytes);
  await reserve.take();
  return reserve;
}

async function openMark(options: OpenLogOptions): Promise<MarkFile> {
  const { directory, ports } = options;
  const path = `${directory}/${MARK_NAME}`;
  const names = await ports.disk.list(directory);
  const isThere = names.includes(MARK_NAME);
  const file = await ports.disk.open(path, isThere ? "write" : "create");
  if (!isThere) await ports.disk.syncDirectory(directory);
  // A mark that cannot be written is old, and an old one is true.
  return new MarkFile(file, () => {});
}

async function readIfThere<T>(
  options: OpenLogOptions,
  names: readonly string[],
  name: string,
  decode: (bytes: Buffer) => T | null,
): Promise<T | null> {
  if (!names.includes(name)) return null;
  return decode(await readWhole(options.ports.disk, `${options.directory}/${name}`));
}
