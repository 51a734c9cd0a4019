import { crc32 } from "node:zlib";
import { getU16, getU32, putU16, putU32 } from "../../batch/layout.ts";

/**
 * The envelope in front of each body in a segment, little-endian:
 *
 * | at | bytes | field                                                                      |
 * |----|-------|----------------------------------------------------------------------------|
 * |  0 |     4 | CRC-32 of bytes 4 to 24, started from the segment's seed                   |
 * |  4 |     4 | length of the body (bytes)                                                 |
 * |  8 |     1 | type: 1 batch, 2 values                                                    |
 * |  9 |     1 | flags: 1 = one unit with the record behind it                              |
 * | 10 |     2 | 0                                                                          |
 * | 12 |     4 | where this record starts in its file                                       |
 * | 16 |     4 | durable-before mark: the file was durable up to here before this write     |
 * | 20 |     4 | (the body's first field) CRC-32 of the rest of the body                    |
 *
 * The chain envelope -> body checksum -> body covers every byte. The seed depends on the segment's
 * random salt, and the offset on the record's position: bytes of an older file, or of another
 * position, fail the check.
 *
 * @see docs/journal-format.md
 */
export const RECORD_HEADER_BYTES = 20;
/** The shortest valid body: a values record without values (bytes). */
export const BODY_BYTES_MIN = 16;
/** The longest body; a length above it is damage, whatever the file's size (bytes). */
export const BODY_BYTES_MAX: number = 2 ** 30;

/** Type of a body. */
export const RECORD_TYPE = { batch: 1, values: 2 } as const;

const FLAG_JOINED = 1;

/** Fields of an envelope. */
export interface RecordFields {
  readonly bodyBytes: number;
  readonly type: number;
  /** The next record belongs to the same unit: both count, or neither. */
  readonly joined: boolean;
  readonly offset: number;
  readonly durableOffset: number;
}

/** Writes an envelope at `at`; the body's checksum must already be written after it. */
export function sealRecord(
  bytes: Uint8Array,
  at: number,
  fields: RecordFields,
  seed: number,
): void {
  putU32(bytes, at + 4, fields.bodyBytes);
  bytes[at + 8] = fields.type;
  bytes[at + 9] = fields.joined ? FLAG_JOINED : 0;
  putU16(bytes, at + 10, 0);
  putU32(bytes, at + 12, fields.offset);
  putU32(bytes, at + 16, fields.durableOffset);
  putU32(bytes, at, crc32(bytes.subarray(at + 4, at + 24), seed));
}

/** Where in a segment a record is expected. */
export interface RecordPlace {
  /** Position of its first byte in `bytes` (byte offset). */
  readonly at: number;
  /** Position in the segment file (byte offset). */
  readonly offset: number;
  /** Length of the segment from there on (bytes). */
  readonly bytesThere: number;
  readonly seed: number;
}

/**
 * Checks an envelope, and no more of the body than its checksum field.
 *
 * @param bytes must hold at least 24 bytes from `at` on, where the segment has that many
 * @returns why it is not a valid record, or `null`
 */
export function recordFault(bytes: Uint8Array, place: RecordPlace): string | null {
  const { at, offset } = place;
  if (place.bytesThere < RECORD_HEADER_BYTES + BODY_BYTES_MIN) return "the file ends in a record";
  // The cheap comparison first, because a search for records tries it at every byte.
  if (getU32(bytes, at + 12) !== offset) return "no record starts here";
  const bodyBytes = getU32(bytes, at + 4);
  if (bodyBytes < BODY_BYTES_MIN || bodyBytes > BODY_BYTES_MAX) return "a record's length is wrong";
  const type = bytes[at + 8]!;
  if (type !== RECORD_TYPE.batch && type !== RECORD_TYPE.values) return "a record's type is wrong";
  if (bytes[at + 9]! > FLAG_JOINED || getU16(bytes, at + 10) !== 0) {
    return "a record's flags are wrong";
  }
  if (getU32(bytes, at + 16) > offset) return "a record's durable mark is wrong";
  if (crc32(bytes.subarray(at + 4, at + 24), place.seed) !== getU32(bytes, at)) {
    return "a record's checksum does not match";
  }
  if (RECORD_HEADER_BYTES + bodyBytes > place.bytesThere) return "the file ends in a record";
  return null;
}

/** Reads an envelope in which {@link recordFault} found no fault. */
export function readRecord(bytes: Uint8Array, at: number): RecordFields {
  return {
    bodyBytes: getU32(bytes, at + 4),
    type: bytes[at + 8]!,
    joined: bytes[at + 9] === FLAG_JOINED,
    offset: getU32(bytes, at + 12),
    durableOffset: getU32(bytes, at + 16),
  };
}
