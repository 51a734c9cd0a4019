import { type LogView, SegmentCursor } from "./segment-cursor.ts";

/**
 * Finds the first batch that was sealed at or after a time. Times of batches do not fall within a
 * stream, so the segment is found by the headers and the batch by reading on from an index point.
 *
 * @returns the seq of its first entry; `seqEnd` where there is none
 */
export async function seqAtTime(view: LogView, timeMs: number, seqEnd: number): Promise<number> {
  const { segments } = view;
  const segment = segments.findLast(({ header }) => header.createdAtMs < timeMs) ?? segments[0];
  if (segment === undefined) return seqEnd;
  const point = segment.index.findLast((candidate) => candidate.timeMs < timeMs);
  const cursor = new SegmentCursor(view, point?.seq ?? segment.header.seqBase);
  try {
    for (;;) {
      const batch = await cursor.next();
      if (batch === null) return seqEnd;
      if (batch.timeMs >= timeMs) return batch.seqFirst;
    }
  } finally {
    await cursor.close();
  }
}
