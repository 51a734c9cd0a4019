import { isUtf8 } from "node:buffer";
import { viewOf } from "../../view.ts";
import { indexOf, isSparse } from "../index-keys.ts";
import type { Cursor, Source } from "./cursor.ts";
import { copyFlat } from "./flat-copy.ts";
import { DEPTH_MAX, hasBytes, isForbidden, type KeyNode, KeyTrie } from "./keys.ts";
import { decodeKey } from "./map-key.ts";
import { MARK, Marks } from "./marks.ts";
import { Records } from "./records.ts";
import { isTimestamp64, isTimestamp96 } from "./timestamp.ts";

/** Any bit of it set in a word of four bytes: not all of them are ASCII. */
const NOT_ASCII = 0x80808080;
/** Up to this length it pays to see first whether all is ASCII (bytes). */
const CHECKED_BYTES_MAX = 64;
/** From this length on msgpackr drops a byte order mark at the start of a text (bytes). */
const BYTE_ORDER_BYTES_MIN = 65;
const NO_DATE = "a timestamp that is out of range";
const NO_BYTES: Buffer = Buffer.alloc(0);
const NO_VIEW = new DataView(NO_BYTES.buffer, 0, 0);

/**
 * Passes over MessagePack once before msgpackr sees it, and refuses what {@link msgpack} does not accept.
 *
 * Every length is compared with the bytes that remain, recursion ends at {@link DEPTH_MAX}, and nothing is made but
 * the keys of maps that are not known: time and memory are proportional to the bytes. What it refuses, msgpackr would
 * read: deeper values, extensions through which one value changes what another one means, a key twice, the key
 * `__proto__` under another name, invalid UTF-8 as U+FFFD, and dates that are none.
 *
 * @see docs/decisions/0080-msgpackr.md
 */
export class MsgpackScan implements Cursor {
  /** Where the copy for msgpackr of the value that was scanned last differs from it. */
  readonly marks: Marks = new Marks();
  readonly records: Records;
  readonly #keys = new KeyTrie();
  /** Where the next byte is (byte offset). */
  at = 0;
  /** Where the bytes end (byte offset). */
  end = 0;
  /** Whether the value that was scanned last has a map that would take far more memory as an object than its keys ask for. */
  isSparse = false;
  /** What {@link open} was given; nothing after {@link close}. */
  bytes: Buffer = NO_BYTES;
  view: DataView = NO_VIEW;

  constructor() {
    this.records = new Records(this.#keys);
  }

  /** Scans what lies in `[start, end)` of `bytes` (byte offsets), of which `view` is the same memory. */
  open({ bytes, view }: Source, start: number, end: number): void {
    this.bytes = bytes;
    this.view = view;
    this.at = start;
    this.end = end;
  }

  close(): void {
    this.bytes = NO_BYTES;
    this.view = NO_VIEW;
  }

  /**
   * Like {@link next}, for what most values are; see {@link copyFlat}.
   *
   * @param target receives the copy for msgpackr
   * @returns length of the copy; 0 for any other value, of which nothing is scanned (bytes)
   */
  flat(target: Buffer): number {
    this.records.settle();
    return copyFlat(this, this.records, target);
  }

  /** Scans one value, from `at` on, and moves `at` behind it. @throws Error saying what was found where */
  next(): void {
    this.records.settle();
    this.marks.clear();
    this.isSparse = false;
    this.#value(0);
  }

  /** @returns the error that `what` was found where it must not be */
  refused(what: string, at: number): Error {
    return new Error(`msgpack: ${what}, at byte ${at} of ${this.end}`);
  }

  /** @param depth arrays and maps around this value (count) */
  #value(depth: number): void {
    const { at } = this;
    if (at >= this.end) throw this.refused("the end, with more announced", at);
    const token = this.bytes[at]!;
    this.at = at + 1;
    if (token < 0x80) {
      if (token >= 0x40) this.marks.add(at, at + 1, MARK.integer);
    } else if (token >= 0xe0) return;
    else if (token < 0x90) this.#map(token & 0x0f, depth, at);
    else if (token < 0xa0) this.#array(token & 0x0f, depth);
    else if (token < 0xc0) this.#text(token & 0x1f, at);
    else this.#long(token, depth, at);
  }

