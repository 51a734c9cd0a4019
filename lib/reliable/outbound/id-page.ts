import type { KnownId } from "./pending.ts";

/** Length of the stored part of each id's SHA-256 (bytes). */
export const ID_BYTES = 10;

/** "BKID", and a version. */
const MAGIC = 0x4449_4b42;
const VERSION = 1;
const HEAD_BYTES = 16;
const ENTRY_BYTES = ID_BYTES + 7;
const ENDS: readonly KnownId["end"][] = [null, "dead", "dropped", "lost"];

/**
 * Encodes a page of deduplication ids. Pure. Little-endian:
 *
 * | at | bytes | field                                                        |
 * |----|-------|--------------------------------------------------------------|
 * |  0 |     4 | "BKID"                                                       |
 * |  4 |     4 | version, 1                                                   |
 * |  8 |     8 | number of the page                                           |
 * | 16 |       | for each id: 10 bytes of SHA-256, seq u48, how it ended u8   |
 */
export function encodeIdPage(number: number, ids: readonly KnownId[]): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES + ids.length * ENTRY_BYTES);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(VERSION, 4);
  bytes.writeBigUInt64LE(BigInt(number), 8);
  let at = HEAD_BYTES;
  for (const { hash, seq, end } of ids) {
    bytes.write(hash, at, "latin1");
    bytes.writeUIntLE(seq, at + ID_BYTES, 6);
    bytes[at + ID_BYTES + 6] = ENDS.indexOf(end);
    at += ENTRY_BYTES;
  }
  return bytes;
}

/** Pure. @returns null if the bytes were not made by {@link encodeIdPage} */
export function decodeIdPage(
  value: Uint8Array,
): { readonly number: number; readonly ids: KnownId[] } | null {
  const bytes = Buffer.from(value);
  if (bytes.length < HEAD_BYTES || (bytes.length - HEAD_BYTES) % ENTRY_BYTES !== 0) return null;
  if (bytes.readUInt32LE(0) !== MAGIC || bytes.readUInt32LE(4) !== VERSION) return null;
  const number = Number(bytes.readBigUInt64LE(8));
  const ids: KnownId[] = [];
  for (let at = HEAD_BYTES; at < bytes.length; at += ENTRY_BYTES) {
    const end = ENDS[bytes[at + ID_BYTES + 6]!];
    if (end === undefined) return null;
    const hash = bytes.toString("latin1", at, at + ID_BYTES);
    const seq = bytes.readUIntLE(at + ID_BYTES, 6);
    ids.push({ hash, page: number, seq, end, first: null });
  }
  return { number, ids };
}
