import type { Codec } from "../../codec/codec.ts";
import { NO_LIMITS } from "../../codec/elements.ts";
import { BareFraming } from "./bare-framing.ts";
import type { Framing, Limits } from "./framing.ts";
import { LengthFraming } from "./length-framing.ts";
import { BareLineFraming, LineFraming } from "./line-framing.ts";
import { BareSelfFraming, SelfFraming } from "./self-framing.ts";

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
