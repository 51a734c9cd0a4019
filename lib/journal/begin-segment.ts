import { TEMPORARY_SUFFIX } from "./checkpoint.ts";
import { type DiskFile, writeAll } from "./disk.ts";
import { diskFailure, poisoned } from "./failure.ts";
import type { JournalPorts } from "./ports.ts";
import { RECORD_HEADER_BYTES, RECORD_TYPE, sealRecord } from "./record.ts";
import { Segment } from "./segment.ts";
import {
  encodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
  segmentSeed,
} from "./segment-header.ts";
import { encodeValues, type ValueTable } from "./values.ts";

/**
 * Makes a segment with its header and all named values, durable before it has its name.
 *
 * @throws BrokerlessError BROKERLESS_NO_SPACE with nothing changed
 */
export async function beginSegment(parts: {
  readonly ports: JournalPorts;
  readonly directory: string;
  /** Its `bornBytes` is filled in. */
  readonly header: SegmentHeader;
  readonly table: ValueTable;
}): Promise<{ readonly segment: Segment; readonly file: DiskFile }> {
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
    // What cannot be removed now has no name that counts; the next open removes it.
    await ports.disk.unlink(path + TEMPORARY_SUFFIX).catch(() => {});
    throw diskFailure(error, `begin ${segmentName(header.number)}`);
  }
  try {
    await file.sync();
    await ports.disk.rename(path + TEMPORARY_SUFFIX, path);
    await ports.disk.syncDirectory(directory);
  } catch (error) {
    await file.close().catch(() => {});
    throw poisoned(error, `begin ${segmentName(header.number)}`);
  }
  return { segment: new Segment(header, bornBytes), file };
}
