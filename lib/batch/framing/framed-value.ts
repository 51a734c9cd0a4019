import type { ByteWriter } from "../../codec/byte-writer.ts";
import type { Codec } from "../../codec/codec.ts";
import { notDecoded, notEncoded, refusePromise } from "../../codec/codec-error.ts";
import { checkElements } from "../../codec/elements.ts";
import { BrokerlessError } from "../../errors.ts";
import { isMarked, refuseOurs } from "./codec-marks.ts";
import type { Limits } from "./framing.ts";

export function unreadable<T>(codec: Codec<T>, frame: Buffer, cause: unknown): BrokerlessError {
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
export function refusePromises(values: readonly unknown[]): void {
  refusePromise("decode", values);
  for (const value of values) refusePromise("decode", value);
}

/** @throws whatever the codec throws; TypeError for a promise */
export function decode<T>(codec: Codec<T>, bytes: Buffer): T {
  const value = codec.decode(bytes);
  refusePromise("decode", value);
  return value;
}

/**
 * @param before length to restore when the value is refused (bytes); less than the current length
 *   where a prefix of the value was already written
 * @throws BrokerlessError
 */
export function encode<T>(
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

export function emptyFrame(): BrokerlessError {
  return malformed("no value at all");
}

export function tooMany(countMax: number): BrokerlessError {
  return malformed(`more than ${countMax} values`);
}

export function malformed(what: string): BrokerlessError {
  return new BrokerlessError("BROKERLESS_CODEC", `malformed frame: ${what}`);
}
