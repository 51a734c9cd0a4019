import { isUtf8 } from "node:buffer";
import { describe } from "../options.ts";
import type { ByteWriter } from "./byte-writer.ts";
import type { Codec, EncodeLimits } from "./codec.ts";
import { countJsonElements, NO_LIMITS } from "./elements.ts";
import { needsCare, stringifyWithin } from "./json-size.ts";

/** UTF-8 needs at most three bytes for each UTF-16 code unit. */
const BYTES_PER_UNIT_MAX = 3;
/**
 * For longer texts the bytes are counted first, because three times the room would be a waste
 * (units).
 */
const UNITS_UNCOUNTED_MAX = 0x4000;

/**
 * JSON, one value per line: readable on the wire, and for peers that support no other format.
 *
 * | value                                | decoded as                                      |
 * |--------------------------------------|-------------------------------------------------|
 * | null, boolean, string, finite number | the same; -0 as 0                               |
 * | array                                | array                                           |
 * | object, class instance               | plain object of the own enumerable properties   |
 * | a property that is `undefined`       | absent                                          |
 * | Date                                 | its ISO text                                    |
 * | any other object with `toJSON`       | the result of `toJSON`                          |
 *
 * `encode` throws for everything else, and `send` fails with `BROKERLESS_CODEC`: `undefined` as a
 * message or in an array, NaN and infinities, BigInts, functions, symbols, maps, sets, errors, regular
 * expressions, promises, invalid dates, bytes and other typed arrays, cycles. The key `__proto__` is
 * refused in both directions: merged into another object later, it would change that object's prototype.
 *
 * @example
 * ```ts
 * const push = new Push<{ id: number }>({ codec: json() });
 * ```
 */
export function json<T = unknown>(): Codec<T> {
  return new JsonCodec<T>();
}

class JsonCodec<T> implements Codec<T> {
  readonly name = "json";
  readonly delimiter = "newline";

  encode(value: T, writer: ByteWriter, limits: EncodeLimits = NO_LIMITS): void {
    const text = needsCare(value, limits)
      ? stringifyWithin(value, limits)
      : (JSON.stringify(value) as string | undefined);
    if (text === undefined) throw new TypeError(`json: no JSON form of ${describe(value)}`);
    if (text.includes("__proto__")) refusePrototypes(JSON.parse(text));
    const units = text.length;
    const room = units > UNITS_UNCOUNTED_MAX ? Buffer.byteLength(text) : units * BYTES_PER_UNIT_MAX;
    const at = writer.reserve(room);
    writer.end = at + writer.bytes.write(text, at, room, "utf8");
  }

  countElements(bytes: Uint8Array, countMax: number): number {
    return countJsonElements(bytes, countMax);
  }

  decode(bytes: Buffer): T {
    if (!isUtf8(bytes)) throw new Error("json: not valid UTF-8");
    const text = bytes.toString("utf8");
    const value = JSON.parse(text) as T;
    // The key can also be written with escapes: any escaped character below U+0100 is suspicious.
    if (text.includes("__proto__") || text.includes("\\u00")) refusePrototypes(value);
    return value;
  }
}

/** Iterative, because JSON.parse accepts any depth and the call stack does not. */
function refusePrototypes(root: unknown): void {
  const left: unknown[] = [root];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value !== "object" || value === null) continue;
    if (Object.hasOwn(value, "__proto__")) throw new Error("json: the key __proto__ is refused");
    for (const item of Object.values(value)) left.push(item);
  }
}