  #long(token: number, depth: number, at: number): void {
    switch (token) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return;
      case 0xcc:
      case 0xd0:
        this.#take(1);
        return;
      case 0xcd:
      case 0xd1:
        this.#take(2);
        return;
      case 0xca:
      case 0xce:
      case 0xd2:
        this.#take(4);
        return;
      case 0xcb:
      case 0xcf:
      case 0xd3:
        this.#take(8);
        return;
      case 0xc4:
        this.#take(this.#uint8());
        return;
      case 0xc5:
        this.#take(this.#uint16());
        return;
      case 0xc6:
        this.#take(this.#uint32());
        return;
      case 0xd9:
        this.#text(this.#uint8(), at);
        return;
      case 0xda:
        this.#text(this.#uint16(), at);
        return;
      case 0xdb:
        this.#text(this.#uint32(), at);
        return;
      case 0xdc:
        this.#array(this.#uint16(), depth);
        return;
      case 0xdd:
        this.#array(this.#uint32(), depth);
        return;
      case 0xde:
        this.#map(this.#uint16(), depth, at);
        return;
      case 0xdf:
        this.#map(this.#uint32(), depth, at);
        return;
      default:
        this.#extension(token, at);
    }
  }

  #array(count: number, depth: number): void {
    this.#enter(count, depth);
    for (let i = 0; i < count; i++) this.#value(depth + 1);
  }

  /** @param head where the map begins (byte offset) */
  #map(count: number, depth: number, head: number): void {
    this.#enter(count * 2, depth);
    const { marks } = this;
    const mark = marks.add(head, this.at, MARK.map);
    let node = this.#keys.root;
    for (let i = 0; i < count; i++) {
      const start = this.at;
      let next = node.likely;
      if (next !== null && this.#isNext(next, start)) this.at = start + next.byteCount;
      else {
        next = this.#knownKey(node);
        if (next === null) {
          this.#unknownKeys(node, count - i, depth);
          return;
        }
      }
      node = next;
      marks.add(start, this.at, mark);
      this.#value(depth + 1);
    }
    if (count === 0) return;
    if (node.isSparse) {
      this.isSparse = true;
      return;
    }
    const record = this.records.of(node);
    if (record !== 0) this.marks.become(mark, record);
  }

  /** Scans the last `left` entries of a map, whose sequence of keys is not remembered behind `node`. */
  #unknownKeys(node: KeyNode, left: number, depth: number): void {
    const seen = new Set<string>();
    for (let at = node; at.parent !== null; at = at.parent) seen.add(at.key);
    let { indexMax, indexCount } = node;
    for (let i = 0; i < left; i++) {
      const { at } = this;
      const key = this.#anyKey();
      if (isForbidden(key)) throw this.refused(`the key ${key}`, at);
      seen.add(key);
      if (seen.size !== node.index + 2 + i) throw this.refused("a map that has a key twice", at);
      const index = indexOf(key);
      if (index >= 0) {
        indexCount += 1;
        if (index > indexMax) indexMax = index;
      }
      this.#value(depth + 1);
    }
    if (isSparse({ indexMax, indexCount })) this.isSparse = true;
  }

  #enter(items: number, depth: number): void {
    const { at, end } = this;
    if (items > end - at) {
      throw this.refused(`${items} elements announced, with fewer bytes left`, at);
    }
    if (depth === DEPTH_MAX) {
      throw this.refused(`arrays and maps more than ${DEPTH_MAX} deep`, at);
    }
  }

  #isNext(likely: KeyNode, at: number): boolean {
    return likely.byteCount <= this.end - at && hasBytes(likely, this.view, at);
  }

  /**
   * @param previous the key before this one in its map, or the root
   * @returns null, with the key still to be read, when it is not remembered at this place
   */
  #knownKey(previous: KeyNode): KeyNode | null {
    const at = this.#take(1);
    const token = this.bytes[at]!;
    this.at = at;
    if ((token & 0xe0) !== 0xa0) return null;
    const byteCount = (token & 0x1f) + 1;
    this.#take(byteCount);
    const known = this.#keys.match(previous, this.view, at, byteCount);
    if (known !== null) return known;
    this.at = at;
    if (this.#keys.wants(previous)) {
      this.#keys.learn(previous, this.#anyKey());
      this.at = at;
    }
    return null;
  }

  /** A string, or an integer, which becomes its decimal text. */
  #anyKey(): string {
    const { at } = this;
    this.#value(DEPTH_MAX);
    const key = decodeKey(this, at);
    if (key === null) throw this.refused("a map's key that is no string or integer", at);
    return key;
  }

  /** @param head where its token is (byte offset) @throws Error when the bytes are not valid UTF-8 */
  #text(length: number, head: number): void {
    const at = this.#take(length);
    if (length <= CHECKED_BYTES_MAX && this.#isAscii(at, length)) return;
    const bytes = this.bytes;
    if (!isUtf8(viewOf(bytes.buffer, bytes.byteOffset + at, length))) {
      throw this.refused("a string that is not valid UTF-8", at);
    }
    if (length >= BYTE_ORDER_BYTES_MIN && this.view.getUint32(at) >>> 8 === 0xefbbbf) {
      this.marks.add(head, at, MARK.byteOrder);
    }
  }

  #isAscii(at: number, length: number): boolean {
    if (length < 4) {
      let bits = 0;
      for (let i = 0; i < length; i++) bits |= this.bytes[at + i]!;
      return bits < 0x80;
    }
    const view = this.view;
    const last = at + length - 4;
    let words = view.getInt32(last);
    for (let from = at; from < last; from += 4) words |= view.getInt32(from);
    return (words & NOT_ASCII) === 0;
  }

  /** `undefined` or a timestamp: msgpackr knows more extensions. */
  #extension(token: number, at: number): void {
    if (token === 0xd4 && this.#uint16() === 0) return;
    if (token === 0xd6 && this.#uint8() === 0xff) {
      this.#take(4);
      return;
    }
    if (token === 0xd7 && this.#uint8() === 0xff) {
      const from = this.#take(8);
      if (!isTimestamp64(this.view, from)) throw this.refused(NO_DATE, from);
      return;
    }
    if (token === 0xc7 && this.#uint16() === 0x0cff) {
      const from = this.#take(12);
      if (!isTimestamp96(this.view, from)) throw this.refused(NO_DATE, from);
      return;
    }
    throw this.refused(`0x${token.toString(16)}, which starts no accepted value`, at);
  }

  /** @returns the offset of the next `length` bytes, which are there and count as read */
  #take(length: number): number {
    const at = this.at;
    if (length > this.end - at) throw this.refused("the end, with more announced", at);
    this.at = at + length;
    return at;
  }

  #uint8(): number {
    return this.bytes[this.#take(1)]!;
  }

  #uint16(): number {
    return this.view.getUint16(this.#take(2));
  }

  #uint32(): number {
    return this.view.getUint32(this.#take(4));
  }
}
