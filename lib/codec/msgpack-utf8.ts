import { describe } from "../options.ts";

/** Whether `text` has a UTF-8 form, having no half of a surrogate pair. */
export function isWellFormed(text: string): boolean {
  // In every Node we support, and not yet among the library types of ES2023.
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}

/**
 * Writes a MessagePack string of up to 40 UTF-16 units, in JavaScript.
 *
 * From 11 units on it may need more than 31 bytes, so it gets the head of two bytes at once: a
 * little longer than the shortest form, and read by everyone.
 *
 * @param at where it goes, with room for 3 bytes for each unit and 2 more (byte offset)
 * @returns where it ends (byte offset)
 * @throws TypeError for half of a surrogate pair
 */
export function writeShortUtf8(text: string, bytes: Buffer, at: number): number {
  const from = at + (text.length <= 10 ? 1 : 2);
  let to = from;
  for (let i = 0; i < text.length; i++) {
    const code = text.codePointAt(i)!;
    if (code < 0x80) bytes[to++] = code;
    else if (code < 0x800) {
      bytes[to++] = 0xc0 | (code >> 6);
      bytes[to++] = 0x80 | (code & 0x3f);
    } else if (code < 0x10000) {
      if (code >= 0xd800 && code < 0xe000) throw halfPair(text);
      bytes[to++] = 0xe0 | (code >> 12);
      bytes[to++] = 0x80 | ((code >> 6) & 0x3f);
      bytes[to++] = 0x80 | (code & 0x3f);
    } else {
      i += 1;
      bytes[to++] = 0xf0 | (code >> 18);
      bytes[to++] = 0x80 | ((code >> 12) & 0x3f);
      bytes[to++] = 0x80 | ((code >> 6) & 0x3f);
      bytes[to++] = 0x80 | (code & 0x3f);
    }
  }
  const length = to - from;
  if (from === at + 1) bytes[at] = 0xa0 | length;
  else {
    bytes[at] = 0xd9;
    bytes[at + 1] = length;
  }
  return to;
}

/**
 * Writes a MessagePack string of any length, in native code.
 *
 * @param bytesMax no less than its length in UTF-8 (bytes); decides the size of the head
 * @param at where it goes, with room for `bytesMax` and 5 more (byte offset)
 * @returns where it ends (byte offset)
 * @throws TypeError for half of a surrogate pair
 */
export function writeLongUtf8(text: string, bytesMax: number, bytes: Buffer, at: number): number {
  const from = at + (bytesMax < 0x100 ? 2 : bytesMax < 0x10000 ? 3 : 5);
  const length = bytes.write(text, from, bytesMax, "utf8");
  // As many bytes as units: all ASCII. Else half a pair would have become U+FFFD without a word.
  if (length !== text.length && !isWellFormed(text)) throw halfPair(text);
  if (from === at + 2) {
    bytes[at] = 0xd9;
    bytes[at + 1] = length;
  } else if (from === at + 3) {
    bytes[at] = 0xda;
    bytes.writeUInt16BE(length, at + 1);
  } else {
    bytes[at] = 0xdb;
    bytes.writeUInt32BE(length, at + 1);
  }
  return from + length;
}

function halfPair(text: string): TypeError {
  return new TypeError(`msgpack: a string has half of a surrogate pair: ${describe(text)}`);
}
