import type { Job } from "../job.ts";
import { readRecords } from "../records.ts";

/**
 * Records that are sent, processed and counted together: the chunk is the unit of exactly-once processing.
 *
 * Its number is its place in the file, from 1, the same whenever it is read: the idempotency key.
 */
export interface Chunk<Item> {
  readonly chunk: number;
  readonly records: readonly Item[];
  /** Whether the first worker that gets it is killed. */
  readonly isFatal: boolean;
}

/** The result of a worker for a chunk. */
export interface ChunkResult<Part> {
  readonly chunk: number;
  /** Records in the chunk (count). */
  readonly count: number;
  readonly part: Part;
}

/** The end of the stream, from the source. */
export interface LastChunk {
  readonly chunks: number;
}

/** Limits of a chunk: its records (count) and, approximately, its bytes in the file. */
const RECORDS_MAX = 250;
const BYTES_MAX = 2 ** 18;

/** A chunk as it was read, and where it ends in the file. */
export interface ReadChunk<Item> {
  readonly chunk: number;
  readonly records: readonly Item[];
  /** Records up to the end of this chunk (count). */
  readonly recordsRead: number;
  readonly bytesRead: number;
  readonly isLast: boolean;
}

/**
 * The chunks of a file. Their limits depend on the file alone: reading it again gives the same chunks.
 *
 * @throws RecordFault as `readRecords`
 */
export async function* readChunks<Item, Part>(
  path: string,
  job: Job<Item, Part>,
): AsyncGenerator<ReadChunk<Item>> {
  let chunk = 0;
  let recordsRead = 0;
  let bytesRead = 0;
  let records: Item[] = [];
  let bytes = 0;
  let full: Omit<ReadChunk<Item>, "isLast"> | null = null;
  const take = () => {
    const taken = { chunk: ++chunk, records, recordsRead, bytesRead };
    records = [];
    bytes = 0;
    return taken;
  };
  const onRead = (latest: number) => {
    bytesRead = latest;
  };
  const onRecord = (length: number) => {
    bytes += length;
  };
  for await (const record of readRecords(path, { check: job.check, onRead, onRecord })) {
    if (full !== null) yield { ...full, isLast: false };
    full = null;
    records.push(record);
    recordsRead++;
    if (records.length >= RECORDS_MAX || bytes >= BYTES_MAX) full = take();
  }
  if (records.length > 0) full = take();
  if (full !== null) yield { ...full, isLast: true };
}
