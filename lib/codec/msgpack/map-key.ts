import type { Cursor } from "./cursor.ts";

/**
 * Decodes the key of a map: a string, or an integer, which becomes its decimal text.
 *
 * @param cursor is behind the key, which was scanned
 * @param at start of the key (byte offset)
 * @returns null for a value of another type
 */
export function decodeKey({ bytes, view, at: end }: Cursor, at: number): string | null {
  const token = bytes[at]!;
  if (token >= 0xa0 && token < 0xc0) return bytes.toString("utf8", at + 1, end);
  if (token < 0x80) return String(token);
  if (token >= 0xe0) return String(token - 0x100);
  switch (token) {
    case 0xd9:
      return bytes.toString("utf8", at + 2, end);
    case 0xda:
      return bytes.toString("utf8", at + 3, end);
    case 0xdb:
      return bytes.toString("utf8", at + 5, end);
    case 0xcc:
      return String(bytes[at + 1]);
    case 0xcd:
      return String(view.getUint16(at + 1));
    case 0xce:
      return String(view.getUint32(at + 1));
    case 0xcf:
      return String(view.getBigUint64(at + 1));
    case 0xd0:
      return String(view.getInt8(at + 1));
    case 0xd1:
      return String(view.getInt16(at + 1));
    case 0xd2:
      return String(view.getInt32(at + 1));
    case 0xd3:
      return String(view.getBigInt64(at + 1));
    default:
      return null;
  }
}
