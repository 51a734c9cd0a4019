import { types } from "node:util";
import { expected } from "../options.ts";
import type { ByteWriter } from "./byte-writer.ts";
import type { Codec, EncodeLimits } from "./codec.ts";
import { NO_LIMITS, tooManyBytes } from "./elements.ts";

/**
 * Bytes without any encoding: for payloads that are encoded already, and for peers without this
 * package.
 *
 * `encode` copies, so the given array may be changed as soon as it returns. `decode` copies
 * nothing: its result is a view of the received frame and keeps the whole frame in memory for as
 * long as it is held. Copy bytes that are kept longer (`Buffer.from(bytes)`).
 *
 * @example
 * ```ts
 * const push = new Push<Uint8Array>({ codec: raw() });
 * ```
 */
export function raw(): Codec<Uint8Array> {
  return new RawCodec();
}

class RawCodec implements Codec<Uint8Array> {
  readonly name = "raw";
  readonly delimiter = "length";

  encode(value: Uint8Array, writer: ByteWriter, limits: EncodeLimits = NO_LIMITS): void {
    if (!(value instanceof Uint8Array)) assertBytes(value);
    if (value.length > limits.bytesMax) throw tooManyBytes(limits.bytesMax, value.length);
    writer.append(value);
  }

  decode(bytes: Buffer): Uint8Array {
    return bytes;
  }
}

/** Arrays of other realms are no instances of this realm's classes. @throws TypeError */
function assertBytes(value: unknown): void {
  if (!types.isUint8Array(value)) throw expected("raw: a message", "a Uint8Array", value);
}
