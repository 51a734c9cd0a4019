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
 * Counts the elements in lines of JSON, as `countMsgpackElements` does: one for each line,
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
