import { segmentName } from "../disk/file-names.ts";
import { type SegmentHeader, segmentSeed } from "../format/segment-header.ts";
import type { IndexPoint } from "./segment-scan.ts";

/** A segment of an open log. The last one grows; the others do not change. */
export class Segment {
  readonly header: SegmentHeader;
  readonly name: string;
  readonly seed: number;
  /**
   * End of the readable bytes: of the file, or, for the newest segment, of the stored bytes (byte
   * offset).
   */
  end: number;
  /** Positions of some batches, in order, so that a read by seq need not start at the front. */
  readonly index: IndexPoint[];

  constructor(header: SegmentHeader, end: number, index: readonly IndexPoint[] = []) {
    this.header = header;
    this.name = segmentName(header.number);
    this.seed = segmentSeed(header);
    this.end = end;
    this.index = [...index];
  }

  /** The last index point at or before a seq; `null` for none. */
  pointBefore(seq: number): IndexPoint | null {
    let low = 0;
    let high = this.index.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.index[middle]!.seq <= seq) low = middle + 1;
      else high = middle;
    }
    return this.index[low - 1] ?? null;
  }
}
