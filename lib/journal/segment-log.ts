import type { BatchDraft } from "../batch/batch-encoder.ts";
import { streamBytes } from "../batch/layout.ts";
import { beginSegment } from "./begin-segment.ts";
import { coalesce, type DiskFile, writeAll } from "./disk.ts";
import { diskFailure, isNoSpace, poisoned } from "./failure.ts";
import type { Unit } from "./group-queue.ts";
import type { Mark, MarkFile } from "./mark.ts";
import type { JournalPorts } from "./ports.ts";
import { RECORD_HEADER_BYTES, RECORD_TYPE, sealRecord } from "./record.ts";
import type { Reserve } from "./reserve.ts";
import type { Segment } from "./segment.ts";
import type { SegmentHeader } from "./segment-header.ts";
import { INDEX_STRIDE_BYTES } from "./segment-scan.ts";
import { encodeValues, type ValueTable } from "./values.ts";

/** Small commits find their blocks allocated: their sync then has no metadata to write (bytes). */
const PREALLOCATE_BYTES = 256 * 1024;
/** A commit above this gains nothing from it (bytes). */
const PREALLOCATE_COMMIT_BYTES = 32 * 1024;
const ZEROS = Buffer.alloc(PREALLOCATE_BYTES);

/** What a log is made of when it is open: all of it belongs to the log from then on. */
export interface SegmentLogParts {
  readonly ports: JournalPorts;
  readonly directory: string;
  readonly segments: Segment[];
  /** The newest segment, open for writing. */
  readonly file: DiskFile;
  readonly mark: MarkFile;
  readonly table: ValueTable;
  /** Space for named values when the disk is full. */
  readonly reserve: Reserve;
  readonly seqNext: number;
  /** Time of the newest batch (ms since 1970). */
  readonly timeMs: number;
}

/** Units that are in the file and not yet committed. */
export interface Written {
  readonly units: readonly Unit[];
  /** Where they end (byte offset in the newest segment). */
  readonly end: number;
  readonly seqNext: number;
  /** They are the first ones of a new segment. */
  readonly rolled: boolean;
}

/** How a log is written. */
export interface SegmentLogOptions {
  /** Whether a commit ends with a sync. */
  readonly syncCommits: boolean;
  readonly segmentBytes: number;
}

/**
 * The writing side of a log: puts units into records, records into the newest segment, and makes
 * them durable.
 *
 * One `write`, `roll` or `close` at a time, and one `commit`, in the order of the writes; the caller
 * sees to that. `sync` and `dropBefore` may run beside them. Invariant in the newest segment: `durable <= written <= allocated`, and readers
 * see `end`: `durable` where commits are synced, `written` elsewhere.
 */
export class SegmentLog {
  readonly segments: Segment[];
  readonly table: ValueTable;
  commits = 0;
  syncs = 0;
  bytesWritten = 0;
  seqNext: number;
  readonly #parts: SegmentLogParts;
  readonly #options: SegmentLogOptions;
  readonly #stream: Uint8Array;
  #file: DiskFile;
  #committing: Promise<void> = Promise.resolve();
  /** Syncs in flight: the file must not be closed under them. */
  #syncing: Promise<unknown> = Promise.resolve();
  #written: number;
  #seqWritten: number;
  #durable: number;
  #allocated: number;
  #seqDurable: number;
  #timeMs: number;

  /** The newest segment must be durable up to its `end`, and end there. */
  constructor(parts: SegmentLogParts, options: SegmentLogOptions) {
    this.segments = parts.segments;
    this.table = parts.table;
    this.seqNext = parts.seqNext;
    this.#parts = parts;
    this.#options = options;
    this.#file = parts.file;
    this.#written = this.newest.end;
    this.#seqWritten = parts.seqNext - 1;
    this.#durable = this.newest.end;
    this.#allocated = this.newest.end;
    this.#seqDurable = parts.seqNext - 1;
    this.#timeMs = parts.timeMs;
    this.#stream = streamBytes(this.newest.header.stream);
  }

  get newest(): Segment {
    return this.segments.at(-1)!;
  }

  get timeMs(): number {
    return this.#timeMs;
  }

  get isDirty(): boolean {
    return this.#durable < this.#written;
  }

  /** Bytes of all segments (bytes). */
  get bytesKept(): number {
    return this.segments.reduce((sum, segment) => sum + segment.end, 0);
  }

