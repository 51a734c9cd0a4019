import { types } from "node:util";
import type { EncodeLimits } from "./codec.ts";
import { tooManyBytes, tooManyElements } from "./elements.ts";
import { isLost, refuseChanged } from "./json-values.ts";

/**
 * Nesting of arrays and objects beyond which the slower check is used, which also detects cycles
 * (count).
 */
const DEPTH_MAX = 64;

/**
 * Whether the JSON of a value may exceed the limits, or be that of another value, by an inspection
 * of the value. Its memory is no measure: an array can be sparse, and one object can occur in many
 * places.
 *
 * Also true where only {@link stringifyWithin} can decide: for cycles, deep nesting, and values
 * with a `toJSON`.
 */
export function needsCare(value: unknown, limits: EncodeLimits): boolean {
  switch (typeof value) {
    case "string":
      return value.length > limits.bytesMax;
    case "number":
      return !Number.isFinite(value);
    default:
      return typeof value === "object" && value !== null && !new Look(limits).isWithin(value, 0);
  }
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
    if (typeof (value as { toJSON?: unknown }).toJSON === "function") {
      return types.isDate(value) && !Number.isNaN(value.getTime());
    }
    if (Array.isArray(value)) return this.#isListWithin(value, depth + 1);
    if (isLost(value)) return false;
    return this.#isMapWithin(value as Readonly<Record<string, unknown>>, depth + 1);
  }

  #isListWithin(items: readonly unknown[], inner: number): boolean {
    const count = items.length;
    this.#elementsLeft -= count;
    if (this.#elementsLeft < 0) return false;
    for (let i = 0; i < count; i++) {
      const item = items[i];
      if (item === undefined || !this.#isItemWithin(item, inner)) return false;
    }
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

  #isItemWithin(item: unknown, inner: number): boolean {
    if (typeof item === "string") {
      this.#bytesLeft -= item.length;
      return this.#bytesLeft >= 0;
    }
    if (typeof item === "number") return Number.isFinite(item);
    if (typeof item === "object") return item === null || this.isWithin(item, inner);
    return typeof item !== "function" && typeof item !== "symbol";
  }
}

/**
 * Like `JSON.stringify`, but slower, and stops as soon as the text is certain to exceed a limit, or to be that of
 * another value.
 *
 * @throws BrokerlessError `BROKERLESS_TOO_LARGE`; what {@link refuseChanged} and `JSON.stringify` throw
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
    refuseChanged(this, key, item);
    // Counted before its elements are visited.
    const coming = Array.isArray(item) ? item.length : 0;
    if (elements + coming > elementsMax) throw tooManyElements(elementsMax);
    if (bytes > bytesMax) throw tooManyBytes(bytesMax);
    return item;
  });
}

/** Whether JSON includes a property with this value. */
function isWritten(item: unknown): boolean {
  return item !== undefined && typeof item !== "function" && typeof item !== "symbol";
}
