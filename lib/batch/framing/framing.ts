import type { ByteWriter } from "../../codec/byte-writer.ts";
import type { EncodeLimits } from "../../codec/codec.ts";

/** Limits of the values of a frame. */
export interface Limits extends EncodeLimits {
  readonly countMax: number;
}

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
