import type { Segment } from "../segment/segment.ts";
import type { Retention } from "./file-journal-options.ts";

/**
 * Determines which whole segments exceed a retention limit.
 *
 * Pure. The newest segment always stays; the caller respects holds.
 *
 * @returns the first seq to keep, or `null` where all is kept
 */
export function retainFrom(
  retention: Retention,
  log: {
    readonly segments: readonly Segment[];
    readonly seqNext: number;
    readonly nowMs: number;
  },
): number | null {
  const { ageMs, bytes, count } = retention;
  const oldBefore = ageMs === undefined ? 0 : oldSegments(log, ageMs);
  let bytesKept = log.segments.reduce((sum, segment) => sum + segment.end, 0);
  let seq: number | null = null;
  for (let index = 0; index + 1 < log.segments.length; index++) {
    const next = log.segments[index + 1]!.header;
    const isTooMuch = bytes !== undefined && bytesKept > bytes;
    const isTooMany = count !== undefined && log.seqNext - next.seqBase >= count;
    if (index >= oldBefore && !isTooMuch && !isTooMany) break;
    bytesKept -= log.segments[index]!.end;
    seq = next.seqBase;
  }
  return seq;
}

/**
 * Approximate length of the entries from a seq on, as if all entries of a segment had the same
 * length. Pure.
 *
 * @returns the length (bytes)
 */
export function bytesFrom(
  seq: number,
  { segments, seqNext }: { readonly segments: readonly Segment[]; readonly seqNext: number },
): number {
  const bytes = segments.reduce((sum, { header, end }, index) => {
    const seqEnd = segments[index + 1]?.header.seqBase ?? seqNext;
    const needed = seqEnd - Math.max(header.seqBase, seq);
    return needed <= 0 ? sum : sum + (end * needed) / (seqEnd - header.seqBase);
  }, 0);
  return Math.round(bytes);
}

/**
 * Every entry of a segment is older than a later segment, according to the clock at that time,
 * which may have been wrong. A time in the future is ignored, or a clock that was ahead for a
 * moment would stop retention until then. A time below an earlier one is ignored too, or a clock
 * that was behind for a moment would free new entries.
 *
 * @returns number of segments, from the oldest on, that hold only old entries (count)
 */
function oldSegments(
  { segments, nowMs }: { readonly segments: readonly Segment[]; readonly nowMs: number },
  ageMs: number,
): number {
  let count = 0;
  let latestMs = Number.NEGATIVE_INFINITY;
  for (const [index, { header }] of segments.entries()) {
    const { createdAtMs } = header;
    if (createdAtMs > nowMs || createdAtMs < latestMs) continue;
    latestMs = createdAtMs;
    if (createdAtMs > nowMs - ageMs) break;
    count = index;
  }
  return count;
}
