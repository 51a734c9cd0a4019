import { BrokerlessError } from "../errors.ts";
import type { Codec, EncodeLimits } from "./codec.ts";

/** The default of `encode`: no limits. */
export const NO_LIMITS: EncodeLimits = Object.freeze({
  elementsMax: Number.POSITIVE_INFINITY,
  bytesMax: Number.POSITIVE_INFINITY,
});

const LINE_FEED = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/**
 * Every byte of JSON, outside of strings, that precedes or starts an element: `\n` `,` `:` `[` `{`.
 */
const BEGINS: Uint8Array = new Uint8Array(256);
for (const byte of [LINE_FEED, 0x2c, 0x3a, 0x5b, 0x7b]) BEGINS[byte] = 1;

/**
 * Refuses bytes, before they are decoded or sent, that would become too many values: an empty map
 * is one byte on the wire, and 84 in memory. Costs nothing for bytes that are not longer than
 * `elementsMax`, because each element has at least one byte.
 *
 * @param what owner of the bytes, for the error text
 * @throws BrokerlessError `BROKERLESS_TOO_LARGE`
 * @see docs/decisions/0014-cost-of-a-frame.md
 */
export function checkElements(
  codec: Pick<Codec<never>, "countElements">,
  bytes: Uint8Array,
  { elementsMax, what }: { readonly elementsMax: number; readonly what: string },
): void {
  if (bytes.length <= elementsMax || codec.countElements === undefined) return;
  if (codec.countElements(bytes, elementsMax) <= elementsMax) return;
  throw tooManyElements(elementsMax, what);
}

/** @param what owner of the elements, for the error text */
export function tooManyElements(elementsMax: number, what = "message"): BrokerlessError {
  return new BrokerlessError(
    "BROKERLESS_TOO_LARGE",
    `the ${what} has more than ${elementsMax} elements (values, keys, arrays, objects; option "messageElementsMax")`,
  );
}

/** @param bytes length of the encoding (bytes); null where it is only known to be too long */
export function tooManyBytes(bytesMax: number, bytes: number | null = null): BrokerlessError {
  const length = bytes === null ? `more than ${bytesMax}` : bytes;
  return new BrokerlessError(
    "BROKERLESS_TOO_LARGE",
    `the encoded message has ${length} bytes; messageBytesMax is ${bytesMax}`,
  );
}

/**
 * Counts the elements in MessagePack: each value, key, array and map is one. Allocates nothing, and
 * reads only the first bytes of each value; for bytes that are not MessagePack the count is
 * arbitrary.
 *
 * @returns the count; more than `countMax` as soon as that is certain
 */
export function countMsgpackElements(bytes: Uint8Array, countMax: number): number {
  const end = bytes.length;
  let count = 0;
  for (let at = 0; at < end && count <= countMax; count++) at = behindHead(bytes, at);
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
    for (; index < wanted; index++) at = behindHead(bytes, at);
    bytes.writeDoubleBE(-0, at + 1);
  }
}

/**
 * @returns start of the next element: after a scalar, or after the header of an array or map (byte
 *   offset)
 */
function behindHead(bytes: Uint8Array, at: number): number {
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

/**
 * Counts the elements in lines of JSON, as {@link countMsgpackElements} does: one for each line,
 * comma and colon, and one for each array and object that is not empty.
 */
export function countJsonElements(bytes: Uint8Array, countMax: number): number {
  // No element starts after the last line.
  const end = bytes.at(-1) === LINE_FEED ? bytes.length - 1 : bytes.length;
  let count = 1;
  for (let at = 0; at < end && count <= countMax; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) at = endOfText(bytes, at);
    else count += BEGINS[byte]!;
  }
  return count;
}

/**
 * @param at position of the string's first quote @returns position of its last quote (byte offset)
 */
function endOfText(bytes: Uint8Array, at: number): number {
  const end = bytes.length;
  for (at += 1; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at += 1;
  }
  return end;
}
