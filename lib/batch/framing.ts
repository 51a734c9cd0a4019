import type { ByteWriter } from "../codec/byte-writer.ts";
import type { Codec, EncodeLimits } from "../codec/codec.ts";
import { notDecoded, notEncoded, refusePromise } from "../codec/codec-error.ts";
import { checkElements, NO_LIMITS } from "../codec/elements.ts";
import { BrokerlessError } from "../errors.ts";
import { viewOf } from "../view.ts";
import {
  FIXINT_END,
  isMarked,
  LENGTH_MARK,
  LINE_END,
  refuseOthers,
  refuseOurs,
  UINT8,
} from "./codec-marks.ts";

/** Encodes values into the body of one frame, and decodes them. One instance serves one socket. */
export interface Framing<T> {
  /** Bytes that a frame has for each value beside the message itself. */
  readonly overheadBytes: number;
  /**
   * Appends one value to the frame that `writer` has open.
   *
   * @throws BrokerlessError `BROKERLESS_CODEC` when the codec throws, with its error as cause; the
   *   writer's open piece is then unchanged
   */
  append(value: T, writer: ByteWriter): void;
  /**
   * @param frame the whole body of one frame; never changed, and not kept (except by `raw()`)
   * @returns its values in order, at least one
   * @throws BrokerlessError `BROKERLESS_CODEC` when the frame is empty (except a bare `raw` frame),
   *   malformed, or holds more than `countMax` values; none of them is delivered then
   */
  decode(frame: Buffer): T[];
}

/** Options of a socket's framing. */
export interface FramingOptions {
  /** Whether a frame may hold many values; otherwise it is exactly one bare value. */
  readonly batched: boolean;
  /** Most values that a received frame may hold (count). */
  readonly countMax: number;
  /**
   * Most elements that a value, and a received frame, may hold (count). Default: as many as it has
   * bytes.
   */
  readonly elementsMax?: number;
  /**
   * Encoders may stop at this length, because the batcher refuses longer values (bytes). Default:
   * no limit.
   */
  readonly bytesMax?: number;
}

const LINE_FEED = 0x0a;
/** A mark byte, and 24 bits of length. */
const LENGTH_BYTES = 4;
/**
 * In place of a length: up to the end of the frame. A value that long is always alone in its frame.
 */
const REST = 0xffffff;

/**
 * Chooses the framing for a codec. See {@link Delimiter} for the layout of a batched frame.
 *
 * An unbatched frame is one encoding and nothing else, which is what a peer without this package
 * sends and expects: for `raw()` the bytes themselves, for `json()` the text, followed by a space
 * and a line feed (which may be missing on receipt).
 */
export function createFraming<T>(codec: Codec<T>, options: FramingOptions): Framing<T> {
  const limits: Limits = { ...NO_LIMITS, ...options };
  if (!options.batched) {
    switch (codec.delimiter) {
      case "length":
        return new BareFraming(codec, limits);
      case "newline":
        return new BareLineFraming(codec, limits);
      case "self":
        return new BareSelfFraming(codec, limits);
    }
  }
  switch (codec.delimiter) {
    case "length":
      return new LengthFraming(codec, limits);
    case "newline":
      return new LineFraming(codec, limits);
    case "self":
      return new SelfFraming(codec, limits);
  }
}

interface Limits extends EncodeLimits {
  readonly countMax: number;
}

class BareFraming<T> implements Framing<T> {
  readonly overheadBytes: number = 0;
  readonly #codec: Codec<T>;
  readonly #limits: Limits;

  constructor(codec: Codec<T>, limits: Limits) {
    this.#codec = codec;
    this.#limits = limits;
  }

