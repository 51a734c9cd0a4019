import type { ByteWriter } from "../codec/byte-writer.ts";
import type { Codec } from "../codec/codec.ts";
import { BrokerlessError } from "../errors.ts";
import { viewOf } from "../view.ts";

/** Turns values into the body of one frame and back. One instance serves one socket. */
export interface Framing<T> {
  /**
   * Appends one value to the frame that `writer` has open.
   *
   * @throws BrokerlessError `BROKERLESS_CODEC` when the codec throws, with its error as cause; the
   *   writer's open piece is then what it was before
   */
  append(value: T, writer: ByteWriter): void;
  /**
   * @param frame the whole body of one frame; never changed, and not kept (`raw()` excepted)
   * @returns its values in order, at least one
   * @throws BrokerlessError `BROKERLESS_CODEC` when the frame is empty (a bare `raw` frame excepted),
   *   malformed, or holds more than `countMax` values; none of them is delivered then
   */
  decode(frame: Buffer): T[];
}

/** How a socket packs its frames. */
export interface FramingOptions {
  /** Whether a frame may hold many values; without, it is exactly one bare value. */
  readonly batched: boolean;
  /** Most values that a received frame may hold (count). */
  readonly countMax: number;
}

const LINE_FEED = 0x0a;
const LENGTH_BYTES = 4;

/**
 * Chooses the framing for a codec. See {@link Delimiter} for the layout of a batched frame.
 *
 * An unbatched frame is one encoding and nothing else, which is what a peer without this package
 * sends and expects: for `raw()` the bytes themselves, for `json()` the text without a line feed
 * (one at the end is accepted).
 */
export function createFraming<T>(codec: Codec<T>, options: FramingOptions): Framing<T> {
  if (!options.batched) {
    switch (codec.delimiter) {
      case "length":
        return new BareFraming(codec);
      case "newline":
        return new BareLineFraming(codec);
      case "self":
        return new BareSelfFraming(codec);
    }
  }
  switch (codec.delimiter) {
    case "length":
      return new LengthFraming(codec, options.countMax);
    case "newline":
      return new LineFraming(codec, options.countMax);
    case "self":
      return new SelfFraming(codec, options.countMax);
  }
}

class BareFraming<T> implements Framing<T> {
  readonly #codec: Codec<T>;

  constructor(codec: Codec<T>) {
    this.#codec = codec;
  }

