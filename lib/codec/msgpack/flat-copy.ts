import { SCALAR_BYTES } from "../msgpack-elements.ts";
import type { Cursor } from "./cursor.ts";
import { hasBytes } from "./keys.ts";
import type { Records } from "./records.ts";

/** The token of an integer of one byte that is no token itself. */
const MARKED_INTEGER = 0xcc;

/**
 * Scans and copies in one go what most values are: a map with the keys of the likely record, and no
 * values but numbers, booleans, nil and short ASCII.
 *
 * @param target receives the copy for msgpackr
 * @returns length of the copy, with the cursor behind the value; 0 for any other value, with the
 *   cursor where it was (bytes)
 */
export function copyFlat(cursor: Cursor, records: Records, target: Buffer): number {
  const { bytes, view, end } = cursor;
  let { at } = cursor;
  const head = bytes[at]! ^ 0x80;
  const record = head < 0x10 && at < end ? records.likely(head) : null;
  if (record === null) return 0;
  const { keys } = record;
  const room = target.length - 1;
  at += 1;
  target[0] = record.name;
  let to = 1;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    const from = at + key.byteCount;
    if (from >= end || !hasBytes(key, view, at)) return 0;
    const token = bytes[from]!;
    if (token < 0x80 && token >= 0x40) target[to++] = MARKED_INTEGER;
    const isText = (token & 0xe0) === 0xa0;
    const length = isText ? (token & 0x1f) + 1 : SCALAR_BYTES[token]!;
    if (length === 0) {
      // A text in a longer form may be short the next time; anything else is of another type.
      record.isFlat = token >= 0xd9 && token <= 0xdb;
      return 0;
    }
    at = from + length;
    if (at > end || to + length > room) return 0;
    target[to++] = token;
    let bits = 0;
    for (let next = from + 1; next < at; next++) {
      const byte = bytes[next]!;
      bits |= byte;
      target[to++] = byte;
    }
    if (isText && bits >= 0x80) return 0;
  }
  cursor.at = at;
  return to;
}
