import { DEPTH_MAX, duplicateKey, hasBytes, type KeyNode, KeyTrie } from "./msgpack-keys.ts";
import { TextReader } from "./msgpack-text.ts";
import { readTimestamp } from "./msgpack-time.ts";

/** Bytes up to this length are copied in JavaScript: a native copy first makes a view of them. */
const SHORT_BYTES_MAX = 32;
/** An array up to this size gets its place before its elements are read (count). */
const ARRAY_AT_ONCE_MAX = 64;
const NO_BYTES: Buffer = Buffer.alloc(0);
const NO_VIEW = new DataView(NO_BYTES.buffer, 0, 0);

type Fields = Record<string, unknown>;

/**
 * Reads and checks MessagePack in one pass; {@link msgpack} says what is accepted.
 *
 * Every length is compared with the bytes that remain before anything is read or made, arrays grow
 * as their elements are read, and recursion ends at {@link DEPTH_MAX}: time and memory are
 * proportional to the bytes.
 *
 * @see docs/decisions/0003-codecs.md
 */
export class MsgpackDecoder {
  readonly #texts = new TextReader();
  readonly #keys = new KeyTrie();
  #bytes = NO_BYTES;
  #view = NO_VIEW;
  #at = 0;
  #end = 0;

  /** @returns the one value that `bytes` holds */
  decode(bytes: Buffer): unknown {
    this.#open(bytes);
    try {
      const value = this.#value(0);
      if (this.#at < this.#end) throw this.#refused("bytes after the value", this.#at);
      return value;
    } finally {
      this.#close();
    }
  }

  /** @returns all values of `frame`, at most `countMax`, in order */
  decodeAll(frame: Buffer, countMax: number): unknown[] {
    this.#open(frame);
    try {
      const values: unknown[] = [];
      while (this.#at < this.#end) {
        if (values.length === countMax) throw this.#refused(`more than ${countMax} values`, 0);
        values.push(this.#value(0));
      }
      return values;
    } finally {
      this.#close();
    }
  }

  #open(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = 0;
    this.#end = bytes.length;
  }

  #close(): void {
    this.#bytes = NO_BYTES;
    this.#view = NO_VIEW;
  }

