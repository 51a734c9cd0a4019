import { SEGMENT_HEADER_BYTES } from "../format/segment-header.ts";
import { firstRefusal, type Refusal, tableOf } from "../recovery/opening.ts";
import type { Segment } from "../segment/segment.ts";
import { scanSegment } from "../segment/segment-scan.ts";

/** Where a copy ends in its newest segment. */
export interface LogEnd {
  /** Byte offset. */
  readonly offset: number;
  readonly seqStored: number;
  /** Why its owner's open would refuse it. */
  readonly refusal: Refusal | null;
}

/**
 * As far as an owner's open would go, and not only as far as the mark: that is behind what was
 * confirmed, and may be behind what says that older segments were freed, without which their
 * absence is damage.
 *
 * @param bytes the newest segment, as its file is now
 * @param seqStored what the mark covers
 */
export function findEnd(bytes: Buffer, segments: readonly Segment[], seqStored: number): LogEnd {
  const newest = segments.at(-1)!;
  const { stream, epoch, seqBase: seqNext } = newest.header;
  const state = { stream, epoch, seqNext, timeMs: 0 };
  const scan = scanSegment(bytes, { offset: SEGMENT_HEADER_BYTES, seed: newest.seed, state });
  const refusal = firstRefusal(segments[0]!.header, tableOf(scan));
  // Damage below the mark: the copy has it, too.
  if (scan.end < newest.end) return { offset: newest.end, seqStored, refusal };
  return { offset: scan.end, seqStored: scan.state.seqNext - 1, refusal };
}
