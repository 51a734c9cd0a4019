import { Batch, checkBatch } from "../../batch/batch.ts";
import type { Damage } from "../../errors.ts";
import { readWhole } from "../disk/disk.ts";
import { RECORD_HEADER_BYTES } from "../format/record.ts";
import {
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  segmentSeed,
} from "../format/segment-header.ts";
import type { VerifyReport } from "../journal.ts";
import type { Segment } from "../segment/segment.ts";
import { isFreed, type LogView } from "../segment/segment-cursor.ts";
import { lookBeyond, readBody, type ScanState } from "../segment/segment-scan.ts";

type Found = Damage & { readonly reason: string };

/** Reads and checks every stored byte; continues after damage to find all of it. */
export async function verifyLog(view: LogView): Promise<VerifyReport> {
  const damage: Found[] = [];
  const sum = { batches: 0, entries: 0, bytes: 0 };
  let seqNext: number | null = null;
  for (const segment of [...view.segments]) {
    const { seqBase, number, hasGap } = segment.header;
    if (seqNext !== null && seqBase !== seqNext && !(hasGap && seqBase > seqNext)) {
      const seqLast = seqBase > seqNext ? seqBase - 1 : null;
      const reason = `segment ${number} starts at seq ${seqBase}, and ${seqNext} comes next`;
      damage.push({ file: segment.name, offset: 0, seqFirst: seqNext, seqLast, reason });
    }
    const result = await verifySegment(view, segment);
    if (result === null) {
      // It was freed meanwhile, and so were the segments before it.
      seqNext = null;
      continue;
    }
    damage.push(...result.damage);
    sum.batches += result.batches;
    sum.entries += result.entries;
    sum.bytes += result.bytes;
    const isWhole: boolean = result.damage.length === 0 || seqNext === null;
    seqNext = isWhole ? result.seqNext : Math.max(result.seqNext, seqNext ?? 0);
  }
  return { ok: damage.length === 0, ...sum, damage };
}

async function verifySegment(view: LogView, segment: Segment) {
  const { end, name, header } = segment;
  const found: Found[] = [];
  let state: ScanState = {
    stream: header.stream,
    epoch: header.epoch,
    seqNext: header.seqBase,
    timeMs: 0,
  };
  let batches = 0;
  let entries = 0;
  const fail = (offset: number, reason: string, seqLast: number | null) =>
    found.push({ file: name, offset, seqFirst: state.seqNext, seqLast, reason });
  let file: Buffer;
  try {
    file = await readWhole(view.disk, `${view.directory}/${name}`);
  } catch (error) {
    const isGone = (error as NodeJS.ErrnoException).code === "ENOENT";
    if (isGone && (await isFreed(view, segment))) return null;
    fail(0, (error as Error).message, null);
    return { damage: found, batches, entries, bytes: 0, seqNext: state.seqNext };
  }
  const bytes = file.subarray(0, end);
  const head = decodeSegmentHeader(bytes);
  if (head.kind !== "header") fail(0, head.reason, null);
  const seed = head.kind === "header" ? segmentSeed(head.header) : segment.seed;
  let at = SEGMENT_HEADER_BYTES;
  while (at < bytes.length) {
    const record = readBody(bytes, at, { seed, state });
    const reason = record.kind === "batch" ? checkBatch(record.batch.bytes) : null;
    if (record.kind !== "fault" && reason === null) {
      if (record.kind === "batch") {
        batches++;
        entries += record.batch.count;
        state = { ...state, seqNext: record.batch.seqLast + 1 };
      }
      at += RECORD_HEADER_BYTES + record.fields.bodyBytes;
      continue;
    }
    const beyond = lookBeyond(bytes, at, seed);
    const seqLast = beyond.seqNext === null ? null : beyond.seqNext - 1;
    fail(at, record.kind === "fault" ? record.reason : (reason ?? ""), seqLast);
    if (beyond.recordAt === null) break;
    at = beyond.recordAt;
    const next = nextSeq(bytes, at, { seed, state });
    if (next !== null) state = { ...state, seqNext: next };
  }
  if (bytes.length < end)
    fail(bytes.length, `the file has ${bytes.length} bytes, not ${end}`, null);
  return { damage: found, batches, entries, bytes: bytes.length, seqNext: state.seqNext };
}

/** The seq of the batch that follows a gap in the sequence. */
function nextSeq(
  bytes: Buffer,
  at: number,
  context: { readonly seed: number; readonly state: ScanState },
): number | null {
  const record = readBody(bytes, at, context);
  if (record.kind !== "fault") return null;
  const body = bytes.subarray(at + RECORD_HEADER_BYTES);
  if (body.length < 64) return null;
  const batch = new Batch(body);
  const retry = readBody(bytes, at, {
    seed: context.seed,
    state: { ...context.state, seqNext: batch.seqFirst },
  });
  return retry.kind === "batch" ? batch.seqFirst : null;
}
