import { crc32 } from "node:zlib";
import { Entry, entryIsSound } from "./entry.ts";
import {
  BATCH,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  BATCH_VERSION,
  ENTRY_BYTES_MAX,
  ENTRY_WORD_BYTES,
  getU16,
  getU32,
  getU64,
} from "./layout.ts";

/** Why bytes are not a valid batch, as text for people; `null` when they are valid. */
export type BatchFault = string | null;

/**
 * Checks a whole batch: lengths, version, checksum, and that the entries fill it exactly.
 *
 * Pure; its allocations do not depend on the bytes; time is proportional to their length.
 *
 * @param bytes exactly one batch
 */
export function checkBatch(bytes: Uint8Array): BatchFault {
  return checkBatchHeader(bytes, bytes.length) ?? checkBatchChecksum(bytes) ?? checkEntries(bytes);
}

/**
 * Checks the checksum alone: enough for bytes that this program wrote, whose entries are known to
 * be valid.
 */
export function checkBatchChecksum(bytes: Uint8Array): BatchFault {
  if (crc32(bytes.subarray(BATCH.bytes)) === getU32(bytes, BATCH.checksum)) return null;
  return "its checksum does not match";
}

/**
 * Checks the header fields alone.
 *
 * @param bytesThere actual length of the batch (bytes)
 */
export function checkBatchHeader(bytes: Uint8Array, bytesThere: number): BatchFault {
  if (bytesThere < BATCH_HEADER_BYTES + ENTRY_WORD_BYTES) return "it is shorter than a batch";
  if (getU16(bytes, BATCH.magic) !== BATCH_MAGIC) return "it does not start like a batch";
  const version = bytes[BATCH.version]!;
  if (version !== BATCH_VERSION) {
    return `it has version ${version}, and this program reads version ${BATCH_VERSION}`;
  }
  if (bytes[BATCH.flags] !== 0) return `it has unknown flags ${bytes[BATCH.flags]}`;
  if (getU32(bytes, BATCH.codec) > 0xff) return "its reserved bytes are not zero";
  if (getU32(bytes, BATCH.bytes) !== bytesThere) return "its length does not match";
  if (getU32(bytes, BATCH.epoch) === 0) return "its epoch is zero";
  const count = getU32(bytes, BATCH.count);
  const seqFirst = getU64(bytes, BATCH.seqFirst);
  // Not the sum, which is rounded above 2^53.
  if (seqFirst === 0 || seqFirst > Number.MAX_SAFE_INTEGER + 1 - count) return "its seq is wrong";
  if (count === 0 || count > (bytesThere - BATCH_HEADER_BYTES) / ENTRY_WORD_BYTES) {
    return "its count of entries is wrong";
  }
  return null;
}

function checkEntries(bytes: Uint8Array): BatchFault {
  const count = getU32(bytes, BATCH.count);
  let at = BATCH_HEADER_BYTES;
  for (let index = 0; index < count; index++) {
    const start = at + ENTRY_WORD_BYTES;
    if (start > bytes.length) return `entry ${index} starts after the end of the batch`;
    const word = getU32(bytes, at);
    at = start + (word & ENTRY_BYTES_MAX);
    if (at > bytes.length) return `entry ${index} ends after the end of the batch`;
    if (!entryIsSound(bytes, start, at, word >>> 28)) return `entry ${index} is malformed`;
  }
  return at === bytes.length ? null : "bytes follow its last entry";
}

let nextNumber = 1;

/**
 * A read-only view of an encoded batch. Its bytes must have passed `checkBatch` or come from this
 * process.
 *
 * @example
 * ```ts
 * for await (const batch of journal.read().batches()) {
 *   for (const { seq, value } of batch) console.log(seq, value.length);
 * }
 * ```
 *
 * @see docs/wire-format.md for the byte layout
 */
export class Batch implements Iterable<Entry> {
  /** The whole batch, as it is stored and sent. */
  readonly bytes: Buffer;
  /** The seq of its first entry. */
  readonly seqFirst: number;
  /** Entries in it (count). */
  readonly count: number;
  /** Number of this view, unique within the thread. */
  readonly number: number = nextNumber++;

