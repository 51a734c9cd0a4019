import { types } from "node:util";
import type { EncodeLimits } from "./codec.ts";
import { tooManyBytes, tooManyElements } from "./elements.ts";

/** Arrays and objects in each other: beyond it the careful way is taken, which knows circles (count). */
const DEPTH_MAX = 64;

/**
 * Whether the JSON of a value may be larger than the limits, as far as a look at the value can tell: what it takes in
 * memory says little, for an array can be sparse, and one object can stand in many places.
 *
 * Also true where only {@link stringifyWithin} can say: for circles, for what lies deep, and for what has a `toJSON`.
 */
export function mayExceed(value: unknown, limits: EncodeLimits): boolean {
  return typeof value === "string"
    ? value.length > limits.bytesMax
    : typeof value === "object" && value !== null && !new Look(limits).isWithin(value, 0);
}

/** What may still come: elements, as `countJsonElements` has them (count), and bytes of texts and keys. */
class Look {
  #elementsLeft: number;
  #bytesLeft: number;

  constructor({ elementsMax, bytesMax }: EncodeLimits) {
    this.#elementsLeft = elementsMax - 1;
    this.#bytesLeft = bytesMax;
  }

  isWithin(value: object, depth: number): boolean {
    if (depth === DEPTH_MAX) return false;
    if (typeof (value as { toJSON?: unknown }).toJSON === "function") return types.isDate(value);
    if (types.isTypedArray(value)) return this.#isMapOfWithin(value.length);
    return Array.isArray(value)
      ? this.#isListWithin(value, depth + 1)
      : this.#isMapWithin(value as Readonly<Record<string, unknown>>, depth + 1);
  }

  #isListWithin(items: readonly unknown[], inner: number): boolean {
    const count = items.length;
    this.#elementsLeft -= count;
    if (this.#elementsLeft < 0) return false;
    for (let i = 0; i < count; i++) if (!this.#isItemWithin(items[i], inner)) return false;
    return true;
  }

  #isMapWithin(map: Readonly<Record<string, unknown>>, inner: number): boolean {
    for (const key in map) {
      this.#elementsLeft -= 2;
      this.#bytesLeft -= key.length;
      if (this.#elementsLeft < 0 || this.#bytesLeft < 0) return false;
      if (!this.#isItemWithin(map[key], inner)) return false;
    }
    return true;
  }

  /** @param count properties, all of them numbers (count) */
  #isMapOfWithin(count: number): boolean {
    this.#elementsLeft -= 2 * count;
    return this.#elementsLeft >= 0;
  }

  #isItemWithin(item: unknown, inner: number): boolean {
    if (typeof item === "string") {
      this.#bytesLeft -= item.length;
      return this.#bytesLeft >= 0;
    }
    return typeof item !== "object" || item === null || this.isWithin(item, inner);
  }
}

/**
 * As `JSON.stringify`, which it slows down, and ends it as soon as the text is certain to exceed a limit.
 *
 * @throws BrokerlessError `BROKERLESS_TOO_LARGE`; anything that `JSON.stringify` throws
 */
export function stringifyWithin(
  value: unknown,
  { elementsMax, bytesMax }: EncodeLimits,
): string | undefined {
  // The value itself comes as a property too.
  let elements = -1;
  let bytes = 0;
  return JSON.stringify(value, function (this: unknown, key: string, item: unknown): unknown {
    if (Array.isArray(this)) elements += 1;
    else if (isWritten(item)) {
      elements += 2;
      bytes += key.length;
    }
    if (typeof item === "string") bytes += item.length;
    // Before these are gone through.
    const coming = Array.isArray(item) || types.isTypedArray(item) ? item.length : 0;
    if (elements + coming > elementsMax) throw tooManyElements(elementsMax);
    if (bytes > bytesMax) throw tooManyBytes(bytesMax);
    return item;
  });
}

/** Whether a property with this value becomes JSON. */
function isWritten(item: unknown): boolean {
  return item !== undefined && typeof item !== "function" && typeof item !== "symbol";
}
