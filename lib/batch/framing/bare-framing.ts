import type { ByteWriter } from "../../codec/byte-writer.ts";
import type { Codec } from "../../codec/codec.ts";
import { checkElements } from "../../codec/elements.ts";
import { decode, encode, unreadable } from "./framed-value.ts";
import type { Framing, Limits } from "./framing.ts";

/** A frame that is one encoding and nothing else. */
export class BareFraming<T> implements Framing<T> {
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