  /** @param depth arrays and maps around this value (count) */
  #value(depth: number): unknown {
    const at = this.#take(1);
    const token = this.#bytes[at]!;
    if (token < 0x80) return token;
    if (token >= 0xe0) return token - 0x100;
    if (token < 0x90) return this.#map(token & 0x0f, depth);
    if (token < 0xa0) return this.#array(token & 0x0f, depth);
    if (token < 0xc0) return this.#text(token & 0x1f);
    switch (token) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#binary(this.#uint8());
      case 0xc5:
        return this.#binary(this.#uint16());
      case 0xc6:
        return this.#binary(this.#uint32());
      case 0xca:
        return this.#view.getFloat32(this.#take(4));
      case 0xcb:
        return this.#view.getFloat64(this.#take(8));
      case 0xcc:
        return this.#uint8();
      case 0xcd:
        return this.#uint16();
      case 0xce:
        return this.#uint32();
      case 0xcf:
        return this.#view.getBigUint64(this.#take(8));
      case 0xd0:
        return this.#view.getInt8(this.#take(1));
      case 0xd1:
        return this.#view.getInt16(this.#take(2));
      case 0xd2:
        return this.#view.getInt32(this.#take(4));
      case 0xd3:
        return this.#view.getBigInt64(this.#take(8));
      case 0xd9:
        return this.#text(this.#uint8());
      case 0xda:
        return this.#text(this.#uint16());
      case 0xdb:
        return this.#text(this.#uint32());
      case 0xdc:
        return this.#array(this.#uint16(), depth);
      case 0xdd:
        return this.#array(this.#uint32(), depth);
      case 0xde:
        return this.#map(this.#uint16(), depth);
      case 0xdf:
        return this.#map(this.#uint32(), depth);
      default:
        return this.#extension(token, at);
    }
  }

  /** @returns the offset of the next `length` bytes, which are there */
  #take(length: number): number {
    const at = this.#at;
    if (length > this.#end - at) throw this.#refused("the end, with more announced", at);
    this.#at = at + length;
    return at;
  }

  #uint8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #uint16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  #uint32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  #text(length: number): string {
    return this.#texts.read(this.#bytes, this.#view, this.#take(length), length);
  }

  #binary(length: number): Buffer {
    const bytes = this.#bytes;
    const at = this.#take(length);
    if (length === 0) return NO_BYTES.subarray();
    const copy = Buffer.allocUnsafe(length);
    if (length > SHORT_BYTES_MAX) bytes.copy(copy, 0, at, at + length);
    else for (let i = 0; i < length; i++) copy[i] = bytes[at + i]!;
    return copy;
  }

  #array(count: number, depth: number): unknown[] {
    this.#enter(count, depth);
    if (count > ARRAY_AT_ONCE_MAX) return this.#longArray(count, depth);
    const items = new Array<unknown>(count);
    for (let i = 0; i < count; i++) items[i] = this.#value(depth + 1);
    return items;
  }

  /** Grows as it is read: what is announced may never come. */
  #longArray(count: number, depth: number): unknown[] {
    const items: unknown[] = [];
    for (let i = 0; i < count; i++) items.push(this.#value(depth + 1));
    return items;
  }

  /**
   * The first keys are written out because V8 remembers, for each place in the code, which property
   * was written there: with one type of message each place sees one name.
   */
  #map(count: number, depth: number): Fields {
    this.#enter(count * 2, depth);
    const inner = depth + 1;
    const map: Fields = {};
    if (count === 0) return map;
    let node = this.#key(this.#keys.root, map);
    map[node.key] = this.#value(inner);
    if (count === 1) return map;
    node = this.#key(node, map);
    map[node.key] = this.#value(inner);
    if (count === 2) return map;
    node = this.#key(node, map);
    map[node.key] = this.#value(inner);
    if (count === 3) return map;
    node = this.#key(node, map);
    map[node.key] = this.#value(inner);
    if (count === 4) return map;
    node = this.#key(node, map);
    map[node.key] = this.#value(inner);
    if (count === 5) return map;
    node = this.#key(node, map);
    map[node.key] = this.#value(inner);
    if (count === 6) return map;
    node = this.#key(node, map);
    map[node.key] = this.#value(inner);
    if (count === 7) return map;
    node = this.#key(node, map);
    map[node.key] = this.#value(inner);
    for (let i = 8; i < count; i++) {
      node = this.#key(node, map);
      map[node.key] = this.#value(inner);
    }
    return map;
  }

  #enter(items: number, depth: number): void {
    if (items > this.#end - this.#at) {
      throw this.#refused(`${items} elements announced, with fewer bytes left`, this.#at);
    }
    if (depth === DEPTH_MAX) {
      throw this.#refused(`arrays and maps more than ${DEPTH_MAX} deep`, this.#at);
    }
  }

  /** @param previous the key before this one in `map`, or the root */
  #key(previous: KeyNode, map: Fields): KeyNode {
    const at = this.#take(1);
    const token = this.#bytes[at]!;
    if ((token & 0xe0) !== 0xa0) return this.#unknownKey(previous, map, this.#otherKey(token, at));
    const byteCount = (token & 0x1f) + 1;
    this.#take(byteCount - 1);
    const likely = previous.likely;
    if (likely !== null && likely.byteCount === byteCount && hasBytes(likely, this.#view, at)) {
      return likely;
    }
    const known = this.#keys.match(previous, this.#view, at, byteCount);
    if (known !== null) return known;
    const key = this.#texts.read(this.#bytes, this.#view, at + 1, byteCount - 1);
    return this.#unknownKey(previous, map, key);
  }

  #unknownKey(previous: KeyNode, map: Fields, key: string): KeyNode {
    const node = this.#keys.learn(previous, key);
    if (node.byteCount === 0 && Object.hasOwn(map, key)) throw duplicateKey(key);
    return node;
  }

  /** A long string, or an integer, which becomes its decimal text. */
  #otherKey(token: number, at: number): string {
    const isText = token >= 0xd9 && token <= 0xdb;
    const isInteger = token < 0x80 || token >= 0xe0 || (token >= 0xcc && token <= 0xd3);
    if (!isText && !isInteger) throw this.#refused("a map's key that is no string or integer", at);
    this.#at = at;
    return String(this.#value(DEPTH_MAX));
  }

  /** `undefined` and timestamps; msgpackr's others would let one value change what another means. */
  #extension(token: number, at: number): unknown {
    if (token === 0xd4 && this.#uint16() === 0) return undefined;
    if (token === 0xd6 && this.#uint8() === 0xff)
      return readTimestamp(this.#view, this.#take(4), 4);
    if (token === 0xd7 && this.#uint8() === 0xff)
      return readTimestamp(this.#view, this.#take(8), 8);
    if (token === 0xc7 && this.#uint16() === 0x0cff) {
      return readTimestamp(this.#view, this.#take(12), 12);
    }
    throw this.#refused(`0x${token.toString(16)}, which starts no accepted value`, at);
  }

  #refused(what: string, at: number): Error {
    return new Error(`msgpack: ${what}, at byte ${at} of ${this.#end}`);
  }
}
