import { SEGMENT_HEADER_BYTES } from "../format/segment-header.ts";
import { firstRefusal, type Refusal, tableOf } from "../recovery/opening.ts";
import type { Segment } from "../segment/segment.ts";
import { scanSegment } from "../segment/segment-scan.ts";

/** The end of a copy in its newest segment. */
export interface LogEnd {
  /** Byte offset. */
  readonly offset: number;
  readonly seqStored: number;
  /** The reason why the owner's open would refuse the copy; `null` for none. */
  readonly refusal: Refusal | null;
}

/**
 * Finds where an owner's open would stop, which may be beyond the mark. The mark lags behind the
 * confirmed entries, and may also lag behind the record that older segments were freed, without
 * which their absence counts as damage.
 *
 * @param bytes the newest segment, as its file is now
 * @param seqStored last seq that the mark covers
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
