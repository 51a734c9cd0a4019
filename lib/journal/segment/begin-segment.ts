import { type DiskFile, writeAll } from "../disk/disk.ts";
import { diskFailure, isOutOfDescriptors, lackOrPoisoned, poisoned } from "../disk/disk-errors.ts";
import { segmentName, TEMPORARY_SUFFIX } from "../disk/file-names.ts";
import type { JournalPorts } from "../disk/ports.ts";
import { RECORD_HEADER_BYTES, RECORD_TYPE, sealRecord } from "../format/record.ts";
import {
  encodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentSeed,
} from "../format/segment-header.ts";
import { encodeValues, type ValueTable } from "../format/values.ts";
import { Segment } from "./segment.ts";

/** Contents of a new segment. */
export interface SegmentParts {
  readonly ports: JournalPorts;
  readonly directory: string;
  /** `bornBytes` is filled in here. */
  readonly header: SegmentHeader;
  readonly table: ValueTable;
}

/** A segment that has its name, open for writing. */
export interface BegunSegment {
  readonly segment: Segment;
  readonly file: DiskFile;
}

/**
 * Creates a segment with its header and all named values. Its contents are durable before it gets
 * its name; then the name is made durable, too.
 *
 * @throws BrokerlessError BROKERLESS_NO_SPACE: the segment may exist then, but holds no entries,
 *   and the next open continues from it
 */
export async function beginSegment(parts: SegmentParts): Promise<BegunSegment> {
  const begun = await nameSegment(parts);
  try {
    await settleName(parts, begun);
    return begun;
  } catch (error) {
    await begun.file.close().catch(() => {});
    throw error;
  }
}

/**
 * Like {@link beginSegment}, but the name becomes durable only with {@link settleName}. Until then
 * nothing may be written to the previous segment, whose length the new one records.
 *
 * @throws BrokerlessError BROKERLESS_NO_SPACE with nothing changed
 */
export async function nameSegment(parts: SegmentParts): Promise<BegunSegment> {
  const { ports, directory } = parts;
  const values = encodeValues(parts.table.entries(), true);
  const bornBytes = SEGMENT_HEADER_BYTES + values.length;
  const header: SegmentHeader = { ...parts.header, bornBytes };
  const offset = SEGMENT_HEADER_BYTES;
  const bodyBytes = values.length - RECORD_HEADER_BYTES;
  const fields = { bodyBytes, type: RECORD_TYPE.values, joined: false, offset, durableOffset: 0 };
  sealRecord(values, 0, fields, segmentSeed(header));
  const path = `${directory}/${segmentName(header.number)}`;
  let file: DiskFile | null = null;
  try {
    file = await ports.disk.open(path + TEMPORARY_SUFFIX, "create");
    await writeAll(file, [encodeSegmentHeader(header), values], 0);
  } catch (error) {
    await file?.close().catch(() => {});
    // If it cannot be removed now, its temporary name is ignored, and the next open removes it.
    await ports.disk.unlink(path + TEMPORARY_SUFFIX).catch(() => {});
    throw diskFailure(error, `begin ${segmentName(header.number)}`);
  }
  try {
    await file.sync();
    await ports.disk.rename(path + TEMPORARY_SUFFIX, path);
  } catch (error) {
    await file.close().catch(() => {});
    const what = `begin ${segmentName(header.number)}`;
    if (!isOutOfDescriptors(error)) throw poisoned(error, what);
    // The next attempt writes it again, because the state after a failed sync is unknown.
    await ports.disk.unlink(path + TEMPORARY_SUFFIX).catch(() => {});
    throw diskFailure(error, what);
  }
  return { segment: new Segment(header, bornBytes), file };
}

/**
 * Makes a segment's name durable; after a lack of descriptors it can be repeated.
 *
 * @throws BrokerlessError BROKERLESS_NO_SPACE where the directory cannot be opened for lack of a
 *   descriptor: the name exists, and may be gone after a power cut
 */
export async function settleName(
  { ports, directory }: Pick<SegmentParts, "ports" | "directory">,
  { segment }: BegunSegment,
): Promise<void> {
  try {
    await ports.disk.syncDirectory(directory);
  } catch (error) {
    throw lackOrPoisoned(error, `begin ${segment.name}`);
  }
}

/**
 * @param next its epoch, and the seq of its first entry
 * @returns the header of the segment that follows `newest`, without its `bornBytes`
 */
export function nextHeader(
  { header, end }: Segment,
  next: { readonly epoch: number; readonly seqBase: number; readonly ports: JournalPorts },
): SegmentHeader {
  const { epoch, seqBase, ports } = next;
  return {
    number: header.number + 1,
    hasGap: false,
    stream: header.stream,
    salt: ports.randomHex(16),
    epoch,
    bornBytes: 0,
    seqBase,
    previousBytes: end,
    epochSeqFirst: epoch === header.epoch ? header.epochSeqFirst : seqBase,
    createdAtMs: ports.now(),
  };
}
