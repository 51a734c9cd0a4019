import type { ByteWriter } from "../../codec/byte-writer.ts";
import type { Codec } from "../../codec/codec.ts";
import { checkElements } from "../../codec/elements.ts";
import { BareFraming } from "./bare-framing.ts";
import { FIXINT_END, isMarked, LENGTH_MARK, refuseOthers, UINT8 } from "./codec-marks.ts";
import { emptyFrame, encode, refusePromises, unreadable } from "./framed-value.ts";
import type { Framing, Limits } from "./framing.ts";

/** A frame that is one value of a codec whose encodings delimit themselves. */
export class BareSelfFraming<T> extends BareFraming<T> {
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

/** A frame of values whose encodings delimit themselves, one behind the other. */
export class SelfFraming<T> implements Framing<T> {
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
