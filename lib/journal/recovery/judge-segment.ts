import type { Damage } from "../../errors.ts";
import {
  type Beyond,
  lookBeyond,
  type ScanFrom,
  type ScanResult,
  scanSegment,
} from "../segment/segment-scan.ts";

/** Known facts about a segment before its bytes are read. */
export interface KnownBefore {
  readonly file: string;
  /**
   * The file was certainly durable up to here, according to a mark file, a checkpoint, its own
   * header, or, for a segment with a successor, its length (byte offset).
   */
  readonly durableOffset: number;
  /** Length of the segment according to the next one; `null` for the newest (bytes). */
  readonly sealedBytes: number | null;
}

/** Bytes after the last whole unit, which no acknowledgement covers. */
export interface TornTail {
  /** Path of the segment file. */
  readonly file: string;
  /** Start of the tail (byte offset). */
  readonly offset: number;
  /**
   * End of the last byte that is not zero; equal to `offset` where only preallocated zeros follow
   * (byte offset).
   */
  readonly dataEnd: number;
  /** Why the first unit of the tail is not whole. */
  readonly reason: string;
}

/** The verdict on one segment. */
export type Verdict =
  | { readonly kind: "whole"; readonly scan: ScanResult }
  | { readonly kind: "torn"; readonly scan: ScanResult; readonly tail: TornTail }
  | {
      readonly kind: "corrupt";
      readonly scan: ScanResult;
      readonly damage: Damage;
      readonly reason: string;
      readonly beyond: Beyond;
    };

/**
 * Decides whether a segment is whole, torn at its end by a crash, or corrupt.
 *
 * Pure. Bad bytes below any known durable mark are corruption, and nothing is cut; bad bytes above
 * all marks are a torn tail. A whole record after bad bytes proves nothing by itself, since
 * unsynced pages reach the disk in any order; the durable mark in it does.
 *
 * @param bytes the whole segment
 * @see docs/decisions/0023-torn-or-corrupt.md
 */
export function judgeSegment(bytes: Buffer, from: ScanFrom, known: KnownBefore): Verdict {
  const scan = scanSegment(bytes, from);
  const expectedBytes = known.sealedBytes ?? known.durableOffset;
  if (scan.fault === null && bytes.length < expectedBytes) {
    const reason = `the file has ${bytes.length} bytes, and ${expectedBytes} were durable`;
    return corrupt(scan, { file: known.file, offset: bytes.length, reason }, NOTHING_BEYOND);
  }
  if (scan.fault === null && known.sealedBytes !== null && bytes.length > known.sealedBytes) {
    const reason = `the file has ${bytes.length} bytes, and was sealed at ${known.sealedBytes}`;
    return corrupt(scan, { file: known.file, offset: known.sealedBytes, reason }, NOTHING_BEYOND);
  }
  if (scan.fault === null) return { kind: "whole", scan };
  const { offset, reason } = scan.fault;
  const beyond = lookBeyond(bytes, offset, from.seed);
  const durable = Math.max(expectedBytes, beyond.durableOffset);
  // A unit that is not whole is cut from its start: a mark never lies inside a unit.
  if (scan.end < durable) return corrupt(scan, { file: known.file, offset, reason }, beyond);
  const { dataEnd } = beyond;
  return { kind: "torn", scan, tail: { file: known.file, offset: scan.end, dataEnd, reason } };
}

const NOTHING_BEYOND: Beyond = { durableOffset: 0, seqNext: null, recordAt: null, dataEnd: 0 };

function corrupt(
  scan: ScanResult,
  at: { readonly file: string; readonly offset: number; readonly reason: string },
  beyond: Beyond,
): Verdict {
  const seqFirst = scan.state.seqNext;
  const seqLast = beyond.seqNext !== null && beyond.seqNext > seqFirst ? beyond.seqNext - 1 : null;
  const damage: Damage = { file: at.file, offset: at.offset, seqFirst, seqLast };
  return { kind: "corrupt", scan, damage, reason: at.reason, beyond };
}
