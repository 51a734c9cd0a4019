import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import {
  RECORD_HEADER_BYTES,
  RECORD_TYPE,
  readRecord,
  recordFault,
} from "../../lib/journal/format/record.ts";
import {
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  segmentSeed,
} from "../../lib/journal/format/segment-header.ts";

/** Makes all checksums match what is there: what damage looks like to who does not check. */
export function resealed(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 92)), 92);
  const seed = seedOf(bytes);
  for (const { at, bodyBytes } of recordsOf(bytes)) {
    const body = bytes.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + bodyBytes);
    body.writeUInt32LE(crc32(body.subarray(4)), 0);
    bytes.writeUInt32LE(crc32(bytes.subarray(at + 4, at + 24), seed), at);
  }
  return bytes;
}

/** Where the bodies of a segment's batches start (byte offsets). */
export function batchesOf(bytes: Buffer): number[] {
  return recordsOf(bytes)
    .filter(({ type }) => type === RECORD_TYPE.batch)
    .map(({ at }) => at + RECORD_HEADER_BYTES);
}

function recordsOf(bytes: Buffer): { at: number; bodyBytes: number; type: number }[] {
  const seed = seedOf(bytes);
  const records: { at: number; bodyBytes: number; type: number }[] = [];
  for (let at = SEGMENT_HEADER_BYTES; at < bytes.length && bytes[at + 8] !== 0; ) {
    const fault = recordFault(bytes, { at, offset: at, bytesThere: bytes.length - at, seed });
    // A body that was changed does not match its own checksum, which the envelope covers.
    assert.equal(fault, null, `at ${at}`);
    const { bodyBytes, type } = readRecord(bytes, at);
    records.push({ at, bodyBytes, type });
    at += RECORD_HEADER_BYTES + bodyBytes;
  }
  return records;
}

function seedOf(bytes: Buffer): number {
  const head = decodeSegmentHeader(bytes);
  assert.equal(head.kind, "header");
  return head.kind === "header" ? segmentSeed(head.header) : 0;
}
