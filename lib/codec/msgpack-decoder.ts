import type { PieceReader } from "./codec.ts";
import { MsgpackInput, sourceOf } from "./msgpack-input.ts";
import { checkKey, DEPTH_MAX, hasBytes, type KeyNode, KeyTrie } from "./msgpack-keys.ts";

/** An array up to this size gets its place before its elements are read (count). */
const ARRAY_AT_ONCE_MAX = 64;

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
  readonly #in = new MsgpackInput();
  readonly #keys = new KeyTrie();

  /** @returns the one value that `bytes` holds */
  decode(bytes: Buffer): unknown {
    return this.decodeIn(bytes)(0, bytes.length);
  }

  /** @returns reads the one value that lies in a piece of `bytes` */
  decodeIn(bytes: Buffer): PieceReader<unknown> {
    const input = this.#in;
    const source = sourceOf(bytes);
    return (start, end) => {
      input.open(source, start, end);
      try {
        const value = this.#value(0);
        if (input.at < input.end) throw input.refused("bytes after the value", input.at);
        return value;
      } finally {
        input.close();
      }
    };
  }

  /** @returns all values of `frame`, at most `countMax`, in order */
  decodeAll(frame: Buffer, countMax: number): unknown[] {
    const input = this.#in;
    input.open(sourceOf(frame), 0, frame.length);
    try {
      const values: unknown[] = [];
      while (input.at < input.end) {
        if (values.length === countMax) {
          throw input.refused(`more than ${countMax} values`, input.at);
        }
        values.push(this.#value(0));
      }
      return values;
    } finally {
      input.close();
    }
  }

  /** @param depth arrays and maps around this value (count) */
  #value(depth: number): unknown {
    const input = this.#in;
    const token = input.uint8();
    if (token < 0x80) return token;
    if (token >= 0xe0) return token - 0x100;
    if (token < 0x90) return this.#map(token & 0x0f, depth);
    if (token < 0xa0) return this.#array(token & 0x0f, depth);
    if (token < 0xc0) return input.text(token & 0x1f);
    switch (token) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return input.binary(input.uint8());
      case 0xc5:
        return input.binary(input.uint16());
      case 0xc6:
        return input.binary(input.uint32());
      case 0xca:
        return input.view.getFloat32(input.take(4));
      case 0xcb:
        return input.view.getFloat64(input.take(8));
      case 0xcc:
        return input.uint8();
      case 0xcd:
        return input.uint16();
      case 0xce:
        return input.uint32();
      case 0xcf:
        return input.view.getBigUint64(input.take(8));
      case 0xd0:
        return input.view.getInt8(input.take(1));
      case 0xd1:
        return input.view.getInt16(input.take(2));
      case 0xd2:
        return input.view.getInt32(input.take(4));
      case 0xd3:
        return input.view.getBigInt64(input.take(8));
      case 0xd9:
        return input.text(input.uint8());
      case 0xda:
        return input.text(input.uint16());
      case 0xdb:
        return input.text(input.uint32());
      case 0xdc:
        return this.#array(input.uint16(), depth);
      case 0xdd:
        return this.#array(input.uint32(), depth);
      case 0xde:
        return this.#map(input.uint16(), depth);
      case 0xdf:
        return this.#map(input.uint32(), depth);
      default:
        return input.extension(token);
    }
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
    let node = this.#knownKey(this.#keys.root);
    if (node === null) return this.#unknownMap(map, count, inner);
    map[node.key] = this.#value(inner);
    if (count === 1) return map;
    node = this.#knownKey(node);
    if (node === null) return this.#unknownMap(map, count - 1, inner);
    map[node.key] = this.#value(inner);
    if (count === 2) return map;
    node = this.#knownKey(node);
    if (node === null) return this.#unknownMap(map, count - 2, inner);
    map[node.key] = this.#value(inner);
    if (count === 3) return map;
    node = this.#knownKey(node);
    if (node === null) return this.#unknownMap(map, count - 3, inner);
    map[node.key] = this.#value(inner);
    if (count === 4) return map;
    node = this.#knownKey(node);
    if (node === null) return this.#unknownMap(map, count - 4, inner);
    map[node.key] = this.#value(inner);
    if (count === 5) return map;
    node = this.#knownKey(node);
    if (node === null) return this.#unknownMap(map, count - 5, inner);
    map[node.key] = this.#value(inner);
    if (count === 6) return map;
    node = this.#knownKey(node);
    if (node === null) return this.#unknownMap(map, count - 6, inner);
    map[node.key] = this.#value(inner);
    if (count === 7) return map;
    node = this.#knownKey(node);
    if (node === null) return this.#unknownMap(map, count - 7, inner);
    map[node.key] = this.#value(inner);
    for (let i = 8; i < count; i++) {
      node = this.#knownKey(node);
      if (node === null) return this.#unknownMap(map, count - i, inner);
      map[node.key] = this.#value(inner);
    }
    return map;
  }

  /** Reads the last `left` entries of a map, whose sequence of keys is not remembered. */
  #unknownMap(map: Fields, left: number, inner: number): Fields {
    const count = Object.keys(map).length + left;
    for (let i = 0; i < left; i++) {
      const key = this.#anyKey();
      checkKey(key);
      map[key] = this.#value(inner);
    }
    if (Object.keys(map).length < count) {
      throw this.#in.refused("a map that has a key twice", this.#in.at);
    }
    return map;
  }

  #enter(items: number, depth: number): void {
    const { at, end } = this.#in;
    if (items > end - at) {
      throw this.#in.refused(`${items} elements announced, with fewer bytes left`, at);
    }
    if (depth === DEPTH_MAX) {
      throw this.#in.refused(`arrays and maps more than ${DEPTH_MAX} deep`, at);
    }
  }

  /**
   * @param previous the key before this one in its map, or the root
   * @returns null, with the key still to be read, when it is not remembered at this place
   */
  #knownKey(previous: KeyNode): KeyNode | null {
    const input = this.#in;
    const token = input.peek();
    if ((token & 0xe0) !== 0xa0) return null;
    const byteCount = (token & 0x1f) + 1;
    const at = input.take(byteCount);
    const likely = previous.likely;
    if (likely !== null && likely.byteCount === byteCount && hasBytes(likely, input.view, at)) {
      return likely;
    }
    const known = this.#keys.match(previous, input.view, at, byteCount);
    if (known !== null) return known;
    input.at = at;
    if (this.#keys.wants(previous)) {
      this.#keys.learn(previous, this.#anyKey());
      input.at = at;
    }
    return null;
  }

  /** A string, or an integer, which becomes its decimal text. */
  #anyKey(): string {
    const at = this.#in.at;
    const key = this.#value(DEPTH_MAX);
    if (typeof key === "string") return key;
    if (typeof key === "bigint" || Number.isInteger(key)) return String(key);
    throw this.#in.refused("a map's key that is no string or integer", at);
  }
}
