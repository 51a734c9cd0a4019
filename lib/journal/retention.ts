import type { Retention } from "./file-journal-options.ts";
import type { Segment } from "./segment.ts";

/**
 * Says which whole segments a retention no longer wants.
 *
 * Pure. The newest segment always stays; holds are the caller's matter.
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
  let bytesKept = log.segments.reduce((sum, segment) => sum + segment.end, 0);
  let seq: number | null = null;
  for (let index = 0; index + 1 < log.segments.length; index++) {
    const next = log.segments[index + 1]!.header;
    // Every entry of a segment is older than the segment that follows.
    const isOld = ageMs !== undefined && next.createdAtMs <= log.nowMs - ageMs;
    const isTooMuch = bytes !== undefined && bytesKept > bytes;
    const isTooMany = count !== undefined && log.seqNext - next.seqBase >= count;
    if (!isOld && !isTooMuch && !isTooMany) break;
    bytesKept -= log.segments[index]!.end;
    seq = next.seqBase;
  }
  return seq;
}
