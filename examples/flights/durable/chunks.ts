import type { Job } from "../job.ts";
import { readRecords } from "../records.ts";

/**
 * Records that travel, are worked on and are counted together: what is exactly once is the chunk.
 *
 * Its number is its place in the file, from 1, whoever reads it and however often: the idempotency key.
 */
export interface Chunk<Item> {
  readonly chunk: number;
  readonly records: readonly Item[];
  /** The worker that has it first is killed. */
  readonly isFatal: boolean;
}

/** What a worker makes of a chunk. */
export interface ChunkResult<Part> {
  readonly chunk: number;
  /** Records in the chunk (count). */
  readonly count: number;
  readonly part: Part;
}

/** The source has sent everything. */
export interface LastChunk {
  readonly chunks: number;
}

/** A chunk has no more records, and about no more of the file, than this. */
const RECORDS_MAX = 250;
const BYTES_MAX = 2 ** 18;

/** A chunk as it is read, and where in the file it ends. */
export interface ReadChunk<Item> {
  readonly chunk: number;
  readonly records: readonly Item[];
  /** Records up to here (count). */
  readonly recordsRead: number;
  readonly bytesRead: number;
  readonly isLast: boolean;
}

/**
 * The chunks of a file. Where they end depends on the file alone: who reads it again gets the same.
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
