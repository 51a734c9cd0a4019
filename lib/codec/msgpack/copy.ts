import { types } from "node:util";
import { describe, quoted } from "../../options.ts";
import type { EncodeLimits } from "../codec.ts";
import { tooManyBytes, tooManyElements } from "../elements.ts";
import { extraOfKeys } from "../msgpack-elements.ts";
import { isWellFormed } from "../well-formed.ts";
import { DEPTH_MAX, isForbidden } from "./keys.ts";
import { isInt64, timeOf } from "./plain.ts";

type Convertible = { toJSON(): unknown };
type Fields = Readonly<Record<string, unknown>>;

/** Placeholder for a -0, which msgpackr would write as 0: a number of the same encoded length. */
const STAND_IN = 0.5;
const NAME = /^[A-Za-z_$][\w$]{0,31}$/;

/**
 * Copies a value so that msgpackr writes the copy with the value's meaning, or reports the part
 * that cannot be encoded; {@link msgpack} documents the mapping.
 */
export class PlainCopy {
  /** The copy. */
  readonly value: unknown;
  /** Indices of the copy's elements that stand for a -0, in the order of their encoding. */
  readonly zeros: number[] = [];
  readonly #limits: EncodeLimits;
  #count = 0;
  /** What the elements that were counted count for beyond one each. */
  #extra = 0;
  #bytes = 0;
  readonly #path: (string | number)[] = [];

  /**
   * @throws TypeError or RangeError for a value that cannot be encoded, with the path to it;
   *   BrokerlessError `BROKERLESS_TOO_LARGE` before more than the limits is copied
   */
  constructor(value: unknown, limits: EncodeLimits) {
    this.#limits = limits;
    this.value = this.#copy(value);
  }

  #copy(value: unknown): unknown {
    switch (typeof value) {
      case "string":
        this.#countOne();
        return this.#text(value, "string");
      case "number":
        return this.#number(value);
      case "bigint":
        this.#countOne();
        if (isInt64(value)) return value;
        throw new RangeError(
          `msgpack: a BigInt has at most 64 bits, got ${describe(value)} ${this.#where()}`,
        );
      case "object":
        return value === null ? this.#scalar(null) : this.#object(value);
      case "boolean":
      case "undefined":
        return this.#scalar(value);
      default:
        throw this.#noForm(value);
    }
  }

  #scalar<T>(value: T): T {
    this.#countOne();
    return value;
  }

  #countOne(): void {
    this.#count += 1;
    this.#checkRoom(0);
  }

  /** @param coming elements that are certain to follow (count) */
  #checkRoom(coming: number): void {
    const { elementsMax } = this.#limits;
    if (this.#count + this.#extra + coming > elementsMax) throw tooManyElements(elementsMax);
  }

  #countBytes(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#limits.bytesMax) throw tooManyBytes(this.#limits.bytesMax);
  }

  #number(value: number): number {
    if (Object.is(value, -0)) this.zeros.push(this.#count);
    this.#countOne();
    return Object.is(value, -0) ? STAND_IN : value;
  }

  #text(text: string, what: "string" | "key"): string {
    this.#countBytes(text.length);
    if (isWellFormed(text)) return text;
    throw new TypeError(
      `msgpack: a ${what} has half of a surrogate pair: ${describe(text)} ${this.#where()}`,
    );
  }

  #object(value: object): unknown {
    if (Array.isArray(value)) return this.#array(value);
    if (value.constructor === Object) return this.#map(Object.entries(value as Fields));
    if (types.isUint8Array(value)) {
      this.#countBytes(value.length);
      return this.#scalar(Buffer.from(value.buffer, value.byteOffset, value.length));
    }
    if (types.isDate(value)) return this.#date(value);
    if (!hasToJson(value)) return this.#collection(value);
    const form = value.toJSON();
    return form === value ? this.#collection(value) : this.#copy(form);
  }

  #date(value: Date): Date {
    const timeMs = timeOf.call(value);
    if (!Number.isNaN(timeMs)) return this.#scalar(new Date(timeMs));
    throw new TypeError(`msgpack: an invalid Date cannot be encoded, ${this.#where()}`);
  }

  #collection(value: object): unknown {
    if (types.isMap(value)) {
      this.#checkRoom(2 * value.size);
      return this.#map(this.#entries(value));
    }
    if (types.isSet(value)) {
      this.#checkRoom(value.size);
      return this.#array([...value]);
    }
    if (Object.prototype.toString.call(value) !== "[object Object]") throw this.#noForm(value);
    return this.#map(Object.entries(value as Fields));
  }

  #array(items: readonly unknown[]): unknown[] {
    this.#enter();
    const count = items.length;
    this.#checkRoom(count);
    const copy: unknown[] = [];
    for (let i = 0; i < count; i++) {
      this.#path.push(i);
      copy.push(this.#copy(items[i]));
      this.#path.pop();
    }
    return copy;
  }

  /** A Map: its keys keep their order and have no other meaning. */
  #map(entries: readonly (readonly [string, unknown])[]): Map<string, unknown> {
    this.#enter();
    this.#extra += extraOfKeys(entries.length);
    const copy = new Map<string, unknown>();
    for (const [key, value] of entries) {
      this.#path.push(key);
      if (isForbidden(key)) throw new TypeError(`msgpack: the key ${key} is refused`);
      this.#countOne();
      copy.set(this.#text(key, "key"), this.#copy(value));
      this.#path.pop();
    }
    return copy;
  }

  #entries(map: ReadonlyMap<unknown, unknown>): (readonly [string, unknown])[] {
    const seen = new Set<string>();
    return Array.from(map, ([key, value]) => {
      const isInteger = typeof key === "bigint" || Number.isInteger(key);
      if (typeof key !== "string" && !isInteger) {
        throw new TypeError(
          `msgpack: a Map's key must be a string or integer: ${describe(key)} ${this.#where()}`,
        );
      }
      const text = String(key);
      if (seen.has(text)) {
        throw new TypeError(
          `msgpack: a Map has a key twice, as text: ${describe(text)} ${this.#where()}`,
        );
      }
      seen.add(text);
      return [text, value];
    });
  }

  #enter(): void {
    this.#countOne();
    if (this.#path.length < DEPTH_MAX) return;
    throw new RangeError(
      `msgpack: arrays and objects more than ${DEPTH_MAX} deep, or a cycle, ${this.#where()}`,
    );
  }

  #noForm(value: unknown): TypeError {
    const what = describe(value);
    return new TypeError(`msgpack: no encoding for ${what} ${this.#where()}; send plain data`);
  }

  #where(): string {
    const path = this.#path.map((part) => {
      if (typeof part === "number") return `[${part}]`;
      return NAME.test(part) ? `.${part}` : `[a name ${quoted(part)}]`;
    });
    return `at value${path.join("")}`;
  }
}

function hasToJson(value: object): value is Convertible {
  return typeof (value as Partial<Convertible>).toJSON === "function";
}
