import { getU16, getU32 } from "./layout.ts";

/** Elements that a header counts for: eight values, keys or objects take as long to decode. */
export const HEADER_ELEMENTS = 16;
/** Shortest header: two length fields, and a name of one byte (bytes). */
export const HEADER_BYTES_MIN = 4;
/** Length of the length field in front of a block (bytes). */
export const BLOCK_HEAD_BYTES = 4;

/**
 * Most headers of all messages of one frame: they are decoded in one turn of the event loop. The
 * headers of a single message never exceed it.
 *
 * @returns the limit (count)
 * @see docs/decisions/0014-cost-of-a-frame.md
 */
export function headersTogetherMax(options: {
  /** Most elements of a frame (count). */
  readonly elementsMax: number;
  /** Most headers of one message (count). */
  readonly headersCountMax: number;
}): number {
  return Math.max(options.headersCountMax, Math.floor(options.elementsMax / HEADER_ELEMENTS));
}

/**
 * Whether consecutive blocks of headers have more than `countMax` headers. Reads only their length
 * fields, and none where they are too short for that many. For malformed blocks the result is
 * arbitrary.
 *
 * @param at start of the first block (byte offset)
 * @param blocks how many there should be (count)
 */
export function hasMoreHeaders(
  bytes: Uint8Array,
  at: number,
  { blocks, countMax }: { readonly blocks: number; readonly countMax: number },
): boolean {
  if (bytes.length <= countMax * HEADER_BYTES_MIN) return false;
  let left = countMax;
  let start = at;
  for (let block = 0; block < blocks && start < bytes.length; block++) {
    left -= countHeaders(bytes, start, left);
    if (left < 0) return true;
    start += BLOCK_HEAD_BYTES + getU32(bytes, start);
  }
  return false;
}

/** @param at start of a block @returns its headers; more than `countMax` as soon as that is certain */
function countHeaders(bytes: Uint8Array, at: number, countMax: number): number {
  const start = at + BLOCK_HEAD_BYTES;
  const end = Math.min(start + getU32(bytes, at), bytes.length);
  let count = 0;
  for (let from = start; from < end && count <= countMax; count++) {
    const nameEnd = from + 1 + bytes[from]!;
    from = nameEnd + 2 + getU16(bytes, nameEnd);
  }
  return count;
}
