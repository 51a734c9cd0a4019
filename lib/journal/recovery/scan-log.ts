import { corruptError } from "../disk/disk-errors.ts";
import { segmentName } from "../disk/file-names.ts";
import type { JournalPorts } from "../disk/ports.ts";
import type { Checkpoint } from "../format/checkpoint.ts";
import type { Mark } from "../format/durable-mark.ts";
import { SEGMENT_HEADER_BYTES, type SegmentHeader, segmentSeed } from "../format/segment-header.ts";
import { ValueTable } from "../format/values.ts";
import { Segment } from "../segment/segment.ts";
import { loadFiles } from "../segment/segment-loader.ts";
import type { ScanState } from "../segment/segment-scan.ts";
import { judgeSegment, type KnownBefore, type Verdict } from "./judge-segment.ts";

/** Options of an open. */
export interface OpenLogOptions {
  readonly directory: string;
  readonly ports: JournalPorts;
  /** Segments to read after a crash: all (`full`), or only the last one (`newest`). */
  readonly recovery: "full" | "newest";
}

/** State of a directory, before any record is read. */
export interface Found {
  readonly headers: readonly SegmentHeader[];
  readonly mark: Mark | null;
  readonly checkpoint: Checkpoint | null;
  readonly bootId: string;
}

/** A log, read as far as necessary. */
export interface ScannedLog {
  readonly segments: Segment[];
  readonly table: ValueTable;
  readonly state: ScanState;
  /** Verdict on the newest segment; `null` where a checkpoint covers all of it. */
  readonly verdict: Exclude<Verdict, { kind: "corrupt" }> | null;
  readonly clean: boolean;
  readonly segmentsRead: number;
  readonly bytesRead: number;
}

/**
 * Reads a log as far as necessary, and judges it.
 *
 * @throws BrokerlessError BROKERLESS_CORRUPT
 */
export async function scanLog(options: OpenLogOptions, found: Found): Promise<ScannedLog> {
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

/** The part of a segment that is known to be durable without reading its records. */
export function knownBefore(
  header: SegmentHeader,
  sealedBytes: number | null,
  { mark, checkpoint, bootId }: Found,
): KnownBefore {
  let durableOffset = header.bornBytes;
  if (mark !== null && mark.stream === header.stream && mark.segment === header.number) {
    // A process that dies leaves the page cache: the bytes it had stored survive until the next
    // boot.
    const isSameBoot = mark.bootId === bootId;
    durableOffset = Math.max(durableOffset, isSameBoot ? mark.storedOffset : mark.durableOffset);
  }
  if (checkpoint?.stream === header.stream && checkpoint.segment === header.number) {
    durableOffset = Math.max(durableOffset, checkpoint.offset);
  }
  return { file: segmentName(header.number), durableOffset, sealedBytes };
}

/** The next segment must start where this one ends (J15). */
function checkNext(next: SegmentHeader | undefined, state: ScanState): void {
  if (next === undefined || next.seqBase === state.seqNext) return;
  if (next.hasGap && next.seqBase > state.seqNext) return;
  const seqLast = next.seqBase > state.seqNext ? next.seqBase - 1 : null;
  const damage = { file: segmentName(next.number), offset: 0, seqFirst: state.seqNext, seqLast };
  throw corruptError(damage, `it starts at seq ${next.seqBase}, and ${state.seqNext} comes next`);
}

async function sizeOf(options: OpenLogOptions, name: string): Promise<number> {
  const file = await options.ports.disk.open(`${options.directory}/${name}`, "read");
  try {
    return await file.size();
  } finally {
    await file.close();
  }
}
