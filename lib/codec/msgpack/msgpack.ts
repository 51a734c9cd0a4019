import type { ByteWriter } from "../byte-writer.ts";
import type { Codec, EncodeLimits, PieceReader } from "../codec.ts";
import { NO_LIMITS } from "../elements.ts";
import { countMsgpackElements } from "../msgpack-elements.ts";
import { MsgpackReader } from "./reader.ts";
import { MsgpackWriter } from "./writer.ts";

/**
 * MessagePack: compact, typed, and supported in every language. The default codec.
 *
 * | value                              | on the wire           | decoded as                  |
 * |------------------------------------|-----------------------|-----------------------------|
 * | null, boolean, string              | nil, bool, str        | the same                    |
 * | number                             | int of up to 32 bits, else float64 | the same, with NaN and -0 |
 * | BigInt of up to 64 bits            | int64, else uint64    | BigInt                      |
 * | undefined, as a value or property  | `d4 00 00`            | undefined                   |
 * | Date                               | timestamp             | Date                        |
 * | Uint8Array, Buffer                 | bin                   | Buffer, a copy              |
 * | array; Set                         | array                 | array                       |
 * | object, class instance; Map        | map of the own enumerable properties; of the entries | plain object |
 * | class instance with `toJSON`       | the result of `toJSON` |                            |
 *
 * `encode` throws for everything else: functions, symbols, other typed arrays, errors, promises,
 * invalid dates, BigInts of more than 64 bits, half surrogate pairs, and keys of a Map that are
 * neither strings nor integers (integers become their decimal text). The error names the path to
 * the value. A property is read twice, to be checked and to be written: a getter has to return the
 * same value both times. Getters and `toJSON` must not encode with the same codec.
 *
 * `decode` accepts the output of any MessagePack encoder for these types. It throws for truncated
 * or trailing bytes, invalid UTF-8, other extensions, and lengths that exceed the bytes. A foreign
 * peer's 64-bit integer is always a BigInt, and a timestamp is truncated to milliseconds.
 *
 * Both directions refuse arrays and objects nested more than 32 deep, the key `__proto__`, and a
 * map with a duplicate key: such a value fails at `send`, before any receiver refuses it.
 *
 * Reads and writes with msgpackr, in its build that needs neither `eval` nor a native addon.
 *
 * @example
 * ```ts
 * const push = new Push<{ id: number; at: Date }>({ codec: msgpack() });
 * ```
 *
 * @see docs/decisions/0080-msgpackr.md
 */
export function msgpack<T = unknown>(): Codec<T> {
  return new MsgpackCodec<T>();
}

class MsgpackCodec<T> implements Codec<T> {
  readonly name = "msgpack";
  readonly delimiter = "self";
  readonly #writer = new MsgpackWriter();
  readonly #reader = new MsgpackReader();

  encode(value: T, writer: ByteWriter, limits: EncodeLimits = NO_LIMITS): void {
    this.#writer.encode(value, writer, limits);
  }

  decode(bytes: Buffer): T {
    return this.#reader.decode(bytes) as T;
  }

  countElements(bytes: Uint8Array, countMax: number): number {
    return countMsgpackElements(bytes, countMax);
  }

  decodeIn(bytes: Buffer): PieceReader<T> {
    return this.#reader.decodeIn(bytes) as PieceReader<T>;
  }

  decodeAll(frame: Buffer, countMax: number): T[] {
    return this.#reader.decodeAll(frame, countMax) as T[];
  }
}