  append(value: T, writer: ByteWriter): void {
    encode(this.#codec, value, writer);
  }

  decode(frame: Buffer): T[] {
    try {
      return [this.#codec.decode(frame)];
    } catch (error) {
      throw notDecoded(this.#codec, error);
    }
  }
}

class BareSelfFraming<T> extends BareFraming<T> {
  override decode(frame: Buffer): T[] {
    if (frame.length === 0) throw emptyFrame();
    return super.decode(frame);
  }
}

class BareLineFraming<T> extends BareFraming<T> {
  override decode(frame: Buffer): T[] {
    const end = frame.length - 1;
    const line = frame[end] === LINE_FEED ? frame.subarray(0, end) : frame;
    if (line.length === 0) throw emptyFrame();
    return super.decode(line);
  }
}

class SelfFraming<T> implements Framing<T> {
  readonly #codec: Codec<T>;
  readonly #countMax: number;

  constructor(codec: Codec<T>, countMax: number) {
    if (codec.decodeAll === undefined) {
      throw new TypeError(`codec ${codec.name}: a delimiter "self" needs decodeAll`);
    }
    this.#codec = codec;
    this.#countMax = countMax;
  }

  append(value: T, writer: ByteWriter): void {
    encode(this.#codec, value, writer);
  }

  decode(frame: Buffer): T[] {
    if (frame.length === 0) throw emptyFrame();
    try {
      return this.#codec.decodeAll!(frame, this.#countMax);
    } catch (error) {
      throw notDecoded(this.#codec, error);
    }
  }
}

class LineFraming<T> implements Framing<T> {
  readonly #codec: Codec<T>;
  readonly #countMax: number;

  constructor(codec: Codec<T>, countMax: number) {
    this.#codec = codec;
    this.#countMax = countMax;
  }

  append(value: T, writer: ByteWriter): void {
    encode(this.#codec, value, writer);
    const at = writer.reserve(1);
    writer.bytes[at] = LINE_FEED;
    writer.end = at + 1;
  }

  /** The last line may lack its line feed: a peer without this package may send it so. */
  decode(frame: Buffer): T[] {
    if (frame.length === 0) throw emptyFrame();
    const values: T[] = [];
    const frameEnd = frame.length;
    for (let at = 0; at < frameEnd; ) {
      const found = frame.indexOf(LINE_FEED, at);
      const end = found < 0 ? frameEnd : found;
      if (end === at) throw malformed(`an empty line at byte ${at}`);
      if (values.length === this.#countMax) throw tooMany(this.#countMax);
      try {
        values.push(this.#codec.decode(frame.subarray(at, end)));
      } catch (error) {
        throw notDecoded(this.#codec, error);
      }
      at = end + 1;
    }
    return values;
  }
}

class LengthFraming<T> implements Framing<T> {
  readonly #codec: Codec<T>;
  readonly #countMax: number;

  constructor(codec: Codec<T>, countMax: number) {
    this.#codec = codec;
    this.#countMax = countMax;
  }

  append(value: T, writer: ByteWriter): void {
    const before = writer.length;
    writer.end = writer.reserve(LENGTH_BYTES) + LENGTH_BYTES;
    try {
      encode(this.#codec, value, writer);
    } catch (error) {
      writer.rewind(before);
      throw error;
    }
    // Only now is it known where the length goes: the codec may have moved the piece.
    const at = writer.start + before;
    const length = writer.end - at - LENGTH_BYTES;
    const bytes = writer.bytes;
    bytes[at] = length;
    bytes[at + 1] = length >>> 8;
    bytes[at + 2] = length >>> 16;
    bytes[at + 3] = length >>> 24;
  }

  decode(frame: Buffer): T[] {
    const frameEnd = frame.length;
    if (frameEnd === 0) throw emptyFrame();
    const codec = this.#codec;
    // Each time that a Buffer is asked for its memory is a call into the engine.
    const { buffer: memory, byteOffset: origin } = frame;
    const values: T[] = [];
    let room = this.#countMax;
    for (let at = 0; at < frameEnd; ) {
      const start = at + LENGTH_BYTES;
      if (start > frameEnd) throw malformed(`a length cut off at byte ${at}`);
      const length =
        (frame[at]! | (frame[at + 1]! << 8) | (frame[at + 2]! << 16) | (frame[at + 3]! << 24)) >>>
        0;
      if (length > frameEnd - start) {
        throw malformed(`an entry of ${length} bytes where ${frameEnd - start} remain`);
      }
      if (room-- === 0) throw tooMany(this.#countMax);
      at = start + length;
      try {
        values.push(codec.decode(viewOf(memory, origin + start, length)));
      } catch (error) {
        throw notDecoded(codec, error);
      }
    }
    return values;
  }
}

function encode<T>(codec: Codec<T>, value: T, writer: ByteWriter): void {
  const length = writer.length;
  try {
    codec.encode(value, writer);
  } catch (cause) {
    // A getter of the value may have had the writer emptied; then there is nothing to take back.
    if (writer.length > length) writer.rewind(length);
    const message = `codec ${codec.name} cannot encode the value: ${reason(cause)}`;
    throw new BrokerlessError("BROKERLESS_CODEC", message, { cause });
  }
}

function notDecoded(codec: { readonly name: string }, cause: unknown): BrokerlessError {
  const message = `codec ${codec.name} cannot decode the frame: ${reason(cause)}`;
  return new BrokerlessError("BROKERLESS_CODEC", message, { cause });
}

function emptyFrame(): BrokerlessError {
  return malformed("no value at all");
}

function tooMany(countMax: number): BrokerlessError {
  return malformed(`more than ${countMax} values`);
}

function malformed(what: string): BrokerlessError {
  return new BrokerlessError("BROKERLESS_CODEC", `malformed frame: ${what}`);
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
