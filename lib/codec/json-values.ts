import { types } from "node:util";
import { describe } from "../options.ts";

/**
 * What JSON would write as `{}`, or as an object of its elements, by `Object.prototype.toString`: that is the same in
 * all realms, and for subclasses.
 */
const LOST = new Set(
  [
    ...["Map", "Set", "WeakMap", "WeakSet", "Promise", "RegExp", "Error"],
    ...["ArrayBuffer", "SharedArrayBuffer", "DataView"],
    ...["Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array"],
    ...["Int32Array", "Uint32Array", "Float16Array", "Float32Array", "Float64Array"],
    ...["BigInt64Array", "BigUint64Array"],
  ].map((name) => `[object ${name}]`),
);

/** Whether an object without a `toJSON` has contents that its properties do not have. */
export function isLost(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return false;
  return LOST.has(Object.prototype.toString.call(value));
}

/**
 * Refuses a value in whose place a receiver would find another one. Not so an absent property for `undefined`, a
 * text for a date, 0 for -0, the result of a `toJSON`, and a plain object for an instance of a class.
 *
 * @param holder what has the value; `{ "": value }` for a message itself
 * @param written the value, or what its `toJSON` has returned
 * @throws TypeError with the key or the index
 */
export function refuseChanged(holder: unknown, key: string, written: unknown): void {
  const value = (holder as Readonly<Record<string, unknown>>)[key];
  if (!isChanged(value, written, Array.isArray(holder))) return;
  const place = key === "" ? "" : ` at ${JSON.stringify(key)}`;
  throw new TypeError(`json: no JSON form of ${describe(value)}${place}`);
}

function isChanged(value: unknown, written: unknown, isItem: boolean): boolean {
  switch (typeof written) {
    case "number":
      return !Number.isFinite(written);
    case "function":
    case "symbol":
      return true;
    case "undefined":
      return isItem;
    default:
      break;
  }
  if (ArrayBuffer.isView(value)) return true;
  if (types.isDate(value)) return Number.isNaN(value.getTime());
  return typeof written === "object" && written !== null && isLost(written);
}
