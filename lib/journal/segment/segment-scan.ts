import { Batch, checkBatchChecksum, checkBatchHeader } from "../../batch/batch.ts";
import { BATCH_HEADER_BYTES } from "../../batch/layout.ts";
import {
  RECORD_HEADER_BYTES,
  RECORD_TYPE,
  type RecordFields,
  readRecord,
  recordFault,
} from "../format/record.ts";
import { type DecodedValues, decodeValues } from "../format/values.ts";

/** State that the next records must continue: `seq`, epoch and time. */
export interface ScanState {
  readonly stream: string;
  readonly epoch: number;
  readonly seqNext: number;
  /** Time of the newest batch so far (ms since 1970). */
  readonly timeMs: number;
}

/** Position of a batch in a segment, as an index keeps it for some batches. */
export interface IndexPoint {
  readonly seq: number;
  readonly timeMs: number;
  readonly offset: number;
}

/** Why a scan stopped before the end. */
export interface ScanFault {
  /** First untrusted byte (byte offset in the segment). */
  readonly offset: number;
  readonly reason: string;
}

/** Result of a scan. */
export interface ScanResult {
  /** End of the last whole unit (byte offset in the segment). */
  readonly end: number;
  readonly state: ScanState;
  /** Values records of whole units, in order. */
  readonly values: readonly DecodedValues[];
  readonly index: readonly IndexPoint[];
  readonly fault: ScanFault | null;
}

/**
 * Distance between two points of an index: the most that a read by seq may have to skip (bytes).
 */
export const INDEX_STRIDE_BYTES: number = 256 * 1024;

/** Start of a scan, and the identity of the segment. */
export interface ScanFrom {
  readonly offset: number;
  readonly seed: number;
  readonly state: ScanState;
}

/**
 * Iterates over a segment's records and returns how far they are whole: checksums, positions, seq,
 * epoch.
 *
 * Pure; reads each byte once. A unit counts only when all its records are present.
 *
 * @param bytes the whole segment
 */
export function scanSegment(bytes: Buffer, from: ScanFrom): ScanResult {
  const values: DecodedValues[] = [];
  const index: IndexPoint[] = [];
  let unitValues: DecodedValues[] = [];
  let end = from.offset;
  let state = from.state;
  let unitState = state;
  let at = from.offset;
  let indexedAt = Number.NEGATIVE_INFINITY;
  let fault: ScanFault | null = null;
  while (at < bytes.length) {
    const record = readBody(bytes, at, { seed: from.seed, state: unitState });
    if (record.kind === "fault") {
      fault = { offset: at, reason: record.reason };
      break;
    }
    if (record.kind === "batch") {
      const { batch } = record;
      unitState = { ...unitState, seqNext: batch.seqLast + 1, timeMs: batch.timeMs };
      if (at - indexedAt >= INDEX_STRIDE_BYTES) {
        index.push({ seq: batch.seqFirst, timeMs: batch.timeMs, offset: at });
        indexedAt = at;
      }
    } else unitValues.push(record.values);
    at += RECORD_HEADER_BYTES + record.fields.bodyBytes;
    if (record.fields.joined) continue;
    end = at;
    state = unitState;
    values.push(...unitValues);
    unitValues = [];
  }
  if (fault === null && at !== end)
    fault = { offset: at, reason: "a unit's last record is missing" };
  return { end, state, values, index, fault };
}

/** One parsed record. */
export type ScannedRecord =
  | { readonly kind: "batch"; readonly fields: RecordFields; readonly batch: Batch }
  | { readonly kind: "values"; readonly fields: RecordFields; readonly values: DecodedValues }
  | { readonly kind: "fault"; readonly reason: string };

/** Reads and checks the record at `at`, body included. Pure. */
export function readBody(
  bytes: Buffer,
  at: number,
  context: { readonly seed: number; readonly state: ScanState },
): ScannedRecord {
  const bytesThere = bytes.length - at;
  const reason = recordFault(bytes, { at, offset: at, bytesThere, seed: context.seed });
  if (reason !== null) return { kind: "fault", reason };
  const fields = readRecord(bytes, at);
  const start = at + RECORD_HEADER_BYTES;
  const body = bytes.subarray(start, start + fields.bodyBytes);
  if (fields.type === RECORD_TYPE.values) {
    const values = decodeValues(body);
    if (values === null) return { kind: "fault", reason: "a values record is damaged" };
    return { kind: "values", fields, values };
  }
  const fault = batchFault(body, context.state);
  if (fault !== null) return { kind: "fault", reason: `a batch is damaged: ${fault}` };
  return { kind: "batch", fields, batch: new Batch(body) };
}

/** Why a batch is not the expected next one, or `null`. */
export function batchFault(body: Buffer, state: ScanState): string | null {
  if (body.length < BATCH_HEADER_BYTES) return "it is shorter than a batch";
  const fault = checkBatchHeader(body, body.length) ?? checkBatchChecksum(body);
  if (fault !== null) return fault;
  const batch = new Batch(body);
  if (batch.stream !== state.stream) return `it is of stream ${batch.stream}`;
  if (batch.epoch !== state.epoch) return `it is of epoch ${batch.epoch}, not ${state.epoch}`;
  if (batch.seqFirst !== state.seqNext) {
    return `it starts at seq ${batch.seqFirst}, and ${state.seqNext} comes next`;
  }
  return null;
}

/** Whole records and data after a fault. */
export interface Beyond {
  /** Highest durable mark in a whole record after the fault; 0 for none (byte offset). */
  readonly durableOffset: number;
  /** First seq of the first whole batch after the fault; `null` for none. */
  readonly seqNext: number | null;
  /** Start of the first whole record after the fault; `null` for none (byte offset). */
  readonly recordAt: number | null;
  /** End of the last byte that is not zero; the fault itself where all are zero (byte offset). */
  readonly dataEnd: number;
}

/**
 * Searches for whole records after a fault: their durable marks distinguish damage from a torn
 * tail.
 *
 * Pure. Thanks to a record's offset field, a wrong position costs one comparison.
 */
export function lookBeyond(bytes: Buffer, faultAt: number, seed: number): Beyond {
  let durableOffset = 0;
  let seqNext: number | null = null;
  let recordAt: number | null = null;
  let dataEnd = bytes.length;
  while (dataEnd > faultAt && bytes[dataEnd - 1] === 0) dataEnd--;
  let at = faultAt + 1;
  while (at + RECORD_HEADER_BYTES + 4 <= dataEnd) {
    const place = { at, offset: at, bytesThere: bytes.length - at, seed };
    if (recordFault(bytes, place) !== null) {
      at++;
      continue;
    }
    const fields = readRecord(bytes, at);
    recordAt ??= at;
    durableOffset = Math.max(durableOffset, fields.durableOffset);
    const start = at + RECORD_HEADER_BYTES;
    const body = bytes.subarray(start, start + fields.bodyBytes);
    const isBatch =
      fields.type === RECORD_TYPE.batch && checkBatchHeader(body, body.length) === null;
    const whole = isBatch && checkBatchChecksum(body) === null;
    if (whole && seqNext === null) seqNext = new Batch(body).seqFirst;
    // An envelope may be whole and its body damaged: then another record may start inside.
    at = whole ? start + fields.bodyBytes : at + 1;
  }
  return { durableOffset, seqNext, recordAt, dataEnd };
}
