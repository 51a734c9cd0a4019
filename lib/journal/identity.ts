import { crc32 } from "node:zlib";
import { Batch } from "../batch/batch.ts";
import { BATCH, putU32, streamBytes } from "../batch/layout.ts";

/**
 * Name of the value with the epochs of a stream, by which its sender and its receivers recognise
 * each other's history.
 */
export const VALUE_EPOCHS = "epochs";
/** Name of the value with the name of the receiver whose inbox a journal is. */
export const VALUE_RECEIVER = "receiver";

/**
 * Names of the values that identify the owner of a journal: a copy with a new identity has none of
 * them.
 */
export const IDENTITY_VALUES: readonly string[] = [VALUE_EPOCHS, VALUE_RECEIVER];

/** Pure. @returns the same batch with another stream id (32 hex digits) */
export function ofStream({ bytes }: Batch, stream: string): Batch {
  const copy = Buffer.from(bytes);
  copy.set(streamBytes(stream), BATCH.stream);
  putU32(copy, BATCH.checksum, crc32(copy.subarray(BATCH.bytes)));
  return new Batch(copy);
}
