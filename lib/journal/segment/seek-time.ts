import { BrokerlessError } from "../../errors.ts";
import type { Segment } from "./segment.ts";
import { type LogView, SegmentCursor } from "./segment-cursor.ts";

/**
 * Finds the first batch that was sealed at or after a time. The times of batches do not decrease
 * within a stream. The times in segment headers are those of the clock, which may be set back.
 * Therefore the segment is found by binary search over the first batch of each, and the batch by
 * reading on from an index point.
 *
 * @returns the seq of its first entry; `seqEnd` where there is none
 */
export async function seqAtTime(view: LogView, timeMs: number, seqEnd: number): Promise<number> {
  // A copy, because segments are freed and started meanwhile.
  const segments = [...view.segments];
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((await firstTime(view, segments.slice(middle))) < timeMs) low = middle + 1;
    else high = middle;
  }
  const segment = segments[Math.max(0, low - 1)];
  if (segment === undefined) return seqEnd;
  const point = segment.index.findLast((candidate) => candidate.timeMs < timeMs);
  const cursor = new SegmentCursor(view, point?.seq ?? segment.header.seqBase);
  try {
    for (;;) {
      const batch = await cursor.next();
      if (batch === null) return seqEnd;
      if (batch.timeMs >= timeMs) return batch.seqFirst;
    }
  } catch (error) {
    // It was freed meanwhile, or a repair has left a gap after it: the following entries are late
    // enough.
    if (!isGap(error)) throw error;
    return segments[low]?.header.seqBase ?? seqEnd;
  } finally {
    await cursor.close();
  }
}

/** @returns the time of the last batch of a log, 0 where there is none (ms since 1970) */
export async function lastTime(view: LogView): Promise<number> {
  const { segments } = view;
  let timeMs = 0;
  // Segments without batches may follow the one that has the last.
  for (let index = segments.length - 1; index >= 0 && timeMs === 0; index--) {
    const cursor = new SegmentCursor(view, segments[index]!.header.seqBase);
    try {
      for (let batch = await cursor.next(); batch !== null; batch = await cursor.next()) {
        timeMs = batch.timeMs;
      }
    } catch (error) {
      if (!isGap(error)) throw error;
    } finally {
      await cursor.close();
    }
  }
  return timeMs;
}

/**
 * Time of the first batch in the segments; before every other time where the first is freed
 * meanwhile.
 */
async function firstTime(view: LogView, segments: readonly Segment[]): Promise<number> {
  for (const segment of segments) {
    const cursor = new SegmentCursor(view, segment.header.seqBase);
    try {
      return (await cursor.next())?.timeMs ?? Number.POSITIVE_INFINITY;
    } catch (error) {
      if (!isGap(error)) throw error;
      if (!view.segments.includes(segment)) return Number.NEGATIVE_INFINITY;
      // It has no batch, and a repair has left a gap after it.
    } finally {
      await cursor.close();
    }
  }
  return Number.POSITIVE_INFINITY;
}

function isGap(error: unknown): boolean {
  return error instanceof BrokerlessError && error.code === "BROKERLESS_GAP";
}
