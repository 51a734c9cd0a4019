import {
  CHECKPOINT_NAME,
  type Checkpoint,
  decodeCheckpoint,
  TEMPORARY_SUFFIX,
} from "./checkpoint.ts";
import { type DiskFile, readAll, readWhole, writeAll } from "./disk.ts";
import { corruptError } from "./failure.ts";
import { readSeqValue } from "./holds.ts";
import { decodeMark, MARK_NAME, type Mark, MarkFile } from "./mark.ts";
import type { JournalPorts } from "./ports.ts";
import { judgeSegment, type KnownBefore, type TornTail, type Verdict } from "./recovery.ts";
import { Reserve } from "./reserve.ts";
import { Segment } from "./segment.ts";
import {
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
  segmentSeed,
} from "./segment-header.ts";
import { readHeaders } from "./segment-list.ts";
import { loadFiles } from "./segment-loader.ts";
import { beginSegment, type SegmentLogParts } from "./segment-log.ts";
import type { ScanState } from "./segment-scan.ts";
import { setAside } from "./set-aside.ts";
import { VALUE_SEQ_FIRST, ValueTable } from "./values.ts";

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

/** What is to be opened. */
export interface OpenLogOptions {
  readonly directory: string;
  readonly ports: JournalPorts;
  /** `full` reads all segments after a crash, `newest` only the last one. */
  readonly recovery: "full" | "newest";
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

interface Found {
  readonly headers: readonly SegmentHeader[];
  readonly mark: Mark | null;
  readonly checkpoint: Checkpoint | null;
  readonly bootId: string;
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

interface ScannedLog {
  readonly segments: Segment[];
  readonly table: ValueTable;
  readonly state: ScanState;
  /** On the newest segment; `null` where a checkpoint covers it wholly. */
  readonly verdict: Exclude<Verdict, { kind: "corrupt" }> | null;
  readonly clean: boolean;
  readonly segmentsRead: number;
  readonly bytesRead: number;
}

async function scanLog(options: OpenLogOptions, found: Found): Promise<ScannedLog> {
  const { directory, ports } = options;
  const { headers, checkpoint } = found;
  const newestHeader = headers.at(-1)!;
  const { number, stream } = newestHeader;
  const newestBytes = await sizeOf(options, segmentName(number));
  const isAtEnd =
    checkpoint !== null &&
    checkpoint.stream === stream &&
    checkpoint.segment === number &&
    checkpoint.offset === newestBytes;
  const table = new ValueTable();
  const segments: Segment[] = [];
  if (isAtEnd) {
    for (const [index, header] of headers.entries()) {
      segments.push(new Segment(header, headers[index + 1]?.previousBytes ?? newestBytes));
    }
    table.replace(checkpoint.values);
    const { epoch, seqNext, timeMs } = checkpoint;
    const state = { stream, epoch, seqNext, timeMs };
    return { segments, table, state, verdict: null, clean: true, segmentsRead: 0, bytesRead: 0 };
  }
  let verdict: Verdict | null = null;
  let state: ScanState = { stream, epoch: 1, seqNext: 1, timeMs: 0 };
  let segmentsRead = 0;
  let bytesRead = 0;
  const read = options.recovery === "newest" ? headers.slice(-1) : headers;
  const files = loadFiles(
    ports.disk,
    read.map((header) => `${directory}/${segmentName(header.number)}`),
  );
  for (const [index, header] of headers.entries()) {
    const sealedBytes = headers[index + 1]?.previousBytes ?? null;
    if (sealedBytes !== null && options.recovery === "newest") {
      segments.push(new Segment(header, sealedBytes));
      continue;
    }
    const bytes = (await files.next()).value!;
    segmentsRead++;
    bytesRead += bytes.length;
    const { epoch, seqBase: seqNext } = header;
    const seed = segmentSeed(header);
    state = { stream, epoch, seqNext, timeMs: state.timeMs };
    const from = { offset: SEGMENT_HEADER_BYTES, seed, state };
    verdict = judgeSegment(bytes, from, knownBefore(header, sealedBytes, found));
    if (verdict.kind === "corrupt") throw corruptError(verdict.damage, verdict.reason);
    state = verdict.scan.state;
    checkNext(headers[index + 1], state);
    for (const { all, changes } of verdict.scan.values) {
      if (all) table.replace(changes);
      else table.apply(changes);
    }
    segments.push(new Segment(header, verdict.scan.end, verdict.scan.index));
  }
  return { segments, table, state, verdict, clean: false, segmentsRead, bytesRead };
}

function knownBefore(
  header: SegmentHeader,
  sealedBytes: number | null,
  { mark, checkpoint, bootId }: Found,
): KnownBefore {
  let durableOffset = header.bornBytes;
  if (mark !== null && mark.stream === header.stream && mark.segment === header.number) {
    // A process that dies leaves the page cache: what it had stored is there until the next boot.
    const isSameBoot = mark.bootId === bootId;
    durableOffset = Math.max(durableOffset, isSameBoot ? mark.storedOffset : mark.durableOffset);
  }
  if (checkpoint?.stream === header.stream && checkpoint.segment === header.number) {
    durableOffset = Math.max(durableOffset, checkpoint.offset);
  }
  return { file: segmentName(header.number), durableOffset, sealedBytes };
}

/** What follows must start where this one ends (J15). */
function checkNext(next: SegmentHeader | undefined, state: ScanState): void {
  if (next === undefined || next.seqBase === state.seqNext) return;
  if (next.hasGap && next.seqBase > state.seqNext) return;
  const seqLast = next.seqBase > state.seqNext ? next.seqBase - 1 : null;
  const damage = { file: segmentName(next.number), offset: 0, seqFirst: state.seqNext, seqLast };
  throw corruptError(damage, `it starts at seq ${next.seqBase}, and ${state.seqNext} comes next`);
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
  const seqFirst = readSeqValue(table.get(VALUE_SEQ_FIRST), 1);
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

async function sizeOf(options: OpenLogOptions, name: string): Promise<number> {
  const file = await options.ports.disk.open(`${options.directory}/${name}`, "read");
  try {
    return await file.size();
  } finally {
    await file.close();
  }
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
