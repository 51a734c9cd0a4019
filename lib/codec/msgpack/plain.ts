import { types } from "node:util";
import { isWellFormed } from "../well-formed.ts";
import { DEPTH_MAX, isForbidden, type KeyNode, KeyTrie } from "./keys.ts";

/** Up to this length a text is looked at unit by unit (UTF-16 units). */
const SHORT_UNITS_MAX = 16;

type Fields = Readonly<Record<string, unknown>>;

/** Whether a BigInt has a MessagePack form, of at most 64 bits. */
export function isInt64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value;
}

/**
 * Says of a value whether msgpackr writes it so that it comes back as it went: what most messages are.
 *
 * msgpackr writes everything, some of it as something else: -0 as 0, a function as `undefined`, a regular expression
 * and an error as arrays, halves of surrogate pairs as U+FFFD, typed arrays as their bytes.
 */
export class PlainCheck {
  readonly #keys = new KeyTrie();

  /** @param depth arrays and maps around the value (count) @returns false where it has to be looked at more closely */
  isPlain(value: unknown, depth: number): boolean {
    switch (typeof value) {
      case "string":
        return isText(value);
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
        return types.isUint8Array(value);
      case Date:
        return types.isDate(value) && !Number.isNaN(value.getTime());
      default:
        return false;
    }
  }

  #isPlainArray(items: readonly unknown[], inner: number): boolean {
    for (let i = 0; i < items.length; i++) if (!this.isPlain(items[i], inner)) return false;
    return true;
  }

  #isPlainMap(map: Fields, inner: number): boolean {
    let node: KeyNode | null = this.#keys.root;
    for (const key in map) {
      if (node !== null) node = this.#knownKey(node, key);
      if (node === null && (isForbidden(key) || !isText(key))) return false;
      const value = map[key];
      // The two most frequent sorts by themselves: the call costs as much as the look.
      if (typeof value === "string") {
        if (!isText(value)) return false;
      } else if (typeof value === "number") {
        if (value === 0 && 1 / value < 0) return false;
      } else if (!this.isPlain(value, inner)) return false;
    }
    return true;
  }

  /** @returns null when the key is not remembered at this place, and none behind it is then */
  #knownKey(previous: KeyNode, key: string): KeyNode | null {
    const likely = previous.likely;
    if (likely !== null && likely.key === key) return likely;
    const known = this.#keys.follow(previous, key);
    if (known === null && this.#keys.wants(previous)) this.#keys.learn(previous, key);
    return known;
  }
}

/** A loop is faster than the call for short texts, which most are. */
function isText(text: string): boolean {
  if (text.length > SHORT_UNITS_MAX) return isWellFormed(text);
  for (let i = 0; i < text.length; i++) {
    if ((text.charCodeAt(i) & 0xf800) === 0xd800) return isWellFormed(text);
  }
  return true;
}
