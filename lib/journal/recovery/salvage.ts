import { Batch, checkBatch, checkBatchHeader } from "../../batch/batch.ts";
import { BATCH, BATCH_HEADER_BYTES, BATCH_MAGIC, getU16, getU32 } from "../../batch/layout.ts";
import { RECORD_HEADER_BYTES, RECORD_TYPE, readRecord, recordFault } from "../format/record.ts";
import { type DecodedValues, decodeValues } from "../format/values.ts";

/** The intact parts of a damaged segment, in the order of the file. */
export interface Salvaged {
  readonly batches: readonly Batch[];
  readonly values: readonly DecodedValues[];
}

/**
 * Finds every whole batch, and every whole values record, at any position.
 *
 * Pure. Batches are recognised by their own checksums, so they are found even where the segment's
 * header or their envelopes are damaged; values records need the seed.
 *
 * @param seed of the segment; `null` where its header is damaged
 */
export function salvage(bytes: Buffer, stream: string, seed: number | null): Salvaged {
  const batches: Batch[] = [];
  const values: DecodedValues[] = [];
  let at = 0;
  while (at + BATCH_HEADER_BYTES <= bytes.length || at + RECORD_HEADER_BYTES < bytes.length) {
    const batch = batchAt(bytes, at);
    if (batch !== null && batch.stream === stream) {
      batches.push(batch);
      at += batch.bytes.length;
      continue;
    }
    const found = seed === null ? null : valuesAt(bytes, at, seed);
    if (found !== null) values.push(found.values);
    at += found?.bytes ?? 1;
  }
  return { batches, values };
}

function batchAt(bytes: Buffer, at: number): Batch | null {
  if (at + BATCH_HEADER_BYTES > bytes.length) return null;
  if (getU16(bytes, at + BATCH.magic) !== BATCH_MAGIC) return null;
  const length = getU32(bytes, at + BATCH.bytes);
  if (length < BATCH_HEADER_BYTES || at + length > bytes.length) return null;
  const batch = bytes.subarray(at, at + length);
  if (checkBatchHeader(batch, length) !== null || checkBatch(batch) !== null) return null;
  return new Batch(batch);
}

function valuesAt(
  bytes: Buffer,
  at: number,
  seed: number,
): { readonly values: DecodedValues; readonly bytes: number } | null {
  const bytesThere = bytes.length - at;
  if (recordFault(bytes, { at, offset: at, bytesThere, seed }) !== null) return null;
  const { type, bodyBytes } = readRecord(bytes, at);
  if (type !== RECORD_TYPE.values) return null;
  const start = at + RECORD_HEADER_BYTES;
  const values = decodeValues(bytes.subarray(start, start + bodyBytes));
  return values === null ? null : { values, bytes: RECORD_HEADER_BYTES + bodyBytes };
}
