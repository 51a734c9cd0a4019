import { crc32 } from "node:zlib";
import { getU16, getU32, getU64, putU16, putU32, putU64 } from "../../batch/layout.ts";

/** Length of the header of a segment (bytes). */
export const SEGMENT_HEADER_BYTES = 96;
/** The only version so far. */
export const SEGMENT_VERSION = 1;

const FLAG_GAP = 1;
const MAGIC = Buffer.from("BRKLSEG\n");

/**
 * The first 96 bytes of a segment, little-endian:
 *
 * | at | bytes | field                                                                  |
 * |----|-------|------------------------------------------------------------------------|
 * |  0 |     8 | "BRKLSEG\n"                                                            |
 * |  8 |     2 | version, 1                                                             |
 * | 10 |     2 | flags: 1 = a repair found entries before this segment lost; others are |
 * |    |       | refused                                                                |
 * | 12 |     4 | number of the segment, from 1                                          |
 * | 16 |    16 | stream id                                                              |
 * | 32 |    16 | random salt                                                            |
 * | 48 |     4 | epoch                                                                  |
 * | 52 |     4 | born: the file was durable up to here before it got its name           |
 * | 56 |     8 | base: the seq that the next batch has when this segment starts         |
 * | 64 |     8 | length of the segment before (bytes); 0 for the first                  |
 * | 72 |     8 | first seq of the epoch                                                 |
 * | 80 |     8 | when it was made, ms since 1970                                        |
 * | 88 |     4 | 0                                                                      |
 * | 92 |     4 | CRC-32 of bytes 0 to 92                                                |
 */
export interface SegmentHeader {
  readonly number: number;
  /**
   * A repair found entries before this segment lost: its base may be higher than the end of the
   * previous segment.
   */
  readonly hasGap: boolean;
  /** 32 hex digits. */
  readonly stream: string;
  /** 32 hex digits. */
  readonly salt: string;
  readonly epoch: number;
  readonly bornBytes: number;
  readonly seqBase: number;
  readonly previousBytes: number;
  readonly epochSeqFirst: number;
  readonly createdAtMs: number;
}

/** @returns the 96 bytes */
export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(bytes);
  putU16(bytes, 8, SEGMENT_VERSION);
  putU16(bytes, 10, header.hasGap ? FLAG_GAP : 0);
  putU32(bytes, 12, header.number);
  bytes.write(header.stream, 16, "hex");
  bytes.write(header.salt, 32, "hex");
  putU32(bytes, 48, header.epoch);
  putU32(bytes, 52, header.bornBytes);
  putU64(bytes, 56, header.seqBase);
  putU64(bytes, 64, header.previousBytes);
  putU64(bytes, 72, header.epochSeqFirst);
  putU64(bytes, 80, header.createdAtMs);
  putU32(bytes, 92, crc32(bytes.subarray(0, 92)));
  return bytes;
}

/** A header, or why it is invalid: an unknown `version` is not damage. */
export type SegmentHeaderResult =
  | { readonly kind: "header"; readonly header: SegmentHeader }
  | { readonly kind: "version"; readonly reason: string }
  | { readonly kind: "damaged"; readonly reason: string };

/** Reads and checks a header. Pure. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeaderResult {
  if (bytes.length < SEGMENT_HEADER_BYTES) {
    return { kind: "damaged", reason: "the file is shorter than a segment header" };
  }
  const sound = crc32(bytes.subarray(0, 92)) === getU32(bytes, 92);
  if (!sound || !MAGIC.equals(bytes.subarray(0, 8))) {
    return { kind: "damaged", reason: "the segment header does not match its checksum" };
  }
  const version = getU16(bytes, 8);
  const flags = getU16(bytes, 10);
  if (version !== SEGMENT_VERSION || (flags & ~FLAG_GAP) !== 0) {
    const reason = `it has version ${version}, flags ${flags}; this program reads version 1, flags 0 and 1`;
    return { kind: "version", reason };
  }
  const header: SegmentHeader = {
    number: getU32(bytes, 12),
    hasGap: (flags & FLAG_GAP) !== 0,
    stream: bytes.toString("hex", 16, 32),
    salt: bytes.toString("hex", 32, 48),
    epoch: getU32(bytes, 48),
    bornBytes: getU32(bytes, 52),
    seqBase: getU64(bytes, 56),
    previousBytes: getU64(bytes, 64),
    epochSeqFirst: getU64(bytes, 72),
    createdAtMs: getU64(bytes, 80),
  };
  return { kind: "header", header };
}

/** Start value of the record checksums of a segment. */
export function segmentSeed(header: SegmentHeader): number {
  return crc32(Buffer.from(header.salt, "hex"));
}
