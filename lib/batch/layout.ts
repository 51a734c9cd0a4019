/**
 * Byte offsets of the fields of a batch header. Everything is little-endian.
 *
 * | at | bytes | field                                                                    |
 * |----|-------|--------------------------------------------------------------------------|
 * |  0 |     4 | CRC-32 of everything behind it, to the end of the batch                  |
 * |  4 |     4 | length of the batch, this header included                                |
 * |  8 |     2 | magic `0x4b42` ("BK")                                                    |
 * | 10 |     1 | version, 1                                                               |
 * | 11 |     1 | flags, 0; a reader refuses unknown flags                                 |
 * | 12 |     1 | codec of the values, see {@link CODEC_BYTES}                             |
 * | 13 |     3 | 0                                                                        |
 * | 16 |    16 | stream id                                                                |
 * | 32 |     4 | epoch, from 1                                                            |
 * | 36 |     4 | count of entries, from 1                                                 |
 * | 40 |     8 | seq of the first entry, from 1                                           |
 * | 48 |     8 | durable-before mark: the writer's journal held every seq up to this one  |
 * | 56 |     8 | when the batch was sealed, in ms since 1970                              |
 * | 64 |       | entries                                                                  |
 *
 * @see docs/wire-format.md
 */
export const BATCH = {
  checksum: 0,
  bytes: 4,
  magic: 8,
  version: 10,
  flags: 11,
  codec: 12,
  stream: 16,
  epoch: 32,
  count: 36,
  seqFirst: 40,
  durableBefore: 48,
  timeMs: 56,
} as const;

/** Length of a batch header (bytes). */
export const BATCH_HEADER_BYTES = 64;
/** "BK", the magic number of a batch. */
export const BATCH_MAGIC = 0x4b42;
/** The only version so far; any other is refused. */
export const BATCH_VERSION = 1;
/**
 * Headroom that an encoder leaves in front of a batch, so that a journal can put its record
 * envelope there and write one contiguous piece to the disk (bytes).
 */
export const BATCH_HEADROOM_BYTES = 20;

/**
 * Codec number for bytes of no particular format. 1 is raw, 2 msgpack, 3 json; 128 and above are
 * private.
 */
export const CODEC_BYTES = 0;

/** Longest entry, without its length word: 28 bits (bytes). */
export const ENTRY_BYTES_MAX: number = 2 ** 28 - 1;
/** Length of the length word in front of each entry (bytes). */
export const ENTRY_WORD_BYTES = 4;
/** Flags of an entry: bits 28 to 31 of its length word. */
export const ENTRY_FLAG = { key: 1, headers: 2, times: 4 } as const;
/** Bits of the times mask, in the order in which the times follow. */
export const TIME_FLAG = { createdAtMs: 1, notBeforeMs: 2, expiresAtMs: 4 } as const;

/** Stores an integer below 2^16, little-endian. */
export function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

/** Stores an integer below 2^32, little-endian. */
export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/** Stores an integer below 2^53 in eight bytes, little-endian. */
export function putU64(bytes: Uint8Array, at: number, value: number): void {
  putU32(bytes, at, value >>> 0);
  putU32(bytes, at + 4, Math.floor(value / 2 ** 32));
}

/** @returns the number below 2^16 at `at` */
export function getU16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

/** @returns the number below 2^32 at `at` */
export function getU32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  );
}

/** @returns the eight-byte number at `at`; inexact above 2^53, which callers refuse */
export function getU64(bytes: Uint8Array, at: number): number {
  return getU32(bytes, at) + getU32(bytes, at + 4) * 2 ** 32;
}

/** @returns the 16 bytes of a stream id of 32 hex digits */
export function streamBytes(stream: string): Buffer {
  return Buffer.from(stream, "hex");
}
