import type { ByteWriter } from "../../codec/byte-writer.ts";
import type { Codec } from "../../codec/codec.ts";
import { checkElements } from "../../codec/elements.ts";
import type { BrokerlessError } from "../../errors.ts";
import { viewOf } from "../../view.ts";
import { LENGTH_MARK, refuseOthers } from "./codec-marks.ts";
import { decode, emptyFrame, encode, malformed, tooMany, unreadable } from "./framed-value.ts";
import type { Framing, Limits } from "./framing.ts";

/** A mark byte, and 24 bits of length. */
const LENGTH_BYTES = 4;
/**
 * In place of a length: up to the end of the frame. A value that long is always alone in its frame.
 */
const REST = 0xffffff;

/** A frame of values, each behind its length. */
export class LengthFraming<T> implements Framing<T> {
  readonly overheadBytes: number = LENGTH_BYTES;
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
