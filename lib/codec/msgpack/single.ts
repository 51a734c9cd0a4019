import { isUtf8 } from "node:buffer";
import { viewOf } from "../../view.ts";
import type { ByteWriter } from "../byte-writer.ts";
import { LENGTH_BYTES } from "../msgpack-elements.ts";

/** A longer text is left to msgpackr, which then costs no more (UTF-16 units). */
const UNITS_MAX = 4_096;
/** Most bytes that one UTF-16 unit becomes. */
const UNIT_BYTES_MAX = 3;
/** Longest head of a text or of bytes. */
const HEAD_BYTES_MAX = 5;
/** Up to this length copying byte by byte is faster: a native copy first makes a view of them. */
const SHORT_BYTES_MAX = 64;
/** Up to this length a text is looked at first: of ASCII, a string is made without any decoding (bytes). */
const CHECKED_BYTES_MAX = 256;
/** What a text of bytes that are not valid UTF-8 has in their place. */
const REPLACEMENT = "\ufffd";

/** In every Node, if not among its types; `toString` and `write` find their way there more slowly. */
type WithSlices = Buffer & {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
  utf8Write(text: string, at: number): number;
};

/**
 * Writes a value that is nothing but a text, or nothing but bytes, as msgpackr would, in half the time.
 *
 * @param value is known to have a form, and to be within the limits
 * @returns false, with nothing written, when it is neither
 */
export function writeSingle(value: unknown, writer: ByteWriter): boolean {
  if (typeof value === "string") return value.length <= UNITS_MAX && writeText(value, writer);
  return value instanceof Uint8Array && writeBytes(value, writer);
}

/**
 * @param start where a value begins in `bytes` (byte offset)
 * @param limit where the bytes end (byte offset)
 * @returns where it ends; -1 when it is neither a text nor bytes, or is not whole (byte offset)
 */
export function endOfSingle(bytes: Buffer, start: number, limit: number): number {
  const token = start < limit ? bytes[start]! : 0;
  if (token < 0xa0 || token > 0xdb) return -1;
  if (token < 0xc0) {
    const end = start + 1 + (token & 0x1f);
    return end <= limit ? end : -1;
  }
  const size = LENGTH_BYTES[token]!;
  const at = start + 1 + size;
  if (size === 0 || at > limit) return -1;
  const end = at + bytes.readUIntBE(start + 1, size);
  return end <= limit ? end : -1;
}

/**
 * Reads a value that is nothing but a text, or nothing but bytes, which takes msgpackr 2 and 4 times as long.
 *
 * @param start where it begins in `bytes` (byte offset)
 * @param end what {@link endOfSingle} says, not -1 (byte offset)
 * @returns null for a text that is not valid UTF-8
 */
export function readSingle(bytes: Buffer, start: number, end: number): Buffer | string | null {
  const token = bytes[start]!;
  if (token < 0xc0) return readText(bytes, start + 1, end);
  const at = start + 1 + LENGTH_BYTES[token]!;
  return token < 0xd0 ? copyOf(bytes, at, end) : readText(bytes, at, end);
}

function writeBytes(value: Uint8Array, writer: ByteWriter): true {
  const { length } = value;
  const at = writer.reserve(HEAD_BYTES_MAX + length);
  const { bytes } = writer;
  const size = length < 0x100 ? 1 : length < 0x10000 ? 2 : 4;
  bytes[at] = size === 4 ? 0xc6 : 0xc3 + size;
  bytes.writeUIntBE(length, at + 1, size);
  writer.end = at + 1 + size;
  writer.append(value);
  return true;
}

function writeText(text: string, writer: ByteWriter): true {
  const at = writer.reserve(HEAD_BYTES_MAX + text.length * UNIT_BYTES_MAX);
  const bytes = writer.bytes as WithSlices;
  // As if all were ASCII; where that is wrong, once more.
  const from = at + headBytes(text.length);
  const length = bytes.utf8Write(text, from);
  const head = headBytes(length);
  if (at + head !== from) bytes.utf8Write(text, at + head);
  if (head === 1) bytes[at] = 0xa0 | length;
  else {
    bytes[at] = head === 2 ? 0xd9 : 0xda;
    bytes.writeUIntBE(length, at + 1, head - 1);
  }
  writer.end = at + head + length;
  return true;
}

/** @param length of a text of at most 64 KiB @returns length of what stands before it (bytes) */
function headBytes(length: number): 1 | 2 | 3 {
  if (length < 0x20) return 1;
  return length < 0x100 ? 2 : 3;
}

function copyOf(bytes: Buffer, at: number, end: number): Buffer {
  const length = end - at;
  const copy = Buffer.allocUnsafe(length);
  if (length > SHORT_BYTES_MAX) copy.set(viewOf(bytes.buffer, bytes.byteOffset + at, length));
  else for (let i = 0; i < length; i++) copy[i] = bytes[at + i]!;
  return copy;
}

function readText(bytes: Buffer, at: number, end: number): string | null {
  if (end - at <= CHECKED_BYTES_MAX && isAscii(bytes, at, end)) {
    return (bytes as WithSlices).latin1Slice(at, end);
  }
  const text = (bytes as WithSlices).utf8Slice(at, end);
  // Only where one is seen is it worth asking whether it was sent.
  if (!text.includes(REPLACEMENT)) return text;
  return isUtf8(bytes.subarray(at, end)) ? text : null;
}

function isAscii(bytes: Buffer, at: number, end: number): boolean {
  let bits = 0;
  for (let i = at; i < end; i++) bits |= bytes[i]!;
  return bits < 0x80;
}
