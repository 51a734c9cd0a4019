import { isUtf8 } from "node:buffer";
import { indexOf, isSparse, keepInTable } from "../codec/index-keys.ts";
import { isWellFormed } from "../codec/well-formed.ts";
import { BrokerlessError } from "../errors.ts";
import { expected, isPlain, quoted } from "../options.ts";
import { BLOCK_HEAD_BYTES, HEADER_ELEMENTS, hasMoreHeaders } from "./headers-bound.ts";
import { getU16, getU32, putU16, putU32 } from "./layout.ts";

/** Headers of a message, for programs between sender and receiver: names mapped to texts. */
export type MessageHeaders = Readonly<Record<string, string>>;

/** Limits on the headers of one message. */
export interface HeaderLimits {
  /** Most headers (count). */
  readonly headersCountMax: number;
  /** Most bytes of all names and texts in UTF-8, plus three bytes for each header. */
  readonly headersBytesMax: number;
}

/** The same, with a limit on those of all messages of a frame. */
export interface FrameHeaderLimits extends HeaderLimits {
  /** Most headers of a frame: what `headersTogetherMax` returns (count). Default: no limit. */
  readonly headersTogetherMax?: number;
}

/** The headers of a message without any: the same frozen object for all. */
export const NO_HEADERS: MessageHeaders = Object.freeze({});

/** Longest header name, and longest header text (bytes). */
export const HEADER_NAME_BYTES_MAX = 255;
export const HEADER_TEXT_BYTES_MAX = 0xffff;
/** Description of valid headers, for error texts. */
export const HEADERS_WANTED = "a plain object of names and texts";
/** Bytes of the two length fields of a header. */
const PAIR_BYTES = 3;

/** The first bytes of a headers frame: "BH", the version, and a zero. */
const PART_HEAD: Buffer = Buffer.from([0x42, 0x48, 1, 0]);

/**
 * Encodes the headers of one message, as they stand in an entry of a batch and in a headers frame:
 *
 * | bytes | content                                     |
 * |-------|---------------------------------------------|
 * | 4     | length of what follows, u32 little-endian   |
 * |       | for each header:                            |
 * | 1     | length of the name (bytes), from 1          |
 * |       | name, UTF-8                                 |
 * | 2     | length of the text (bytes), u16             |
 * |       | text, UTF-8                                 |
 *
 * @param what owner of the headers, for the error text
 * @returns null where there are none
 * @throws TypeError for anything but a plain object of texts, or beyond a limit
 */
export function encodeHeaders(what: string, headers: unknown, limits: HeaderLimits): Buffer | null {
  if (!isPlain(headers)) throw expected(`${what}: headers`, HEADERS_WANTED, headers);
  const pairs = Object.entries(headers);
  const { headersCountMax, headersBytesMax } = limits;
  if (pairs.length > headersCountMax) {
    throw new TypeError(`${what}: ${pairs.length} headers; headersCountMax is ${headersCountMax}`);
  }
  if (pairs.length === 0) return null;
  let length = 0;
  for (const [name, text] of pairs) length += pairBytes(what, name, text);
  if (length > headersBytesMax) {
    throw new TypeError(
      `${what}: headers of ${length} bytes; headersBytesMax is ${headersBytesMax}`,
    );
  }
  const bytes = Buffer.allocUnsafe(BLOCK_HEAD_BYTES + length);
  putU32(bytes, 0, length);
  let at = BLOCK_HEAD_BYTES;
  for (const [name, text] of pairs as [string, string][]) {
    const nameBytes = bytes.write(name, at + 1);
    bytes[at] = nameBytes;
    at += 1 + nameBytes;
    const textBytes = bytes.write(text, at + 2);
    putU16(bytes, at, textBytes);
    at += 2 + textBytes;
  }
  return bytes;
}

/** @throws TypeError for an invalid name or text */
function pairBytes(what: string, name: string, text: unknown): number {
  const nameBytes = Buffer.byteLength(name);
  const isName = nameBytes >= 1 && nameBytes <= HEADER_NAME_BYTES_MAX && isWellFormed(name);
  if (!isName || name === "__proto__") {
    const wanted = `a well-formed text of 1 to ${HEADER_NAME_BYTES_MAX} bytes, not __proto__`;
    throw expected(`${what}: header name`, wanted, name);
  }
  const textBytes = typeof text === "string" && isWellFormed(text) ? Buffer.byteLength(text) : -1;
  if (textBytes < 0 || textBytes > HEADER_TEXT_BYTES_MAX) {
    const wanted = `a well-formed string of at most ${HEADER_TEXT_BYTES_MAX} bytes`;
    throw expected(`${what}: header ${quoted(name)}`, wanted, text);
  }
  return PAIR_BYTES + nameBytes + textBytes;
}

