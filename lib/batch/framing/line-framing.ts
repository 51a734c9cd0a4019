import type { ByteWriter } from "../../codec/byte-writer.ts";
import type { Codec } from "../../codec/codec.ts";
import { checkElements } from "../../codec/elements.ts";
import { BareFraming } from "./bare-framing.ts";
import { FIXINT_END, isMarked, LINE_END, refuseOthers } from "./codec-marks.ts";
import { decode, emptyFrame, encode, malformed, tooMany, unreadable } from "./framed-value.ts";
import type { Framing, Limits } from "./framing.ts";

const LINE_FEED = 0x0a;

/** A frame that is one line. */
export class BareLineFraming<T> extends BareFraming<T> {
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

/** A frame of lines, one for each value. */
export class LineFraming<T> implements Framing<T> {
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
