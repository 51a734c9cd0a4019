import { viewOf } from "../view.ts";
import type { ByteWriter } from "./byte-writer.ts";

/**
 * How the values of one frame are separated.
 *
 * | delimiter | a frame of n values is                                      |
 * |-----------|-------------------------------------------------------------|
 * | `self`    | the encodings one after another; each marks its own end     |
 * | `newline` | each encoding (which contains no line feed), then `0x0a`    |
 * | `length`  | each encoding after `c1` and its length (u24 little-endian) |
 */
export type Delimiter = "self" | "newline" | "length";

/** Limits on one encoding. An encoder may stop as soon as a value is certain to exceed them. */
export interface EncodeLimits {
  /** Elements: values, keys, arrays, maps (count). */
  readonly elementsMax: number;
  /** Length of the encoding (bytes). */
  readonly bytesMax: number;
}

/**
 * Encodes values to bytes and decodes them. Implement it for a format of your own.
 *
 * Contract: `decode(encode(v))` is equal to `v`, or to the plain data that the codec documents for
 * `v`. `decode` throws for every input that is not the encoding of a value which `encode` accepts,
 * in time and memory proportional to the bytes. Neither keeps a reference to the buffers (except
 * `raw()`, which returns views). An instance has no state through which the bytes of one peer could
 * affect another, apart from caches that only change its speed.
 *
 * @example
 * ```ts
 * const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
 * const text: Codec<string> = {
 *   name: "text",
 *   delimiter: "length",
 *   encode: (value, writer) => writer.append(Buffer.from(value)),
 *   decode: (bytes) => utf8.decode(bytes),
 * };
 * const push = new Push({ codec: text });
 * ```
 *
 * @see docs/wire-format.md for the frames
 */
export interface Codec<T = unknown> {
  /** Name of the format, for error texts and, between reliable peers, on the wire. */
  readonly name: string;
  /** How the values of one frame are separated. */
  readonly delimiter: Delimiter;
  /**
   * Appends the encoding of one value to `writer`, synchronously: a promise is refused.
   *
   * @param limits a longer encoding is refused afterwards. A value can be far larger than its
   *   memory (a sparse array, one object in many places), so an encoder that counts first saves the
   *   time
   * @throws BrokerlessError `BROKERLESS_TOO_LARGE` beyond a limit. Any other error: the caller
   *   rewinds the writer and reports `BROKERLESS_CODEC` with it as cause
   */
  encode(value: T, writer: ByteWriter, limits?: EncodeLimits): void;
  /**
   * Decodes one value, synchronously: a promise is refused.
   *
   * @param bytes exactly one value's encoding
   * @throws any error; the frame is refused with `BROKERLESS_CODEC` and the error as cause
   */
  decode(bytes: Buffer): T;
  /**
   * Decodes all values of a frame, in order. Required where `delimiter` is `self`; otherwise the
   * frame is split first and `decode` is called for each value.
   *
   * @param countMax throws when the frame holds more values than this (count)
   */
  decodeAll?(frame: Buffer, countMax: number): T[];
  /**
   * Counts the elements of one or several encodings (values, keys, arrays, maps) without decoding
   * any, in time proportional to the bytes. Without it, the elements of a frame are limited only by
   * its bytes.
   *
   * @returns the count, each element being at least a byte; more than `countMax` as soon as that is
   *   certain. What takes longer to decode may count for more; shorter bytes than the limit are not
   *   counted
   */
  countElements?(bytes: Uint8Array, countMax: number): number;
  /**
   * Decodes many small values of one buffer without a view for each. Without it, `decode` is called
   * with views.
   *
   * @returns a function that decodes the value in `[start, end)` of `bytes`; it keeps `bytes`, and
   *   throws as `decode` does
   */
  decodeIn?(bytes: Buffer): PieceReader<T>;
}

/** Decodes the value in `[start, end)` of a buffer (byte offsets). */
export type PieceReader<T> = (start: number, end: number) => T;

/** @returns a reader of the values in `bytes`, by `decodeIn` where `codec` has it */
export function pieceReader<T>(codec: Codec<T>, bytes: Buffer): PieceReader<T> {
  if (codec.decodeIn !== undefined) return codec.decodeIn(bytes);
  // Access to the memory of a Buffer is a call into the engine, so it is done once.
  const { buffer: memory, byteOffset: origin } = bytes;
  return (start, end) => codec.decode(viewOf(memory, origin + start, end - start));
}
