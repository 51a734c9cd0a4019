import { Batch } from "../../batch/batch.ts";
import { BATCH_HEADER_BYTES } from "../../batch/layout.ts";
import { BrokerlessError } from "../../errors.ts";
import { type Disk, type DiskFile, readAll } from "../disk/disk.ts";
import { corruptError, diskFailure } from "../disk/disk-errors.ts";
import { RECORD_HEADER_BYTES, RECORD_TYPE, readRecord, recordFault } from "../format/record.ts";
import { SEGMENT_HEADER_BYTES } from "../format/segment-header.ts";
import type { BatchCursor } from "../reader.ts";
import { gap } from "../reader.ts";
import type { Segment } from "./segment.ts";
import { batchFault } from "./segment-scan.ts";

/** A cursor's view of a log that another process may be writing. */
export interface LogView {
  readonly disk: Disk;
  readonly directory: string;
  readonly seqFirst: number;
  /** Current segments in order; `end` of each is the limit for reads. */
  readonly segments: readonly Segment[];
  /** Whether the owner has freed a segment since; absent in the owner itself. */
  wasFreed?(segment: Segment): Promise<boolean>;
}

/**
 * Whether a segment with a missing file was freed, rather than lost: freed files are removed one by
 * one from the oldest on, before they leave the list.
 */
export async function isFreed(view: LogView, segment: Segment): Promise<boolean> {
  const { segments, seqFirst } = view;
  const next = segments[segments.indexOf(segment) + 1];
  if (!segments.includes(segment)) return true;
  if (next !== undefined && next.header.seqBase <= seqFirst) return true;
  return (await view.wasFreed?.(segment)) ?? false;
}

/** Length of one read, unless a batch is longer (bytes). */
const CHUNK_BYTES = 2 ** 20;
const PEEK_BYTES = RECORD_HEADER_BYTES + 4;

/**
 * Iterates over the batches of a log from segment to segment, one chunk per system call, and checks
 * each: checksums, position, seq. It stops at the last stored batch and continues from there when
 * called again.
 *
 * A chunk is never read into again: the views that were handed out stay valid.
 */
export class SegmentCursor implements BatchCursor {
  readonly #view: LogView;
  #seqNext: number;
  #segment: Segment | null = null;
  /** The segment that was opened last, or could not be. */
  #tried: Segment | null = null;
  #file: DiskFile | null = null;
  #offset = 0;
  #chunk: Buffer = Buffer.alloc(0);
  #chunkOffset = 0;

  /** @param seq the first wanted entry; the first batch may start before it */
  constructor(view: LogView, seq: number) {
    this.#view = view;
    this.#seqNext = seq;
  }

