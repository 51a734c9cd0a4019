import { types } from "node:util";
import { describe } from "../options.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { DEPTH_MAX, duplicateKey, type KeyNode, KeyTrie } from "./msgpack-keys.ts";
import { MsgpackOutput } from "./msgpack-output.ts";

type Convertible = { toJSON(): unknown };
type Fields = Readonly<Record<string, unknown>>;

/**
 * Walks a value and writes it as MessagePack; {@link msgpack} says what becomes of what.
 *
 * @see docs/decisions/0003-codecs.md
 */
export class MsgpackEncoder {
  readonly #keys = new KeyTrie();
  readonly #out = new MsgpackOutput();

  /** @throws TypeError or RangeError for what has no encoding; the writer is then as it was */
  encode(value: unknown, writer: ByteWriter): void {
    const out = this.#out;
    if (out.busy) throw new TypeError("msgpack: a getter or toJSON must not encode another value");
    out.begin(writer);
    try {
      this.#value(value, 0);
      out.commit();
    } finally {
      out.end();
    }
  }

  /** @param depth arrays and maps around this value (count) */
  #value(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        this.#out.text(value);
        break;
      case "number":
        this.#out.number(value);
        break;
      case "boolean":
        this.#out.boolean(value);
        break;
      case "object":
        if (value === null) this.#out.nil();
        else if (Array.isArray(value)) this.#array(value, depth);
        else if (value.constructor === Object) this.#map(value as Fields, depth);
        else this.#instance(value, depth);
        break;
      case "undefined":
        this.#out.undefined();
        break;
      case "bigint":
        this.#out.bigint(value);
        break;
      default:
        throw noForm(value);
    }
  }

  #array(items: readonly unknown[], depth: number): void {
    enter(depth);
    const count = items.length;
    this.#out.arrayHead(count);
    for (let i = 0; i < count; i++) this.#value(items[i], depth + 1);
  }

  /** Takes all values at once, which is faster, and lets no getter change how many there are. */
  #map(map: Fields, depth: number): void {
    enter(depth);
    const keys = Object.keys(map);
    const values = Object.values(map);
    const count = keys.length;
    if (values.length !== count) throw new TypeError("msgpack: a getter removed a property");
    this.#out.mapHead(count);
    let node = this.#keys.root;
    for (let i = 0; i < count; i++) {
      node = this.#key(node, keys[i]!);
      this.#value(values[i], depth + 1);
    }
  }

  #key(previous: KeyNode, key: string): KeyNode {
    const likely = previous.likely;
    const node = likely !== null && likely.key === key ? likely : this.#keys.follow(previous, key);
    this.#out.key(node);
    return node;
  }

  #instance(value: object, depth: number): void {
    if (types.isUint8Array(value)) this.#out.binary(value);
    else if (types.isDate(value)) this.#out.time(value);
    else if (hasToJson(value)) this.#converted(value, depth);
    else this.#collection(value, depth);
  }

  #converted(value: Convertible, depth: number): void {
    const form = value.toJSON();
    if (form === value) this.#collection(value, depth);
    else this.#value(form, depth);
  }

  /** Copies sets and maps first: a getter of an element could change how many there are. */
  #collection(value: object, depth: number): void {
    if (types.isMap(value)) this.#entries([...value], depth);
    else if (types.isSet(value)) this.#array([...value], depth);
    else if (Object.prototype.toString.call(value) === "[object Object]") {
      this.#map(value as Fields, depth);
    } else throw noForm(value);
  }

  #entries(entries: readonly (readonly [unknown, unknown])[], depth: number): void {
    enter(depth);
    this.#out.mapHead(entries.length);
    const seen = new Set<string>();
    for (const [key, value] of entries) {
      const isInteger = typeof key === "bigint" || Number.isInteger(key);
      if (typeof key !== "string" && !isInteger) {
        throw new TypeError(`msgpack: a Map's key must be a string or integer: ${describe(key)}`);
      }
      const text = String(key);
      if (seen.has(text)) throw duplicateKey(text);
      seen.add(text);
      this.#key(this.#keys.root, text);
      this.#value(value, depth + 1);
    }
  }
}

function enter(depth: number): void {
  if (depth >= DEPTH_MAX) {
    throw new RangeError(`msgpack: a value has arrays and objects more than ${DEPTH_MAX} deep`);
  }
}

function hasToJson(value: object): value is Convertible {
  return typeof (value as Partial<Convertible>).toJSON === "function";
}

function noForm(value: unknown): TypeError {
  return new TypeError(`msgpack: no encoding for ${describe(value)}; send plain data`);
}
