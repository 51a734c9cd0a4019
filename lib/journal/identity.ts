import { crc32 } from "node:zlib";
import { Batch } from "../batch/batch.ts";
import { BATCH, putU32, streamBytes } from "../batch/layout.ts";

/** The named value with the lives of a stream: what its sender and its receivers know each other's history by. */
export const VALUE_EPOCHS = "epochs";
/** The named value with the name of the receiver whose inbox a journal is. */
export const VALUE_RECEIVER = "receiver";

/** The named values that say who the owner of a journal is: a copy that is to be another has none of them. */
export const IDENTITY_VALUES: readonly string[] = [VALUE_EPOCHS, VALUE_RECEIVER];

/** Pure. @returns the same batch as one of another stream (32 hex digits) */
export function ofStream({ bytes }: Batch, stream: string): Batch {
  const copy = Buffer.from(bytes);
  copy.set(streamBytes(stream), BATCH.stream);
  putU32(copy, BATCH.checksum, crc32(copy.subarray(BATCH.bytes)));
  return new Batch(copy);
}
