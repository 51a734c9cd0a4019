import { types } from "node:util";
import type { EncodeLimits } from "./codec.ts";
import { tooManyBytes, tooManyElements } from "./elements.ts";

/**
 * Nesting of arrays and objects beyond which the slower check is used, which also detects cycles
 * (count).
 */
const DEPTH_MAX = 64;

/**
 * Whether the JSON of a value may exceed the limits, by an inspection of the value. Its memory is
 * no measure: an array can be sparse, and one object can occur in many places.
 *
 * Also true where only {@link stringifyWithin} can decide: for cycles, deep nesting, and values
 * with a `toJSON`.
 */
export function mayExceed(value: unknown, limits: EncodeLimits): boolean {
  return typeof value === "string"
    ? value.length > limits.bytesMax
    : typeof value === "object" && value !== null && !new Look(limits).isWithin(value, 0);
}

/**
 * The remaining allowance: elements, as `countJsonElements` counts them, and bytes of strings and
 * keys.
 */
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
 * Like `JSON.stringify`, but slower, and stops as soon as the text is certain to exceed a limit.
 *
 * @throws BrokerlessError `BROKERLESS_TOO_LARGE`; anything that `JSON.stringify` throws
 */
export function stringifyWithin(
  value: unknown,
  { elementsMax, bytesMax }: EncodeLimits,
): string | undefined {
  // The replacer is called for the value itself, too.
  let elements = -1;
  let bytes = 0;
  return JSON.stringify(value, function (this: unknown, key: string, item: unknown): unknown {
    if (Array.isArray(this)) elements += 1;
    else if (isWritten(item)) {
      elements += 2;
      bytes += key.length;
    }
    if (typeof item === "string") bytes += item.length;
    // Counted before its elements are visited.
    const coming = Array.isArray(item) || types.isTypedArray(item) ? item.length : 0;
    if (elements + coming > elementsMax) throw tooManyElements(elementsMax);
    if (bytes > bytesMax) throw tooManyBytes(bytesMax);
    return item;
  });
}

/** Whether JSON includes a property with this value. */
function isWritten(item: unknown): boolean {
  return item !== undefined && typeof item !== "function" && typeof item !== "symbol";
}
