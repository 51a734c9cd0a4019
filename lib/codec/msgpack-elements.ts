/** Length of numbers, booleans and nil, by their token; 0 for everything else (bytes). */
export const SCALAR_BYTES: Uint8Array = scalarBytes();
/** Length of the length field of texts and bytes, by their token; 0 for everything else (bytes). */
export const LENGTH_BYTES: Uint8Array = lengthBytes();

/** Keys of a map that count one element each; a map with more is a dictionary (count). */
const KEYS_FREE = 1_024;
/** Elements that each further key of the map counts for: a new name takes as long as six numbers. */
const KEY_ELEMENTS = 6;

/**
 * Elements that the keys of a map count for beyond one each. Pure.
 *
 * @param keys of the map (count)
 * @see docs/decisions/0014-cost-of-a-frame.md
 */
export function extraOfKeys(keys: number): number {
  return keys > KEYS_FREE ? (keys - KEYS_FREE) * (KEY_ELEMENTS - 1) : 0;
}

/**
 * Counts the elements in MessagePack: each value, key, array and map is one, and each key of a map
 * beyond its first 1,024 is six. Allocates nothing, and reads only the first bytes of each value;
 * for bytes that are not MessagePack the count is arbitrary.
 *
 * @returns the count; more than `countMax` as soon as that is certain
 */
export function countMsgpackElements(bytes: Uint8Array, countMax: number): number {
  const end = bytes.length;
  let count = 0;
  for (let at = 0; at < end && count <= countMax; count++) {
    const token = bytes[at]!;
    if (token === 0xde) count += extraOfKeys(lengthOf(bytes, at, 2));
    else if (token === 0xdf) count += extraOfKeys(lengthOf(bytes, at, 4));
    at = nextElement(bytes, at);
  }
  return count;
}

/**
 * Overwrites float64 elements of a value with -0.
 *
 * @param indices the elements' numbers, as {@link countMsgpackElements} counts them, ascending
 */
export function putNegativeZeros(bytes: Buffer, indices: readonly number[]): void {
  let at = 0;
  let index = 0;
  for (const wanted of indices) {
    for (; index < wanted; index++) at = nextElement(bytes, at);
    bytes.writeDoubleBE(-0, at + 1);
  }
}

/**
 * Steps over one element of MessagePack by its first bytes. Pure; for bytes that are not
 * MessagePack the result is arbitrary.
 *
 * Comparisons and a switch, not a table: counting takes a third less time with them.
 *
 * @param at start of an element (byte offset)
 * @returns start of the next element: after a scalar, or after the header of an array or map (byte
 *   offset)
 */
function nextElement(bytes: Uint8Array, at: number): number {
  const token = bytes[at]!;
  if (token < 0xa0 || token >= 0xe0) return at + 1;
  if (token < 0xc0) return at + 1 + (token & 0x1f);
  switch (token) {
    case 0xcc:
    case 0xd0:
      return at + 2;
    case 0xcd:
    case 0xd1:
    case 0xdc:
    case 0xde:
    case 0xd4:
      return at + 3;
    case 0xca:
    case 0xce:
    case 0xd2:
    case 0xdd:
    case 0xdf:
      return at + 5;
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return at + 9;
    case 0xd5:
      return at + 4;
    case 0xd6:
      return at + 6;
    case 0xd7:
      return at + 10;
    case 0xd8:
      return at + 18;
    case 0xc4:
    case 0xd9:
      return at + 2 + lengthOf(bytes, at, 1);
    case 0xc7:
      return at + 3 + lengthOf(bytes, at, 1);
    case 0xc5:
    case 0xda:
      return at + 3 + lengthOf(bytes, at, 2);
    case 0xc8:
      return at + 4 + lengthOf(bytes, at, 2);
    case 0xc6:
    case 0xdb:
      return at + 5 + lengthOf(bytes, at, 4);
    case 0xc9:
      return at + 6 + lengthOf(bytes, at, 4);
    default:
      return at + 1;
  }
}

/** The length field after a token; 0 beyond the end of the bytes. */
function lengthOf(bytes: Uint8Array, at: number, size: 1 | 2 | 4): number {
  let length = 0;
  for (let index = 1; index <= size; index++) length = length * 256 + (bytes[at + index] ?? 0);
  return length;
}

function scalarBytes(): Uint8Array {
  const lengths = new Uint8Array(256);
  lengths.fill(1, 0x00, 0x80).fill(1, 0xe0);
  for (const token of [0xc0, 0xc2, 0xc3]) lengths[token] = 1;
  for (const token of [0xcc, 0xd0]) lengths[token] = 2;
  for (const token of [0xcd, 0xd1]) lengths[token] = 3;
  for (const token of [0xca, 0xce, 0xd2]) lengths[token] = 5;
  for (const token of [0xcb, 0xcf, 0xd3]) lengths[token] = 9;
  return lengths;
}

function lengthBytes(): Uint8Array {
  const lengths = new Uint8Array(256);
  for (const first of [0xc4, 0xd9]) for (let i = 0; i < 3; i++) lengths[first + i] = 1 << i;
  return lengths;
}