/**
 * Decodes one block of untrusted bytes.
 *
 * @param at start of the block, at its length field (byte offset)
 * @param end end of the bytes that may belong to it (byte offset)
 * @throws BrokerlessError `BROKERLESS_PROTOCOL` for a malformed block, `BROKERLESS_TOO_LARGE`
 *   beyond a limit
 */
export function decodeHeaders(
  bytes: Buffer,
  { at, end }: { readonly at: number; readonly end: number },
  limits: HeaderLimits,
): { readonly headers: MessageHeaders; readonly end: number } {
  if (at + BLOCK_HEAD_BYTES > end) throw malformed("they are cut off");
  const length = getU32(bytes, at);
  const start = at + BLOCK_HEAD_BYTES;
  if (length > end - start) throw malformed("their length exceeds the bytes");
  if (length > limits.headersBytesMax) {
    throw tooLarge(`${length} bytes; headersBytesMax is ${limits.headersBytesMax}`);
  }
  const blockEnd = start + length;
  const headers: Record<string, string> = {};
  let count = 0;
  let from = start;
  while (from < blockEnd) {
    count += 1;
    if (count > limits.headersCountMax) {
      throw tooLarge(`more than headersCountMax, ${limits.headersCountMax}`);
    }
    const nameEnd = from + 1 + bytes[from]!;
    const textEnd = nameEnd + 2 + getU16(bytes, nameEnd);
    if (textEnd > blockEnd) throw malformed("a name or text exceeds them");
    const name = textOf(bytes, from + 1, nameEnd);
    if (name === "" || name === "__proto__") throw malformed("a name is invalid");
    if (Object.hasOwn(headers, name)) throw malformed("a name occurs twice");
    // A header name is rarely an array index; where it is one on purpose, the first such name
    // decides.
    const indexMax = indexOf(name);
    if (indexMax >= 0 && isSparse({ indexMax, indexCount: 1 })) keepInTable(headers);
    headers[name] = textOf(bytes, nameEnd + 2, textEnd);
    from = textEnd;
  }
  return { headers: count === 0 ? NO_HEADERS : Object.freeze(headers), end: blockEnd };
}

/** Joins blocks, one for each value of a frame, into the headers frame that follows it. */
export function joinHeaders(blocks: readonly Buffer[]): Buffer {
  return Buffer.concat([PART_HEAD, ...blocks]);
}

/**
 * Decodes the headers frame of a body.
 *
 * @param count values of the body, and so the number of blocks that the frame must have
 * @throws BrokerlessError `BROKERLESS_PROTOCOL`, `BROKERLESS_TOO_LARGE`, `BROKERLESS_VERSION`
 */
export function splitHeaders(
  frame: Buffer,
  count: number,
  limits: FrameHeaderLimits,
): MessageHeaders[] {
  if (frame.length < PART_HEAD.length || frame[0] !== PART_HEAD[0] || frame[1] !== PART_HEAD[1]) {
    throw malformed("they do not start like headers");
  }
  if (frame[2] !== PART_HEAD[2] || frame[3] !== 0) {
    const message = `headers of version ${frame[2]}.${frame[3]}; this program reads ${PART_HEAD[2]}.0`;
    throw new BrokerlessError("BROKERLESS_VERSION", message);
  }
  const countMax = limits.headersTogetherMax ?? Number.POSITIVE_INFINITY;
  if (hasMoreHeaders(frame, PART_HEAD.length, { blocks: count, countMax })) {
    throw malformed(
      `more than ${countMax} in a frame (each counts ${HEADER_ELEMENTS} elements; option "messageElementsMax")`,
    );
  }
  const all: MessageHeaders[] = [];
  let at = PART_HEAD.length;
  for (let index = 0; index < count; index++) {
    const { headers, end } = decodeHeaders(frame, { at, end: frame.length }, limits);
    all.push(headers);
    at = end;
  }
  if (at !== frame.length) throw malformed("there are more blocks than values");
  return all;
}

function textOf(bytes: Buffer, start: number, end: number): string {
  if (!isUtf8(bytes.subarray(start, end))) throw malformed("a text is not UTF-8");
  return bytes.toString("utf8", start, end);
}

function malformed(what: string): BrokerlessError {
  return new BrokerlessError("BROKERLESS_PROTOCOL", `malformed headers: ${what}`);
}

function tooLarge(what: string): BrokerlessError {
  return new BrokerlessError(
    "BROKERLESS_TOO_LARGE",
    `the headers of a message are too large: ${what}`,
  );
}