  /**
   * Writes the units with one write, into a new segment where the newest is full. The commit before
   * may still be going on.
   *
   * @throws BrokerlessError BROKERLESS_NO_SPACE with nothing changed; after another one the log must
   *   not be used
   */
  async write(units: readonly Unit[], bytes: number): Promise<Written> {
    const isFull = this.#written + bytes > this.#options.segmentBytes;
    const rolls = isFull && this.#written > this.newest.header.bornBytes;
    if (rolls) {
      await this.#committing;
      await this.roll(this.newest.header.epoch);
    }
    const { pieces, end, seqNext } = this.#seal(units);
    const isValues = units.every((unit) => unit.draft === null);
    await this.#write(pieces, end, isValues);
    this.#written = end;
    this.#seqWritten = seqNext - 1;
    return { units, end, seqNext, rolled: rolls };
  }

  /**
   * Makes what was written durable, where commits are synced, and lets readers see it.
   *
   * @throws BrokerlessError BROKERLESS_JOURNAL_FAILED; the log must not be used then
   */
  commit(written: Written): Promise<void> {
    this.#committing = this.#commit(written);
    return this.#committing;
  }

  async #commit({ units, end, seqNext }: Written): Promise<void> {
    // What was given back in need is taken again once an entry could be written.
    const { reserve } = this.#parts;
    if (!reserve.isHeld && units.some((unit) => unit.draft !== null)) void reserve.take();
    if (this.#options.syncCommits) await this.sync();
    // Readers go as far as `end`: only now may they see it.
    this.newest.end = end;
    this.seqNext = seqNext;
    for (const { values } of units) if (values !== null) this.table.apply(values);
    this.commits++;
  }

  /** Makes everything that was written durable. @throws BrokerlessError BROKERLESS_JOURNAL_FAILED */
  async sync(): Promise<void> {
    const segment = this.newest;
    // What is written after the sync has started is not covered by it.
    const end = this.#written;
    const seqLast = this.#seqWritten;
    const syncing = this.#file.sync();
    this.#syncing = Promise.allSettled([this.#syncing, syncing]);
    try {
      await syncing;
    } catch (error) {
      // Even a full disk: after a failed sync nobody knows what the disk holds.
      throw poisoned(error, `sync ${segment.name}`);
    }
    this.syncs++;
    if (segment !== this.newest) return;
    this.#durable = Math.max(this.#durable, end);
    this.#seqDurable = Math.max(this.#seqDurable, seqLast);
  }

  /** The mark for what is stored now. */
  mark(): Mark {
    const { header, end } = this.newest;
    return {
      segment: header.number,
      stream: header.stream,
      bootId: this.#parts.ports.bootId,
      durableOffset: this.#durable,
      storedOffset: end,
      seqStored: this.seqNext - 1,
      lazy: !this.#options.syncCommits,
    };
  }

  /** Leaves the mark to be written soon. @returns when it is written */
  putMark(): Promise<void> {
    return this.#parts.mark.put(this.mark());
  }

  /**
   * Ends the newest segment and begins the next one, which starts with all named values.
   *
   * The old one is whole and durable before the new one has its name: so a segment that is followed
   * by another one can have no torn tail.
   */
  async roll(epoch: number): Promise<void> {
    const old = this.newest;
    await this.#trim();
    await this.sync();
    const { directory, ports, mark } = this.#parts;
    const header = this.#nextHeader(epoch);
    const begun = await beginSegment({ ports, directory, header, table: this.table });
    try {
      await this.#syncing;
      await this.#file.close();
      this.#file = begun.file;
      this.segments.push(begun.segment);
      this.#written = begun.segment.end;
      this.#durable = begun.segment.end;
      this.#allocated = begun.segment.end;
      await mark.putDurably(this.mark());
    } catch (error) {
      throw poisoned(error, `end ${old.name}`);
    }
  }

