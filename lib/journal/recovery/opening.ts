import { BrokerlessError, type Damage } from "../../errors.ts";
import { type Disk, readWhole } from "../disk/disk.ts";
import { CHECKPOINT_NAME, MARK_NAME, segmentName } from "../disk/file-names.ts";
import { type Checkpoint, decodeCheckpoint } from "../format/checkpoint.ts";
import { decodeMark, type Mark } from "../format/durable-mark.ts";
import { SEGMENT_HEADER_BYTES, type SegmentHeader, segmentSeed } from "../format/segment-header.ts";
import { ValueTable } from "../format/values.ts";
import { readSeqFirst } from "../holds.ts";
import type { VerifyReport } from "../journal.ts";
import { readHeaders } from "../segment/segment-list.ts";
import type { ScanResult } from "../segment/segment-scan.ts";
import { judgeSegment } from "./judge-segment.ts";
import { type Found, knownBefore } from "./scan-log.ts";

/** The reason why an owner's open refuses a log. */
export type Refusal = Damage & { readonly reason: string };

/** This many attempts with different results mean that an owner is changing the log (count). */
const LOOKS_MAX = 100;

/** Location of a log, and the current boot of the machine. */
export interface OpeningPlace {
  readonly disk: Disk;
  readonly directory: string;
  readonly bootId: string;
}

/**
 * Finds faults that an owner's open would refuse in addition to damage in stored entries: missing
 * segments at either end, and a newest segment that ends before its durable mark. Changes nothing.
 *
 * An owner may start and free segments meanwhile: a fault that occurs twice in the same way is
 * real.
 */
export async function openingRefusal(place: OpeningPlace): Promise<Refusal | null> {
  let before = "";
  for (let looks = 1; looks <= LOOKS_MAX; looks++) {
    let text: string;
    try {
      const refusal = await look(place);
      text = JSON.stringify(refusal);
      if (refusal === null || text === before) return refusal;
    } catch (error) {
      text = (error as Error).message;
      if (text === before) return asRefusal(error);
    }
    before = text;
  }
  return null;
}

/** Adds the fault that an open would refuse to a report, unless it is in it already. */
export function withRefusal(report: VerifyReport, refusal: Refusal | null): VerifyReport {
  if (refusal === null || report.damage.some(({ file }) => file === refusal.file)) return report;
  return { ...report, ok: false, damage: [...report.damage, refusal] };
}

/** A mark or checkpoint must not refer to a missing segment. */
export function endsRefusal(
  headers: readonly SegmentHeader[],
  mark: Mark | null,
  checkpoint: Checkpoint | null,
): Refusal | null {
  const newest = headers.at(-1)?.number ?? 0;
  const known = Math.max(mark?.segment ?? 0, checkpoint?.segment ?? 0);
  if (known <= newest) return null;
  const reason = `the file is missing, and the log went on to ${segmentName(known)}`;
  const seqFirst = headers.at(-1)?.seqBase ?? 1;
  return { file: segmentName(newest + 1), offset: 0, seqFirst, seqLast: null, reason };
}

/** The oldest segment must reach back to the first seq that was not freed. */
export function firstRefusal(oldest: SegmentHeader, table: ValueTable): Refusal | null {
  const seqFirst = readSeqFirst(table);
  const { number, seqBase } = oldest;
  if (seqBase <= seqFirst) return null;
  const reason = "the file is missing";
  return { file: segmentName(number - 1), offset: 0, seqFirst, seqLast: seqBase - 1, reason };
}

/** The named values at the end of a segment, which starts with all of them. */
export function tableOf({ values }: Pick<ScanResult, "values">): ValueTable {
  const table = new ValueTable();
  for (const { all, changes } of values) {
    if (all) table.replace(changes);
    else table.apply(changes);
  }
  return table;
}

async function look({ disk, directory, bootId }: OpeningPlace): Promise<Refusal | null> {
  const names = await disk.list(directory);
  const read = (name: string) => readWhole(disk, `${directory}/${name}`);
  const mark = names.includes(MARK_NAME) ? decodeMark(await read(MARK_NAME)) : null;
  const checkpoint = names.includes(CHECKPOINT_NAME)
    ? decodeCheckpoint(await read(CHECKPOINT_NAME))
    : null;
  const headers = await readHeaders(disk, directory, names, "other");
  const [oldest, newest] = [headers[0], headers.at(-1)];
  const refusal = endsRefusal(headers, mark, checkpoint);
  if (refusal !== null || oldest === undefined || newest === undefined) return refusal;
  const bytes = await read(segmentName(newest.number));
  return judgeEnds(bytes, oldest, { headers, mark, checkpoint, bootId });
}

function judgeEnds(bytes: Buffer, oldest: SegmentHeader, found: Found): Refusal | null {
  const newest = found.headers.at(-1)!;
  const { stream, epoch, seqBase: seqNext } = newest;
  const state = { stream, epoch, seqNext, timeMs: 0 };
  const from = { offset: SEGMENT_HEADER_BYTES, seed: segmentSeed(newest), state };
  const verdict = judgeSegment(bytes, from, knownBefore(newest, null, found));
  if (verdict.kind === "corrupt") return { ...verdict.damage, reason: verdict.reason };
  return firstRefusal(oldest, tableOf(verdict.scan));
}

function asRefusal(error: unknown): Refusal {
  if (!(error instanceof BrokerlessError) || error.damage === null) throw error;
  return { ...error.damage, reason: error.message };
}