  async next(): Promise<Batch | null> {
    if (this.#segment === null && !(await this.#openAt(this.#seqNext))) return null;
    for (;;) {
      const segment = this.#segment!;
      if (this.#offset >= segment.end) {
        if (!(await this.#openNext())) return null;
        continue;
      }
      const body = await this.#record(segment);
      if (body !== null) return this.#batch(segment, body);
    }
  }

  async seekReadable(): Promise<number | null> {
    const segment = this.#segment;
    if (segment !== null && (await this.#seek(segment))) return this.#seqNext;
    for (;;) {
      const next = this.#nextSegment();
      if (next === undefined) return null;
      this.#seqNext = next.header.seqBase;
      try {
        await this.#open(next);
        return this.#seqNext;
      } catch (error) {
        // This segment is unreadable too, so the search continues.
        if (!(error instanceof BrokerlessError) || error.code === "BROKERLESS_JOURNAL_FAILED") {
          throw error;
        }
      }
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    this.#segment = null;
    await file?.close();
  }

  /** @returns the body of the record at the offset where it is a batch; otherwise skips it */
  async #record(segment: Segment): Promise<Buffer | null> {
    const at = await this.#ensure(segment, PEEK_BYTES);
    const bytesThere = segment.end - this.#offset;
    const place = { at, offset: this.#offset, bytesThere, seed: segment.seed };
    const fault =
      this.#chunk.length - at < PEEK_BYTES ? "the file ends" : recordFault(this.#chunk, place);
    if (fault !== null) throw this.#corrupt(segment, fault);
    const { bodyBytes, type } = readRecord(this.#chunk, at);
    const start =
      (await this.#ensure(segment, RECORD_HEADER_BYTES + bodyBytes)) + RECORD_HEADER_BYTES;
    const body = this.#chunk.subarray(start, start + bodyBytes);
    if (body.length < bodyBytes) throw this.#corrupt(segment, "the file ends in a record");
    if (type !== RECORD_TYPE.batch) this.#offset += RECORD_HEADER_BYTES + bodyBytes;
    return type === RECORD_TYPE.batch ? body : null;
  }

  /**
   * Searches a segment after the offset for the next whole batch. @returns whether the offset is
   * now at one
   */
  async #seek(segment: Segment): Promise<boolean> {
    const { seed, end } = segment;
    this.#offset += 1;
    while (this.#offset + PEEK_BYTES <= end) {
      const start = await this.#ensure(segment, PEEK_BYTES);
      const stop = this.#chunk.length - PEEK_BYTES;
      if (stop < start) return false;
      let at = start;
      for (; at <= stop; at++) {
        const offset = this.#chunkOffset + at;
        if (recordFault(this.#chunk, { at, offset, bytesThere: end - offset, seed }) === null)
          break;
      }
      this.#offset = this.#chunkOffset + at;
      if (at > stop) {
        await new Promise((resolve) => setImmediate(resolve));
      } else if (await this.#isBatch(segment)) return true;
      else this.#offset += 1;
    }
    return false;
  }

  /** Whether a whole batch is at the offset; it is then the next one. */
  async #isBatch(segment: Segment): Promise<boolean> {
    const { stream, epoch } = segment.header;
    const place = this.#offset;
    const body = await this.#record(segment).catch(() => null);
    this.#offset = place;
    if (body === null || body.length < BATCH_HEADER_BYTES) return false;
    const { seqFirst } = new Batch(body);
    const fault = batchFault(body, { stream, epoch, seqNext: seqFirst, timeMs: 0 });
    if (fault !== null || seqFirst < this.#seqNext) return false;
    this.#seqNext = seqFirst;
    return true;
  }

  #batch(segment: Segment, body: Buffer): Batch {
    const { stream, epoch } = segment.header;
    const fault = batchFault(body, { stream, epoch, seqNext: this.#seqNext, timeMs: 0 });
    if (fault !== null) throw this.#corrupt(segment, `a batch is damaged: ${fault}`);
    const batch = new Batch(body);
    this.#offset += RECORD_HEADER_BYTES + body.length;
    this.#seqNext = batch.seqLast + 1;
    return batch;
  }

  /** Loads at least `count` bytes from the offset into the chunk. @returns their start */
  async #ensure(segment: Segment, count: number): Promise<number> {
    const at = this.#offset - this.#chunkOffset;
    if (at >= 0 && at + count <= this.#chunk.length) return at;
    const length = Math.min(Math.max(CHUNK_BYTES, count), segment.end - this.#offset);
    const chunk = Buffer.allocUnsafeSlow(length);
    try {
      const got = await readAll(this.#file!, chunk, this.#offset);
      this.#chunk = got === length ? chunk : chunk.subarray(0, got);
    } catch (error) {
      throw diskFailure(error, `read ${segment.name} at byte ${this.#offset}`);
    }
    this.#chunkOffset = this.#offset;
    return 0;
  }

  async #openAt(seq: number): Promise<boolean> {
    const { segments } = this.#view;
    const found = segments.findLast((segment) => segment.header.seqBase <= seq);
    if (found === undefined) throw gap(seq, this.#view.seqFirst);
    await this.#open(found);
    const point = found.pointBefore(seq);
    if (point !== null) this.#offset = point.offset;
    this.#seqNext = point?.seq ?? found.header.seqBase;
    return true;
  }

  async #openNext(): Promise<boolean> {
    const { number } = this.#segment!.header;
    const { segments } = this.#view;
    this.#tried = this.#segment;
    const next = segments.find((segment) => segment.header.number === number + 1);
    if (next === undefined) {
      const newest = segments.at(-1);
      if (newest !== undefined && newest.header.number > number) {
        throw gap(this.#seqNext, this.#view.seqFirst);
      }
      return false;
    }
    const { seqBase, hasGap } = next.header;
    if (hasGap && seqBase > this.#seqNext) throw lostByRepair(this.#seqNext, seqBase);
    if (this.#seqNext !== seqBase) {
      throw this.#corrupt(next, `it starts at seq ${seqBase}, not ${this.#seqNext}`);
    }
    await this.#open(next);
    return true;
  }

  /** The first segment after the one that was tried last. */
  #nextSegment(): Segment | undefined {
    const number = this.#tried?.header.number ?? 0;
    return this.#view.segments.find((segment) => segment.header.number > number);
  }

  async #open(segment: Segment): Promise<void> {
    this.#tried = segment;
    const { disk, directory } = this.#view;
    let file: DiskFile;
    try {
      file = await disk.open(`${directory}/${segment.name}`, "read");
    } catch (error) {
      const gone = (error as NodeJS.ErrnoException).code === "ENOENT";
      if (gone && (await isFreed(this.#view, segment)))
        throw gap(this.#seqNext, this.#view.seqFirst);
      if (gone) throw this.#corrupt(segment, "the file is missing", SEGMENT_HEADER_BYTES);
      throw diskFailure(error, `open ${segment.name}`);
    }
    await this.#file?.close();
    this.#file = file;
    this.#segment = segment;
    this.#offset = SEGMENT_HEADER_BYTES;
    this.#chunk = Buffer.alloc(0);
    this.#chunkOffset = 0;
  }

  #corrupt(segment: Segment, reason: string, offset: number = this.#offset): Error {
    const damage = { file: segment.name, offset, seqFirst: this.#seqNext, seqLast: null };
    return corruptError(damage, reason);
  }
}

function lostByRepair(seq: number, seqNext: number): BrokerlessError {
  const message = `entries ${seq} to ${seqNext - 1} were damaged, and a repair kept the others; read from ${seqNext} to go on`;
  return new BrokerlessError("BROKERLESS_GAP", message);
}
