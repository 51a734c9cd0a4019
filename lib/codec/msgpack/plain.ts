import { types } from "node:util";
import type { EncodeLimits } from "../codec.ts";
import { NO_LIMITS, tooManyBytes, tooManyElements } from "../elements.ts";
import { extraOfKeys } from "../msgpack-elements.ts";
import { isWellFormed } from "../well-formed.ts";
import { DEPTH_MAX, isForbidden, type KeyNode, KeyTrie } from "./keys.ts";

/** Up to this length a text is checked unit by unit (UTF-16 units). */
const SHORT_UNITS_MAX = 16;

/** The method of `Date` itself; a class derived from it may have another one. */
export const timeOf: (this: Date) => number = Date.prototype.getTime;

type Fields = Readonly<Record<string, unknown>>;

/** Whether a BigInt has a MessagePack form, of at most 64 bits. */
export function isInt64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value;
}

/**
 * Checks whether a value survives a round trip through msgpackr unchanged, as most messages do.
 *
 * msgpackr writes everything, but some values as something else: -0 as 0, a function as
 * `undefined`, a regular expression and an error as arrays, halves of surrogate pairs as U+FFFD,
 * typed arrays as their bytes.
 */
export class PlainCheck {
  readonly #keys = new KeyTrie();
  #limits: EncodeLimits = NO_LIMITS;
  /** The remaining allowance: elements (count), and bytes of long texts and byte arrays. */
  #elementsLeft = 0;
  #bytesLeft = 0;

  /**
   * Counts before anything is copied: the memory of a value is no measure of its encoded size.
   *
   * @returns false where the value needs a closer inspection
   * @throws BrokerlessError `BROKERLESS_TOO_LARGE`
   */
  check(value: unknown, limits: EncodeLimits): boolean {
    this.#limits = limits;
    this.#elementsLeft = limits.elementsMax - 1;
    this.#bytesLeft = limits.bytesMax;
    return this.#isPlain(value, 0);
  }

  /** @param depth arrays and maps around the value (count) */
  #isPlain(value: unknown, depth: number): boolean {
    switch (typeof value) {
      case "string":
        return this.#isText(value);
      case "number":
        return value !== 0 || 1 / value > 0;
      case "boolean":
      case "undefined":
        return true;
      case "object":
        return value === null || this.#isPlainObject(value, depth);
      case "bigint":
        return isInt64(value);
      default:
        return false;
    }
  }

  #isPlainObject(value: object, depth: number): boolean {
    switch (value.constructor) {
      case Object:
        return depth < DEPTH_MAX && this.#isPlainMap(value as Fields, depth + 1);
      case Array:
        return depth < DEPTH_MAX && Array.isArray(value) && this.#isPlainArray(value, depth + 1);
      case Buffer:
      case Uint8Array:
        return types.isUint8Array(value) && this.#hasRoom(value.length);
      case Date:
        // msgpackr calls it, so a method of the value's own has to be left aside by a copy.
        return types.isDate(value) && value.getTime === timeOf && !Number.isNaN(value.getTime());
      default:
        return false;
    }
  }

  #isPlainArray(items: readonly unknown[], inner: number): boolean {
    const count = items.length;
    this.#take(count);
    for (let i = 0; i < count; i++) if (!this.#isPlain(items[i], inner)) return false;
    return true;
  }

  #isPlainMap(map: Fields, inner: number): boolean {
    let node: KeyNode | null = this.#keys.root;
    let count = 0;
    for (const key in map) {
      count += 2;
      if (node !== null) node = this.#knownKey(node, key);
      if (node === null && (isForbidden(key) || !this.#isText(key))) return false;
      const value = map[key];
      // The two most frequent types are checked inline: the call would cost as much as the check.
      if (typeof value === "string") {
        if (!this.#isText(value)) return false;
      } else if (typeof value === "number") {
        if (value === 0 && 1 / value < 0) return false;
      } else if (!this.#isPlain(value, inner)) return false;
    }
    this.#take(count + extraOfKeys(count / 2));
    return true;
  }

  /** @returns null when the key is not remembered at this place, and then no key after it is */
  #knownKey(previous: KeyNode, key: string): KeyNode | null {
    const likely = previous.likely;
    if (likely !== null && likely.key === key) return likely;
    const known = this.#keys.follow(previous, key);
    if (known === null && this.#keys.wants(previous)) this.#keys.learn(previous, key);
    return known;
  }

  /** A loop is faster than the call for short texts, which most are. */
  #isText(text: string): boolean {
    if (text.length > SHORT_UNITS_MAX) return this.#hasRoom(text.length) && isWellFormed(text);
    for (let i = 0; i < text.length; i++) {
      if ((text.charCodeAt(i) & 0xf800) === 0xd800) return isWellFormed(text);
    }
    return true;
  }

  #take(elements: number): void {
    this.#elementsLeft -= elements;
    if (this.#elementsLeft < 0) throw tooManyElements(this.#limits.elementsMax);
  }

  /** @param bytes lower bound of the bytes that will be written */
  #hasRoom(bytes: number): true {
    this.#bytesLeft -= bytes;
    if (this.#bytesLeft < 0) throw tooManyBytes(this.#limits.bytesMax);
    return true;
  }
}
