import { BrokerlessError } from "../../errors.ts";
import { type Disk, readAll } from "../disk/disk.ts";
import { corruptError } from "../disk/disk-errors.ts";
import { segmentName, segmentNumber } from "../disk/file-names.ts";
import {
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
} from "../format/segment-header.ts";

/**
 * Reads the headers of a directory's segments and checks that they form one sequence: consecutive
 * numbers, one stream, epochs that do not decrease, and each segment as long as the next one
 * records.
 *
 * @param owner `"other"`: another process writes meanwhile, and frees segments from the oldest on
 * @throws BrokerlessError BROKERLESS_CORRUPT, BROKERLESS_VERSION
 */
export async function readHeaders(
  disk: Disk,
  directory: string,
  names: readonly string[],
  owner: "self" | "other" = "self",
): Promise<SegmentHeader[]> {
  const numbers = names
    .map(segmentNumber)
    .filter((number) => number !== null)
    .sort((a, b) => a - b);
  const headers: SegmentHeader[] = [];
  let previousBytes = 0;
  for (const number of numbers) {
    const previous = headers.at(-1);
    const seqFirst = previous?.seqBase ?? 1;
    if (previous !== undefined && number !== previous.number + 1) {
      const damage = { file: segmentName(previous.number + 1), offset: 0, seqFirst, seqLast: null };
      throw corruptError(damage, "the file is missing");
    }
    let found: { readonly header: SegmentHeader; readonly bytes: number };
    try {
      found = await readHeader(disk, directory, number, seqFirst);
    } catch (error) {
      if (owner === "self" || (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      // The earlier ones were freed, too.
      headers.length = 0;
      continue;
    }
    const { header, bytes } = found;
    const fault = previous === undefined ? null : orderFault(previous, header);
    if (previous !== undefined && header.previousBytes !== previousBytes) {
      const damage = { file: segmentName(previous.number), offset: previousBytes, seqFirst };
      const reason = `the file has ${previousBytes} bytes, and was sealed at ${header.previousBytes}`;
      throw corruptError({ ...damage, seqLast: null }, reason);
    }
    previousBytes = bytes;
    if (fault !== null) {
      throw corruptError({ file: segmentName(number), offset: 0, seqFirst, seqLast: null }, fault);
    }
    headers.push(header);
  }
  return headers;
}

async function readHeader(
  disk: Disk,
  directory: string,
  number: number,
  seqFirst: number,
): Promise<{ readonly header: SegmentHeader; readonly bytes: number }> {
  const name = segmentName(number);
  const file = await disk.open(`${directory}/${name}`, "read");
  try {
    const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
    const result = decodeSegmentHeader(bytes.subarray(0, await readAll(file, bytes, 0)));
    if (result.kind === "version") {
      const message = `${directory}/${name} was not written by this version of brokerless: ${result.reason}. Nothing was changed; open it with the newer version`;
      throw new BrokerlessError("BROKERLESS_VERSION", message);
    }
    const damage = { file: name, offset: 0, seqFirst, seqLast: null };
    if (result.kind === "damaged") throw corruptError(damage, result.reason);
    if (result.header.number === number) return { header: result.header, bytes: await file.size() };
    throw corruptError(damage, `its header is that of segment ${result.header.number}`);
  } finally {
    await file.close();
  }
}

function orderFault(previous: SegmentHeader, header: SegmentHeader): string | null {
  if (header.stream !== previous.stream) return "it belongs to another stream";
  if (header.epoch < previous.epoch) return "its epoch is lower than the one before";
  if (header.seqBase < previous.seqBase) return "its first seq is lower than the one before";
  return null;
}
