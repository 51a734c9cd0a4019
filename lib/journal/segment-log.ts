import { streamBytes } from "../batch/layout.ts";
import { beginSegment } from "./begin-segment.ts";
import type { DiskFile } from "./disk.ts";
import { poisoned } from "./failure.ts";
import type { Unit } from "./group-queue.ts";
import type { Mark, MarkFile } from "./mark.ts";
import type { JournalPorts } from "./ports.ts";
import type { Reserve } from "./reserve.ts";
import { type SealedUnits, sealUnits } from "./seal-units.ts";
import type { Segment } from "./segment.ts";
import type { SegmentHeader } from "./segment-header.ts";
import { TailFile } from "./tail-file.ts";
import type { ValueTable } from "./values.ts";

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
 * sees to that. `sync` and `dropBefore` may run beside them. Readers see a segment up to its `end`:
 * what is durable where commits are synced, what is written elsewhere.
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
  readonly #zeros: Uint8Array;
  #tail: TailFile;
  #committing: Promise<void> = Promise.resolve();
  #seqWritten: number;
  #seqDurable: number;
  #timeMs: number;

  /** The newest segment must be durable up to its `end`, and end there. */
  constructor(parts: SegmentLogParts, options: SegmentLogOptions) {
    this.segments = parts.segments;
    this.table = parts.table;
    this.seqNext = parts.seqNext;
    this.#parts = parts;
    this.#options = options;
    this.#zeros = Buffer.alloc(parts.ports.preallocateBytes);
    this.#tail = this.#tailOf(parts.file);
    this.#seqWritten = parts.seqNext - 1;
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
    return this.#tail.durable < this.#tail.written;
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
    const isFull = this.#tail.written + bytes > this.#options.segmentBytes;
    const rolls = isFull && this.#tail.written > this.newest.header.bornBytes;
    if (rolls) {
      await this.#committing;
      await this.roll(this.newest.header.epoch);
    }
    const sealed = this.#seal(units);
    const isValues = units.every((unit) => unit.draft === null);
    // The reserve is for what lets a program free space, not for more entries.
    const makeRoom = async () => isValues && (await this.#giveReserve());
    await this.#tail.write({ ...sealed, makeRoom });
    this.newest.index.push(...sealed.points);
    this.bytesWritten += sealed.bytes;
    for (const { draft } of units) this.#seqWritten += draft?.count ?? 0;
    return { units, end: this.#tail.written, seqNext: this.#seqWritten + 1, rolled: rolls };
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
    const tail = this.#tail;
    const seqLast = this.#seqWritten;
    await tail.sync();
    this.syncs++;
    if (tail === this.#tail) this.#seqDurable = Math.max(this.#seqDurable, seqLast);
  }

  /** The mark for what is stored now. */
  mark(): Mark {
    const { header, end } = this.newest;
    return {
      segment: header.number,
      stream: header.stream,
      bootId: this.#parts.ports.bootId,
      durableOffset: this.#tail.durable,
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
    await this.#tail.trim();
    await this.sync();
    const { directory, ports, mark } = this.#parts;
    const header = this.#nextHeader(epoch);
    const begun = await beginSegment({ ports, directory, header, table: this.table });
    try {
      await this.#tail.close();
      this.segments.push(begun.segment);
      this.#tail = this.#tailOf(begun.file);
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
    await this.#tail.trim();
    await this.sync();
    await this.#parts.mark.putDurably(this.mark());
    await this.release();
  }

  /** Lets go of the files as they are: after a failure. */
  async release(): Promise<void> {
    await this.#parts.reserve.settled();
    await Promise.allSettled([this.#tail.close(), this.#parts.mark.close()]);
  }

  #tailOf(file: DiskFile): TailFile {
    const { name, end } = this.newest;
    return new TailFile({ file, name, end, zeros: this.#zeros });
  }

  #seal(units: readonly Unit[]): SealedUnits {
    const { header, seed, index } = this.newest;
    this.#timeMs = Math.max(this.#timeMs, this.#parts.ports.now());
    return sealUnits(units, {
      header,
      seed,
      stream: this.#stream,
      offset: this.#tail.written,
      durableOffset: this.#tail.durable,
      seqDurable: this.#seqDurable,
      timeMs: this.#timeMs,
      indexedAt: index.at(-1)?.offset ?? null,
    });
  }

  async #giveReserve(): Promise<boolean> {
    try {
      return await this.#parts.reserve.release();
    } catch (error) {
      throw poisoned(error, "give back the reserve");
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
