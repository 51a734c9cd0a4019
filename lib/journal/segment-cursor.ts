import { Batch } from "../batch/batch.ts";
import { BrokerlessError } from "../errors.ts";
import { type Disk, type DiskFile, readAll } from "./disk.ts";
import { corruptError, diskFailure } from "./failure.ts";
import type { BatchCursor } from "./reader.ts";
import { gap } from "./reader.ts";
import { RECORD_HEADER_BYTES, RECORD_TYPE, readRecord, recordFault } from "./record.ts";
import type { Segment } from "./segment.ts";
import { SEGMENT_HEADER_BYTES } from "./segment-header.ts";
import { batchFault } from "./segment-scan.ts";

/** What a cursor has to know of a log that others may be writing. */
export interface LogView {
  readonly disk: Disk;
  readonly directory: string;
  readonly seqFirst: number;
  /** Segments in order, as they are now; `end` of each says how far it may be read. */
  readonly segments: readonly Segment[];
}

/** One read takes this much, unless a batch is larger (bytes). */
const CHUNK_BYTES = 2 ** 20;
const PEEK_BYTES = RECORD_HEADER_BYTES + 4;

/**
 * Walks the batches of a log from segment to segment, a chunk per system call, and checks each:
 * checksums, place, seq. It stops at what is stored and goes on from there when asked again.
 *
 * A chunk is never read into again: the views that were handed out stay valid.
 */
export class SegmentCursor implements BatchCursor {
  readonly #view: LogView;
  #seqNext: number;
  #segment: Segment | null = null;
  #file: DiskFile | null = null;
  #offset = 0;
  #chunk: Buffer = Buffer.alloc(0);
  #chunkOffset = 0;

  /** @param seq the first entry that is wanted; the first batch may start before it */
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

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    this.#segment = null;
    await file?.close();
  }

  /** @returns the body of the record at the offset where it is a batch; else steps over it */
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

  #batch(segment: Segment, body: Buffer): Batch {
    const { stream, epoch } = segment.header;
    const fault = batchFault(body, { stream, epoch, seqNext: this.#seqNext, timeMs: 0 });
    if (fault !== null) throw this.#corrupt(segment, `a batch is damaged: ${fault}`);
    const batch = new Batch(body);
    this.#offset += RECORD_HEADER_BYTES + body.length;
    this.#seqNext = batch.seqLast + 1;
    return batch;
  }

  /** Sees to it that `count` bytes from the offset are in the chunk. @returns where they start */
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

  async #open(segment: Segment): Promise<void> {
    const { disk, directory } = this.#view;
    let file: DiskFile;
    try {
      file = await disk.open(`${directory}/${segment.name}`, "read");
    } catch (error) {
      const gone = (error as NodeJS.ErrnoException).code === "ENOENT";
      const freed = gone && !this.#view.segments.includes(segment);
      if (freed) throw gap(this.#seqNext, this.#view.seqFirst);
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
