import type { Unit } from "../commit/group-queue.ts";
import { coalesce } from "../disk/disk.ts";
import { RECORD_HEADER_BYTES, RECORD_TYPE, sealRecord } from "../format/record.ts";
import type { SegmentHeader } from "../format/segment-header.ts";
import { encodeValues } from "../format/values.ts";
import { INDEX_STRIDE_BYTES, type IndexPoint } from "./segment-scan.ts";

/** The destination of units, and the state of the segment. */
export interface SealPlace {
  readonly header: SegmentHeader;
  /** Seed of the segment's record checksums. */
  readonly seed: number;
  /** The 16 bytes of the stream id. */
  readonly stream: Uint8Array;
  /** Start of the first record (byte offset in the segment). */
  readonly offset: number;
  /** The segment is durable up to here (byte offset). */
  readonly durableOffset: number;
  /** Highest seq that is durable. */
  readonly seqDurable: number;
  readonly timeMs: number;
  /** The newest point of the segment's index (byte offset); `null` for none. */
  readonly indexedAt: number | null;
}

/** Records that are ready to be written. */
export interface SealedRecords {
  readonly pieces: readonly Uint8Array[];
  /** Total length of the pieces (bytes). */
  readonly bytes: number;
  /** Points to add to the segment's index once the records are written. */
  readonly points: readonly IndexPoint[];
}

/** Turns units into records, in place: each batch is sealed where it was encoded. */
export function sealRecords(units: readonly Unit[], place: SealPlace): SealedRecords {
  const { stream, seed, durableOffset, timeMs, seqDurable: durableBefore } = place;
  const { epoch } = place.header;
  const pieces: Uint8Array[] = [];
  const points: IndexPoint[] = [];
  let { offset, indexedAt } = place;
  const seal = (bytes: Buffer, type: number, joined: boolean) => {
    const bodyBytes = bytes.length - RECORD_HEADER_BYTES;
    sealRecord(bytes, 0, { bodyBytes, type, joined, offset, durableOffset }, seed);
    pieces.push(bytes);
    offset += bytes.length;
  };
  for (const { draft, seqFirst, values } of units) {
    if (draft !== null) {
      draft.seal({ stream, epoch, seqFirst, durableBefore, timeMs });
      if (indexedAt === null || offset - indexedAt >= INDEX_STRIDE_BYTES) {
        points.push({ seq: seqFirst, timeMs, offset });
        indexedAt = offset;
      }
      seal(draft.bytes, RECORD_TYPE.batch, values !== null);
    }
    if (values !== null) seal(encodeValues(values, false), RECORD_TYPE.values, false);
  }
  return { pieces: coalesce(pieces), bytes: offset - place.offset, points };
}
