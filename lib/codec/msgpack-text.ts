import { isUtf8 } from "node:buffer";

/** Strings of up to 8 bytes are remembered, so many at most (count); a power of two. */
const SLOTS = 1024;
const SLOT_SHIFT = 22;
/** Any bit of it set in a word of four bytes: not all of them are ASCII. */
const NOT_ASCII = 0x80808080;
const code = String.fromCharCode;

/**
 * Makes strings from UTF-8 bytes, and remembers short ones: a stream of messages has the same few
 * words again and again, and finding one costs less than making it.
 *
 * A string counts as found only when all its bytes are equal, so this changes the speed and never
 * the result. Its memory is bounded.
 */
export class TextReader {
  readonly #heads = new Int32Array(SLOTS);
  readonly #tails = new Int32Array(SLOTS);
  readonly #texts: string[] = new Array<string>(SLOTS).fill("");

  /**
   * @param view the same memory as `bytes`
   * @param at where the string begins (byte offset)
   * @param length its length, which lies within `bytes` (bytes)
   * @throws Error when the bytes are not valid UTF-8
   */
  read(bytes: Buffer, view: DataView, at: number, length: number): string {
    if (length > 8) return readLong(bytes, view, at, length);
    let head = 0;
    let tail = 0;
    if (length >= 4) {
      head = view.getInt32(at);
      tail = view.getInt32(at + length - 4);
    } else {
      for (let i = 0; i < length; i++) head = (head << 8) | bytes[at + i]!;
    }
    if (((head | tail) & NOT_ASCII) !== 0) return readUtf8(bytes, at, length);
    const mixed = Math.imul(head, 0x9e3779b1) ^ Math.imul(tail, 0x85ebca6b) ^ length;
    const slot = Math.imul(mixed, 0xc2b2ae35) >>> SLOT_SHIFT;
    const known = this.#texts[slot]!;
    if (this.#heads[slot] === head && this.#tails[slot] === tail && known.length === length) {
      return known;
    }
    const text = readAscii(bytes, at, length);
    this.#heads[slot] = head;
    this.#tails[slot] = tail;
    this.#texts[slot] = text;
    return text;
  }
}

function readLong(bytes: Buffer, view: DataView, at: number, length: number): string {
  if (length > 16) return readUtf8(bytes, at, length);
  const end = at + length;
  const words =
    view.getInt32(at) | view.getInt32(at + 4) | view.getInt32(end - 8) | view.getInt32(end - 4);
  return (words & NOT_ASCII) === 0 ? readAscii(bytes, at, length) : readUtf8(bytes, at, length);
}

function readUtf8(bytes: Buffer, at: number, length: number): string {
  const end = at + length;
  const text = bytes.toString("utf8", at, end);
  // Invalid bytes become U+FFFD; only where it is seen is it worth asking whether it was sent.
  if (text.includes("\ufffd") && !isUtf8(bytes.subarray(at, end))) {
    throw new Error(`msgpack: the string at byte ${at} is not valid UTF-8`);
  }
  return text;
}

/**
 * Up to 16 bytes: one call with all the codes takes a third of the time of one into native code.
 *
 * @see bench/codec.ts
 */
function readAscii(b: Buffer, at: number, length: number): string {
  // biome-ignore format: one line for each length
  switch (length) {
    case 1: return code(b[at]!);
    case 2: return code(b[at]!, b[at + 1]!);
    case 3: return code(b[at]!, b[at + 1]!, b[at + 2]!);
    case 4: return code(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!);
    case 5: return code(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!);
    case 6: return code(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!);
    case 7: return code(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!, b[at + 6]!);
    case 8: return code(
      b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!, b[at + 6]!, b[at + 7]!,
    );
    case 9: return code(
      b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!, b[at + 6]!, b[at + 7]!,
      b[at + 8]!,
    );
    case 10: return code(
      b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!, b[at + 6]!, b[at + 7]!,
      b[at + 8]!, b[at + 9]!,
    );
    case 11: return code(
      b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!, b[at + 6]!, b[at + 7]!,
      b[at + 8]!, b[at + 9]!, b[at + 10]!,
    );
    case 12: return code(
      b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!, b[at + 6]!, b[at + 7]!,
      b[at + 8]!, b[at + 9]!, b[at + 10]!, b[at + 11]!,
    );
    case 13: return code(
      b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!, b[at + 6]!, b[at + 7]!,
      b[at + 8]!, b[at + 9]!, b[at + 10]!, b[at + 11]!, b[at + 12]!,
    );
    case 14: return code(
      b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!, b[at + 6]!, b[at + 7]!,
      b[at + 8]!, b[at + 9]!, b[at + 10]!, b[at + 11]!, b[at + 12]!, b[at + 13]!,
    );
    case 15: return code(
      b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!, b[at + 6]!, b[at + 7]!,
      b[at + 8]!, b[at + 9]!, b[at + 10]!, b[at + 11]!, b[at + 12]!, b[at + 13]!, b[at + 14]!,
    );
    case 16: return code(
      b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!, b[at + 6]!, b[at + 7]!,
      b[at + 8]!, b[at + 9]!, b[at + 10]!, b[at + 11]!, b[at + 12]!, b[at + 13]!, b[at + 14]!, b[at + 15]!,
    );
    default: return "";
  }
}