  /** @param bytes exactly one batch; they must not change while the view is used */
  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.seqFirst = getU64(bytes, BATCH.seqFirst);
    this.count = getU32(bytes, BATCH.count);
  }

  /** The seq of its last entry. */
  get seqLast(): number {
    return this.seqFirst + this.count - 1;
  }

  /** The epoch of the stream in which it was written. */
  get epoch(): number {
    return getU32(this.bytes, BATCH.epoch);
  }

  /** The number of the codec of its values. */
  get codec(): number {
    return this.bytes[BATCH.codec]!;
  }

  /** When the batch was sealed (ms since 1970). */
  get timeMs(): number {
    return getU64(this.bytes, BATCH.timeMs);
  }

  /** Every seq up to this one was durable at the writer when the batch was sealed; 0 for none. */
  get durableBefore(): number {
    return getU64(this.bytes, BATCH.durableBefore);
  }

  /** The stream id, 32 hex digits. */
  get stream(): string {
    return this.bytes.toString("hex", BATCH.stream, BATCH.stream + 16);
  }

  /**
   * A cursor before the first entry: the fast way to read, which allocates no object for each
   * entry.
   */
  cursor(): EntryCursor {
    return new EntryCursor(this);
  }

  /** Its entries, in order. */
  [Symbol.iterator](): Iterator<Entry> {
    const { bytes, count } = this;
    let seq = this.seqFirst;
    const end = seq + count;
    let at = BATCH_HEADER_BYTES;
    return {
      next(): IteratorResult<Entry> {
        if (seq === end) return { done: true, value: undefined };
        const entry = new Entry(bytes, at + ENTRY_WORD_BYTES, seq++);
        at += ENTRY_WORD_BYTES + (getU32(bytes, at) & ENTRY_BYTES_MAX);
        return { done: false, value: entry };
      },
    };
  }
}

/** The end of an entry within a batch. */
export interface EntryEnd {
  /** Sequence number of the entry. */
  readonly seq: number;
  /** End of the entry (byte offset in the batch). */
  readonly end: number;
}

/**
 * Iterates over the entries of a batch without decoding and without allocating.
 *
 * Invariant: after `next()` returned true, the entry lies in `[start, end)` of `bytes`. Its value
 * is all of it where `flags` is 0.
 *
 * @example
 * ```ts
 * const cursor = batch.cursor();
 * while (cursor.next()) total += cursor.end - cursor.valueStart;
 * ```
 */
export class EntryCursor implements EntryEnd {
  /** The buffer that holds the entries. */
  readonly bytes: Buffer;
  /** The seq of the current entry. */
  seq: number;
  /** Start of the current entry, after its length word (byte offset). */
  start: number = BATCH_HEADER_BYTES;
  /** End of the current entry, where the length word of the next one starts (byte offset). */
  end: number = BATCH_HEADER_BYTES;
  /** Flags of the current entry: bits of `ENTRY_FLAG`. */
  flags = 0;
  readonly #seqLast: number;

  /** @param from end of an entry of this batch, to continue after it; default: the start */
  constructor(batch: Batch, from?: EntryEnd) {
    this.bytes = batch.bytes;
    this.seq = from?.seq ?? batch.seqFirst - 1;
    this.end = from?.end ?? BATCH_HEADER_BYTES;
    this.#seqLast = batch.seqLast;
  }

  /** Moves to the next entry. @returns false at the end */
  next(): boolean {
    if (this.seq === this.#seqLast) return false;
    const word = getU32(this.bytes, this.end);
    this.seq++;
    this.start = this.end + ENTRY_WORD_BYTES;
    this.end = this.start + (word & ENTRY_BYTES_MAX);
    this.flags = word >>> 28;
    return true;
  }

  /** Start of the entry's value, after its metadata (byte offset). */
  get valueStart(): number {
    return this.flags === 0 ? this.start : this.entry.valueAt;
  }

  /** The current entry, as a view of its own. */
  get entry(): Entry {
    return new Entry(this.bytes, this.start, this.seq);
  }
}
