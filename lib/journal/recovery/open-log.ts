import { type DiskFile, readAll, readWhole, writeAll } from "../disk/disk.ts";
import { corruptError } from "../disk/disk-errors.ts";
import { CHECKPOINT_NAME, MARK_NAME, RESERVE_NAME, TEMPORARY_SUFFIX } from "../disk/file-names.ts";
import { decodeCheckpoint } from "../format/checkpoint.ts";
import { decodeMark, MarkFile } from "../format/durable-mark.ts";
import type { SegmentHeader } from "../format/segment-header.ts";
import { ValueTable } from "../format/values.ts";
import { beginSegment } from "../segment/begin-segment.ts";
import { Reserve } from "../segment/reserve.ts";
import { lastTime } from "../segment/seek-time.ts";
import type { Segment } from "../segment/segment.ts";
import { readHeaders } from "../segment/segment-list.ts";
import type { SegmentLogParts } from "../segment/segment-log.ts";
import type { TornTail, Verdict } from "./judge-segment.ts";
import { endsRefusal, firstRefusal, type Refusal } from "./opening.ts";
import { setAside } from "./quarantine.ts";
import { type Found, knownBefore, type OpenLogOptions, scanLog } from "./scan-log.ts";

/** State of a journal at open, and the actions of its recovery. */
export interface RecoveryReport {
  /** Whether the journal was closed cleanly, so that only its end had to be read. */
  readonly clean: boolean;
  /** Segments that were read (count). */
  readonly segmentsRead: number;
  /** Bytes read. */
  readonly bytesRead: number;
  /**
   * Bytes after the last whole commit that were cut, which no acknowledgement covered; `null` for
   * none.
   */
  readonly cut: (TornTail & { readonly savedAs: string | null }) | null;
  /** Whether the epoch rose, because entries that readers may have seen can be lost. */
  readonly epochRaised: boolean;
}

/** An open log, and the result of its recovery. */
export interface OpenedLog {
  readonly parts: SegmentLogParts;
  readonly report: RecoveryReport;
  /** Whether the epoch must rise before anything is appended. */
  readonly raiseEpoch: boolean;
}

/**
 * Opens a log for writing: judges its contents, cuts a torn tail after saving a copy of it, and
 * makes the position durable from which it continues. If a crash interrupts any step, the next open
 * repeats it.
 *
 * The directory must exist, and this process must hold its lock.
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
  refuse(endsRefusal(headers, mark, checkpoint));
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
  const state = { ...scan.state };
  // Only the newest segment was read and it has no batch: times must not decrease, whatever the
  // clock shows.
  if (!scan.clean && state.timeMs === 0) {
    state.timeMs = await lastTime({ disk: ports.disk, directory, segments, seqFirst: 1 });
  }
  const newest = segments.at(-1)!;
  refuse(firstRefusal(segments[0]!.header, table));
  const file = await ports.disk.open(`${directory}/${newest.name}`, "write");
  const cut = verdict === null ? null : await settleTail(options, { verdict, newest, file, found });
  const mark = await openMark(options);
  const reserve = await openReserve(options);
  const lazyLoss = mayHaveLost(found, scan.clean, ports.bootId);
  return {
    parts: { ports, directory, reserve, segments, file, mark, table, ...state },
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

function refuse(refusal: Refusal | null): void {
  if (refusal === null) return;
  const { reason, ...damage } = refusal;
  throw corruptError(damage, reason);
}

/**
 * Makes the newest segment end in a whole, durable commit.
 *
 * Bytes above the durable mark are written again before the sync: after a failed sync the page
 * cache may regard pages as clean that never reached the disk, and would not write them again.
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

/**
 * After a power cut, a journal that does not sync each commit may have lost entries that peers have
 * seen.
 */
function mayHaveLost({ mark }: Found, isClean: boolean, bootId: string): boolean {
  if (mark === null) return !isClean;
  // Even where the log is as long as a clean close left it: it was opened since, and all later
  // entries may be gone.
  return mark.lazy && mark.bootId !== bootId;
}

async function openReserve({ directory, ports }: OpenLogOptions): Promise<Reserve> {
  const { disk, reserveBytes, copiesReserveBytes } = ports;
  const reserve = new Reserve(disk, `${directory}/${RESERVE_NAME}`, {
    values: reserveBytes,
    copies: copiesReserveBytes,
  });
  await reserve.open();
  return reserve;
}

async function openMark(options: OpenLogOptions): Promise<MarkFile> {
  const { directory, ports } = options;
  const path = `${directory}/${MARK_NAME}`;
  const names = await ports.disk.list(directory);
  const isThere = names.includes(MARK_NAME);
  const file = await ports.disk.open(path, isThere ? "write" : "create");
  if (!isThere) await ports.disk.syncDirectory(directory);
  // After a failed write the old mark stays, which is still correct.
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