  append(value: T, writer: ByteWriter): void {
    encode(this.#codec, value, writer, this.#limits);
  }

  decode(frame: Buffer): T[] {
    checkElements(this.#codec, frame, { elementsMax: this.#limits.elementsMax, what: "frame" });
    try {
      return [decode(this.#codec, frame)];
    } catch (error) {
      throw unreadable(this.#codec, frame, error);
    }
  }
}

class BareSelfFraming<T> extends BareFraming<T> {
  readonly #isMarked: boolean;
  readonly #codec: Codec<T>;

  constructor(codec: Codec<T>, limits: Limits) {
    super(codec, limits);
    this.#codec = codec;
    this.#isMarked = isMarked(codec);
  }

  override append(value: T, writer: ByteWriter): void {
    const { length } = writer;
    super.append(value, writer);
    if (this.#isMarked && writer.length === length + 1) markInteger(writer);
  }

  override decode(frame: Buffer): T[] {
    if (frame.length === 0) throw emptyFrame();
    if (this.#isMarked && isStrange(frame[0]!)) refuseOthers(this.#codec, frame);
    return super.decode(frame);
  }
}

class BareLineFraming<T> extends BareFraming<T> {
  override readonly overheadBytes: number = LINE_END.length;
  readonly #isMarked: boolean;
  readonly #codec: Codec<T>;

  constructor(codec: Codec<T>, limits: Limits) {
    super(codec, limits);
    this.#codec = codec;
    this.#isMarked = isMarked(codec);
    if (!this.#isMarked) this.overheadBytes = 0;
  }

  override append(value: T, writer: ByteWriter): void {
    super.append(value, writer);
    if (this.#isMarked) writer.append(LINE_END);
  }

  override decode(frame: Buffer): T[] {
    if (this.#isMarked && frame[0]! >= FIXINT_END) refuseOthers(this.#codec, frame);
    const end = frame.length - 1;
    const line = frame[end] === LINE_FEED ? frame.subarray(0, end) : frame;
    if (line.length === 0) throw emptyFrame();
    return super.decode(line);
  }
}

class SelfFraming<T> implements Framing<T> {
  readonly overheadBytes = 0;
  readonly #codec: Codec<T>;
  readonly #limits: Limits;
  readonly #isMarked: boolean;

  constructor(codec: Codec<T>, limits: Limits) {
    this.#isMarked = isMarked(codec);
    if (codec.decodeAll === undefined) {
      throw new TypeError(`codec ${codec.name}: a delimiter "self" needs decodeAll`);
    }
    this.#codec = codec;
    this.#limits = limits;
  }

  append(value: T, writer: ByteWriter): void {
    const { length } = writer;
    encode(this.#codec, value, writer, this.#limits);
    if (this.#isMarked && writer.length === length + 1) markInteger(writer);
  }

  decode(frame: Buffer): T[] {
    if (frame.length === 0) throw emptyFrame();
    if (this.#isMarked && isStrange(frame[0]!)) refuseOthers(this.#codec, frame);
    checkElements(this.#codec, frame, { elementsMax: this.#limits.elementsMax, what: "frame" });
    try {
      const values = this.#codec.decodeAll!(frame, this.#limits.countMax);
      if (!this.#isMarked) refusePromises(values);
      return values;
    } catch (error) {
      throw unreadable(this.#codec, frame, error);
    }
  }
}

class LineFraming<T> implements Framing<T> {
  readonly overheadBytes: number;
  readonly #codec: Codec<T>;
  readonly #limits: Limits;
  readonly #isMarked: boolean;
  readonly #lineEnd: Buffer;

  constructor(codec: Codec<T>, limits: Limits) {
    this.#isMarked = isMarked(codec);
    this.#lineEnd = this.#isMarked ? LINE_END : LINE_END.subarray(1);
    this.overheadBytes = this.#lineEnd.length;
    this.#codec = codec;
    this.#limits = limits;
  }

  append(value: T, writer: ByteWriter): void {
    encode(this.#codec, value, writer, this.#limits);
    writer.append(this.#lineEnd);
  }

  /** The last line may lack its line feed, since a peer without this package may omit it. */
  decode(frame: Buffer): T[] {
    if (frame.length === 0) throw emptyFrame();
    if (this.#isMarked && frame[0]! >= FIXINT_END) refuseOthers(this.#codec, frame);
    checkElements(this.#codec, frame, { elementsMax: this.#limits.elementsMax, what: "frame" });
    const values: T[] = [];
    const frameEnd = frame.length;
    for (let at = 0; at < frameEnd; ) {
      const found = frame.indexOf(LINE_FEED, at);
      const end = found < 0 ? frameEnd : found;
      if (end === at) throw malformed(`an empty line at byte ${at}`);
      if (values.length === this.#limits.countMax) throw tooMany(this.#limits.countMax);
      try {
        values.push(decode(this.#codec, frame.subarray(at, end)));
      } catch (error) {
        throw unreadable(this.#codec, frame, error);
      }
      at = end + 1;
    }
    return values;
  }
}

class LengthFraming<T> implements Framing<T> {
  readonly overheadBytes = LENGTH_BYTES;
  readonly #codec: Codec<T>;
  readonly #limits: Limits;

  constructor(codec: Codec<T>, limits: Limits) {
    this.#codec = codec;
    this.#limits = limits;
  }

  append(value: T, writer: ByteWriter): void {
    const before = writer.length;
    writer.end = writer.reserve(LENGTH_BYTES) + LENGTH_BYTES;
    encode(this.#codec, value, writer, this.#limits, before);
    // The position of the length is known only now, because the codec may have moved the piece.
    const at = writer.start + before;
    const length = writer.end - at - LENGTH_BYTES;
    const bytes = writer.bytes;
    const shown = length < REST ? length : REST;
    bytes[at] = LENGTH_MARK;
    bytes[at + 1] = shown;
    bytes[at + 2] = shown >>> 8;
    bytes[at + 3] = shown >>> 16;
  }

  decode(frame: Buffer): T[] {
    const frameEnd = frame.length;
    if (frameEnd === 0) throw emptyFrame();
    const codec = this.#codec;
    // Access to the memory of a Buffer is a call into the engine, so it is done once.
    const { buffer: memory, byteOffset: origin } = frame;
    const values: T[] = [];
    let room = this.#limits.countMax;
    for (let at = 0; at < frameEnd; ) {
      const start = at + LENGTH_BYTES;
      if (frame[at] !== LENGTH_MARK) throw this.#notOurs(frame, at);
      if (start > frameEnd) throw malformed(`a length cut off at byte ${at}`);
      const shown = frame[at + 1]! | (frame[at + 2]! << 8) | (frame[at + 3]! << 16);
      const length = shown < REST ? shown : Math.max(REST, frameEnd - start);
      if (length > frameEnd - start) {
        throw malformed(`an entry of ${length} bytes where ${frameEnd - start} remain`);
      }
      if (room-- === 0) throw tooMany(this.#limits.countMax);
      at = start + length;
      const bytes = viewOf(memory, origin + start, length);
      if (length > this.#limits.elementsMax) {
        checkElements(codec, bytes, { elementsMax: this.#limits.elementsMax, what: "message" });
      }
      try {
        values.push(decode(codec, bytes));
      } catch (error) {
        throw unreadable(codec, frame, error);
      }
    }
    return values;
  }

  /**
   * No value starts with the byte at `at`. @throws BrokerlessError where another codec has written
   * the frame
   */
  #notOurs(frame: Buffer, at: number): BrokerlessError {
    if (at === 0) refuseOthers(this.#codec, frame);
    return malformed(`no mark of a value at byte ${at}`);
  }
}

/**
 * Gives a message that is a small integer its own token, so that a MessagePack frame never starts
 * like a JSON frame.
 */
function markInteger(writer: ByteWriter): void {
  const byte = writer.bytes[writer.end - 1]!;
  if (byte >= FIXINT_END) return;
  const at = writer.reserve(1);
  writer.bytes[at - 1] = UINT8;
  writer.bytes[at] = byte;
  writer.end = at + 1;
}

/** Whether `msgpack()` never writes this byte at the start of a frame. */
function isStrange(first: number): boolean {
  return first < FIXINT_END || first === LENGTH_MARK;
}

function unreadable<T>(codec: Codec<T>, frame: Buffer, cause: unknown): BrokerlessError {
  if (!isMarked(codec)) refuseOurs(codec, frame, cause);
  return notDecoded(codec, "frame", cause);
}

/** @param length length of the writer before the value was appended (bytes) */
function checkAppended<T>(
  codec: Codec<T>,
  writer: ByteWriter,
  length: number,
  { elementsMax }: Limits,
): void {
  const bytes = writer.bytes.subarray(writer.start + length, writer.end);
  checkElements(codec, bytes, { elementsMax, what: "message" });
}

/** @throws TypeError for a promise, or a value with a `then` method */
function refusePromises(values: readonly unknown[]): void {
  refusePromise("decode", values);
  for (const value of values) refusePromise("decode", value);
}

/** @throws whatever the codec throws; TypeError for a promise */
function decode<T>(codec: Codec<T>, bytes: Buffer): T {
  const value = codec.decode(bytes);
  refusePromise("decode", value);
  return value;
}

/**
 * @param before length to restore when the value is refused (bytes); less than the current length
 *   where a prefix of the value was already written
 * @throws BrokerlessError
 */
function encode<T>(
  codec: Codec<T>,
  value: T,
  writer: ByteWriter,
  limits: Limits,
  before: number = writer.length,
): void {
  const { length } = writer;
  try {
    const returned: unknown = codec.encode(value, writer, limits);
    if (returned !== undefined) refusePromise("encode", returned);
    if (writer.length - length > limits.elementsMax) checkAppended(codec, writer, length, limits);
  } catch (cause) {
    throw unwritten(codec, writer, before, cause);
  }
}

/** Removes a partly written value. @returns the error to throw */
function unwritten<T>(
  codec: Codec<T>,
  writer: ByteWriter,
  before: number,
  cause: unknown,
): BrokerlessError {
  // A getter of the value may have emptied the writer; then there is nothing to remove.
  if (writer.length > before) writer.rewind(before);
  return notEncoded(codec, cause);
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
