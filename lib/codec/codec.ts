import { viewOf } from "../view.ts";
import type { ByteWriter } from "./byte-writer.ts";

/**
 * How the values of one frame are told apart.
 *
 * | word      | a frame of n values is                                      |
 * |-----------|-------------------------------------------------------------|
 * | `self`    | the encodings one after another; each ends by itself        |
 * | `newline` | each encoding (which has no line feed in it), then `0x0a`   |
 * | `length`  | each encoding behind `c1` and its length (u24 little-endian)|
 */
export type Delimiter = "self" | "newline" | "length";

/** How much one encoding may be at most. What is certain to be more need not be made first. */
export interface EncodeLimits {
  /** Elements: values, keys, arrays, maps (count). */
  readonly elementsMax: number;
  /** Length of the encoding (bytes). */
  readonly bytesMax: number;
}

/**
 * Turns values into bytes and back. Implement it for a format of your own.
 *
 * Contract: `decode(encode(v))` is equal to `v`, or to the plain data that the codec says `v` becomes;
 * `decode` throws on every input that is not the encoding of a value which `encode` accepts, in time
 * and memory proportional to the bytes; neither keeps a reference to the buffers (`raw()` excepted,
 * which hands out views). Instances hold no state that one peer's bytes could change for another,
 * but what they remember to be faster.
 */
export interface Codec<T = unknown> {
  /** Names the format to people and, between reliable peers, on the wire. */
  readonly name: string;
  /** How values in one frame are told apart. */
  readonly delimiter: Delimiter;
  /**
   * Appends one value's encoding to `writer`, before it returns: a promise is refused.
   *
   * @param limits what is longer is refused afterwards. A value can be far larger than what it takes in memory (a sparse
   *   array, one object in many places), so an encoder that counts first spares the time
   * @throws BrokerlessError `BROKERLESS_TOO_LARGE` beyond a limit. Anything else: the caller rewinds the writer and
   *   reports `BROKERLESS_CODEC` with it as cause
   */
  encode(value: T, writer: ByteWriter, limits?: EncodeLimits): void;
  /**
   * The value of an encoding. A promise is refused.
   *
   * @param bytes exactly one value's encoding
   * @throws anything; the frame is refused with `BROKERLESS_CODEC` and it as cause
   */
  decode(bytes: Buffer): T;
  /**
   * All values of a frame in order. Needed where `delimiter` is `self`; elsewhere the frame is cut
   * first and `decode` called for each value.
   *
   * @param countMax throws when the frame holds more values than this (count)
   */
  decodeAll?(frame: Buffer, countMax: number): T[];
  /**
   * Counts the elements of one or several encodings (values, keys, arrays, maps) without making any, in time
   * proportional to the bytes. Without it a frame's elements have no bound but its bytes.
   *
   * @returns the count, each element being at least a byte; more than `countMax` as soon as that is certain
   */
  countElements?(bytes: Uint8Array, countMax: number): number;
  /**
   * The way to read many small values that lie in one buffer: spares a view for each. Without it `decode` is given
   * views.
   *
   * @returns reads the value that lies in `[start, end)` of `bytes`, which the function keeps; throws as `decode` does
   */
  decodeIn?(bytes: Buffer): PieceReader<T>;
}

/** Reads a value that lies in `[start, end)` of a buffer (byte offsets). */
export type PieceReader<T> = (start: number, end: number) => T;

/** @returns how `codec` reads values that lie in `bytes` */
export function pieceReader<T>(codec: Codec<T>, bytes: Buffer): PieceReader<T> {
  if (codec.decodeIn !== undefined) return codec.decodeIn(bytes);
  // Each time that a Buffer is asked for its memory is a call into the engine.
  const { buffer: memory, byteOffset: origin } = bytes;
  return (start, end) => codec.decode(viewOf(memory, origin + start, end - start));
}