  /** Removes the segments that hold nothing from `seq` on; the caller made `seq` durable before. */
  async dropBefore(seq: number): Promise<void> {
    const { directory, ports } = this.#parts;
    while (this.segments.length > 1 && this.segments[1]!.header.seqBase <= seq) {
      const { name } = this.segments[0]!;
      try {
        // From the oldest on, and each durable before the next: no crash leaves a hole.
        await ports.disk.unlink(`${directory}/${name}`);
        await ports.disk.syncDirectory(directory);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
          throw poisoned(error, `remove ${name}`);
        }
      }
      this.segments.shift();
    }
  }

  /** Cuts off what was preallocated, makes all durable, and lets go of the files. */
  async close(): Promise<void> {
    await this.#trim();
    await this.sync();
    await this.#parts.mark.putDurably(this.mark());
    await this.release();
  }

  /** Lets go of the files as they are: after a failure. */
  async release(): Promise<void> {
    await this.#syncing;
    await this.#parts.reserve.settled();
    await Promise.allSettled([this.#file.close(), this.#parts.mark.close()]);
  }

  #seal(units: readonly Unit[]): { pieces: Uint8Array[]; end: number; seqNext: number } {
    const segment = this.newest;
    const { epoch } = segment.header;
    this.#timeMs = Math.max(this.#timeMs, this.#parts.ports.now());
    const pieces: Uint8Array[] = [];
    let offset = this.#written;
    let seqNext = this.#seqWritten + 1;
    const seal = (bytes: Buffer, type: number, joined: boolean) => {
      const bodyBytes = bytes.length - RECORD_HEADER_BYTES;
      const durableOffset = this.#durable;
      sealRecord(bytes, 0, { bodyBytes, type, joined, offset, durableOffset }, segment.seed);
      pieces.push(bytes);
      offset += bytes.length;
    };
    for (const { draft, seqFirst, values } of units) {
      if (draft !== null) {
        this.#sealDraft(draft, { epoch, seqFirst });
        this.#note(segment, { seq: seqFirst, offset });
        seal(draft.bytes, RECORD_TYPE.batch, values !== null);
        seqNext = seqFirst + draft.count;
      }
      if (values !== null) seal(encodeValues(values, false), RECORD_TYPE.values, false);
    }
    return { pieces: coalesce(pieces), end: offset, seqNext };
  }

  #sealDraft(draft: BatchDraft, place: { epoch: number; seqFirst: number }): void {
    const durableBefore = this.#seqDurable;
    draft.seal({ ...place, stream: this.#stream, durableBefore, timeMs: this.#timeMs });
  }

  #note(segment: Segment, place: { seq: number; offset: number }): void {
    const last = segment.index.at(-1);
    if (last !== undefined && place.offset - last.offset < INDEX_STRIDE_BYTES) return;
    segment.index.push({ ...place, timeMs: this.#timeMs });
  }

  async #write(pieces: readonly Uint8Array[], end: number, isValues: boolean): Promise<void> {
    const segment = this.newest;
    const at = this.#written;
    const bytes = end - at;
    const grows = end > this.#allocated && bytes <= PREALLOCATE_COMMIT_BYTES;
    const allocated = grows ? end + PREALLOCATE_BYTES : Math.max(this.#allocated, end);
    const written = grows ? [...pieces, ZEROS] : pieces;
    try {
      await writeAll(this.#file, written, at);
      this.#allocated = allocated;
    } catch (error) {
      if (!isNoSpace(error)) throw poisoned(error, `write ${segment.name}`);
      await this.#undoWrite();
      const isSmall = isValues && (await this.#giveReserve());
      if (!grows && !isSmall) throw diskFailure(error, `write ${bytes} bytes to ${segment.name}`);
      await this.#writeTight(pieces, end);
    }
    this.bytesWritten += bytes;
  }

  async #giveReserve(): Promise<boolean> {
    try {
      return await this.#parts.reserve.release();
    } catch (error) {
      throw poisoned(error, "give back the reserve");
    }
  }

  /** Without preallocation: on a full disk the last bytes are for what is acknowledged. */
  async #writeTight(pieces: readonly Uint8Array[], end: number): Promise<void> {
    const segment = this.newest;
    try {
      await writeAll(this.#file, pieces, this.#written);
      this.#allocated = end;
    } catch (error) {
      if (!isNoSpace(error)) throw poisoned(error, `write ${segment.name}`);
      await this.#undoWrite();
      throw diskFailure(error, `write ${end - this.#written} bytes to ${segment.name}`);
    }
  }

  /** A short write must not be found by a recovery: its appends are reported as not stored. */
  async #undoWrite(): Promise<void> {
    const segment = this.newest;
    const end = this.#written;
    while ((segment.index.at(-1)?.offset ?? 0) >= end) segment.index.pop();
    try {
      await this.#file.truncate(end);
      await this.#file.sync();
      this.#allocated = end;
    } catch (error) {
      throw poisoned(error, `take back a short write in ${segment.name}`);
    }
  }

  async #trim(): Promise<void> {
    if (this.#allocated === this.newest.end) return;
    try {
      await this.#file.truncate(this.newest.end);
      this.#allocated = this.newest.end;
    } catch (error) {
      throw poisoned(error, `trim ${this.newest.name}`);
    }
  }

  #nextHeader(epoch: number): SegmentHeader {
    const { ports } = this.#parts;
    const { header, end } = this.newest;
    return {
      number: header.number + 1,
      hasGap: false,
      stream: header.stream,
      salt: ports.randomHex(16),
      epoch,
      bornBytes: 0,
      seqBase: this.seqNext,
      previousBytes: end,
      epochSeqFirst: epoch === header.epoch ? header.epochSeqFirst : this.seqNext,
      createdAtMs: ports.now(),
    };
  }
}
