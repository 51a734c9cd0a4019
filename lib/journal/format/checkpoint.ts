import { crc32 } from "node:zlib";
import { getU16, getU32, getU64, putU16, putU32, putU64 } from "../../batch/layout.ts";
import { RECORD_HEADER_BYTES } from "./record.ts";
import { decodeValues, encodeValues, type ValueChanges } from "./values.ts";

const MAGIC = Buffer.from("BRKLCHK\n");
const HEADER_BYTES = 72;

/**
 * The state of a log at one position. Little-endian:
 *
 * | at | bytes | field                                            |
 * |----|-------|--------------------------------------------------|
 * |  0 |     8 | "BRKLCHK\n"                                      |
 * |  8 |     2 | version, 1                                       |
 * | 10 |     2 | flags, 0                                         |
 * | 12 |     4 | number of the segment                            |
 * | 16 |    16 | stream id                                        |
 * | 32 |     4 | epoch                                            |
 * | 36 |     4 | the position (byte offset in the segment)        |
 * | 40 |     8 | seq of the next batch                            |
 * | 48 |     8 | time of the newest batch, ms since 1970          |
 * | 56 |    12 | 0                                                |
 * | 68 |     4 | CRC-32 of everything but these four bytes        |
 * | 72 |       | a values body with all named values              |
 *
 * It is a starting point for a scan and a durable mark. It is optional: without it the log is read.
 */
export interface Checkpoint {
  readonly segment: number;
  readonly stream: string;
  readonly epoch: number;
  readonly offset: number;
  readonly seqNext: number;
  readonly timeMs: number;
  readonly values: ValueChanges;
}

/** @returns its bytes */
export function encodeCheckpoint(checkpoint: Checkpoint): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  putU16(header, 8, 1);
  putU32(header, 12, checkpoint.segment);
  header.write(checkpoint.stream, 16, "hex");
  putU32(header, 32, checkpoint.epoch);
  putU32(header, 36, checkpoint.offset);
  putU64(header, 40, checkpoint.seqNext);
  putU64(header, 48, checkpoint.timeMs);
  const values = encodeValues(checkpoint.values, true).subarray(RECORD_HEADER_BYTES);
  putU32(header, 68, crc32(values, crc32(header.subarray(0, 68))));
  return Buffer.concat([header, values]);
}

/** @returns `null` where it is damaged or of an unknown version, which is harmless */
export function decodeCheckpoint(bytes: Buffer): Checkpoint | null {
  if (bytes.length < HEADER_BYTES || !MAGIC.equals(bytes.subarray(0, 8))) return null;
  if (getU16(bytes, 8) !== 1 || getU16(bytes, 10) !== 0) return null;
  const body = bytes.subarray(HEADER_BYTES);
  if (crc32(body, crc32(bytes.subarray(0, 68))) !== getU32(bytes, 68)) return null;
  const values = decodeValues(body);
  if (values === null) return null;
  return {
    segment: getU32(bytes, 12),
    stream: bytes.toString("hex", 16, 32),
    epoch: getU32(bytes, 32),
    offset: getU32(bytes, 36),
    seqNext: getU64(bytes, 40),
    timeMs: getU64(bytes, 48),
    values: values.changes,
  };
}
