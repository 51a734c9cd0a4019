import { crc32 } from "node:zlib";
import { expected } from "../options.ts";
import { type Batch, EntryCursor, type EntryEnd } from "./batch.ts";
import { HEADER_BYTES_MIN } from "./headers-bound.ts";
import { BATCH, BATCH_HEADER_BYTES, putU32, putU64 } from "./layout.ts";

/**
 * Cuts a batch to a range of its entries, without decoding a value. Stream, epoch, codec and times
 * are kept. Pure; the result is a copy.
 *
 * @param range first and last seq to keep, both inside the batch
 * @returns the bytes of the smaller batch; the batch's own where nothing is cut
 * @throws TypeError for a range that is empty or not inside the batch
 */
export function sliceBatch(
  batch: Batch,
  range: { readonly seqFirst: number; readonly seqLast: number },
): Buffer {
  return cutBatch(batch, range).bytes;
}

/**
 * Like {@link sliceBatch}, for callers that cut one piece after another: continuing at the end of
 * the previous piece costs time proportional to the piece, not to the batch.
 *
 * @param from end of an entry before the range; default: the batch is read from its start
 * @returns the bytes, and the end of the range; null where the batch was not read
 */
export function cutBatch(
  batch: Batch,
  range: { readonly seqFirst: number; readonly seqLast: number },
  from?: EntryEnd,
): { readonly bytes: Buffer; readonly end: EntryEnd | null } {
  const { seqFirst, seqLast } = range;
  if (!(seqFirst >= batch.seqFirst && seqLast <= batch.seqLast && seqFirst <= seqLast)) {
    const whole = `${batch.seqFirst} to ${batch.seqLast}`;
    throw expected("slice of a batch", `inside ${whole}`, `${seqFirst} to ${seqLast}`);
  }
  if (seqFirst === batch.seqFirst && seqLast === batch.seqLast) {
    return { bytes: batch.bytes, end: null };
  }
  const cursor = new EntryCursor(
    batch,
    from !== undefined && from.seq < seqFirst ? from : undefined,
  );
  let start = cursor.end;
  while (cursor.next() && cursor.seq < seqFirst) start = cursor.end;
  while (cursor.seq < seqLast) cursor.next();
  const body = batch.bytes.subarray(start, cursor.end);
  const bytes = assemble(batch, [body], { seqFirst, count: seqLast - seqFirst + 1 });
  return { bytes, end: { seq: seqLast, end: cursor.end } };
}

/**
 * Joins consecutive batches into one, without decoding a value. Pure; the result is a copy.
 *
 * @param batches of one stream, epoch and codec, each starting where the previous one ends
 * @returns the bytes of one batch, with the time of the first and the durable-before mark of the
 *   last
 * @throws TypeError when they are not consecutive
 */
export function mergeBatches(batches: readonly Batch[]): Buffer {
  const first = batches[0];
  const last = batches.at(-1);
  if (first === undefined || last === undefined) throw expected("batches", "at least one", batches);
  let seqNext = first.seqFirst;
  for (const batch of batches) {
    const same =
      batch.stream === first.stream && batch.epoch === first.epoch && batch.codec === first.codec;
    if (!same || batch.seqFirst !== seqNext) {
      throw expected("batches to merge", `of one stream and start at ${seqNext}`, batch.seqFirst);
    }
    seqNext = batch.seqLast + 1;
  }
  const bodies = batches.map((batch) => batch.bytes.subarray(BATCH_HEADER_BYTES));
  const merged = assemble(first, bodies, {
    seqFirst: first.seqFirst,
    count: seqNext - first.seqFirst,
  });
  putU64(merged, BATCH.durableBefore, last.durableBefore);
  putU32(merged, BATCH.checksum, crc32(merged.subarray(BATCH.bytes)));
  return merged;
}

/**
 * Divides the messages of a batch so that each part has at most `countMax` headers, or is a single
 * message. Decodes nothing: headers count as many as their bytes could hold.
 *
 * @param batch has passed `checkBatch`
 * @returns ranges of seqs, in order
 */
export function partsByHeaders(
  batch: Batch,
  countMax: number,
): { readonly first: number; readonly last: number }[] {
  const bytesMax = countMax * HEADER_BYTES_MIN;
  const last = batch.seqLast;
  let first = batch.seqFirst;
  if (batch.bytes.length <= bytesMax) return [{ first, last }];
  const parts: { first: number; last: number }[] = [];
  let bytes = 0;
  const cursor = batch.cursor();
  while (cursor.next()) {
    const own = cursor.valueStart - cursor.start;
    if (bytes + own > bytesMax && cursor.seq > first) {
      parts.push({ first, last: cursor.seq - 1 });
      first = cursor.seq;
      bytes = 0;
    }
    bytes += own;
  }
  parts.push({ first, last });
  return parts;
}

function assemble(
  model: Batch,
  bodies: readonly Uint8Array[],
  place: { readonly seqFirst: number; readonly count: number },
): Buffer {
  const bytes = Buffer.concat([model.bytes.subarray(0, BATCH_HEADER_BYTES), ...bodies]);
  putU32(bytes, BATCH.bytes, bytes.length);
  putU64(bytes, BATCH.seqFirst, place.seqFirst);
  putU32(bytes, BATCH.count, place.count);
  putU32(bytes, BATCH.checksum, crc32(bytes.subarray(BATCH.bytes)));
  return bytes;
}
