import { streamBytes } from "../../batch/layout.ts";
import type { Unit } from "../commit/group-queue.ts";
import type { DirectoryLock } from "../disk/directory-lock.ts";
import type { DiskFile } from "../disk/disk.ts";
import { isOutOfDescriptors, poisoned } from "../disk/disk-errors.ts";
import type { JournalPorts } from "../disk/ports.ts";
import type { Mark, MarkFile } from "../format/durable-mark.ts";
import type { ValueTable } from "../format/values.ts";
import { type BegunSegment, nameSegment, nextHeader, settleName } from "./begin-segment.ts";
import { DiskRoom, isForRoom, isLack } from "./disk-room.ts";
import type { Reserve } from "./reserve.ts";
import { type SealedRecords, sealRecords } from "./seal-records.ts";
import type { Segment } from "./segment.ts";
import { SegmentRemoval } from "./segment-removal.ts";
import { TailFile } from "./tail-file.ts";

/** Offsets are written in four bytes; a record of named values fits below twice over (bytes). */
const SEGMENT_BYTES_END = 2 ** 31;

/** What a log is made of when it is open: all of it belongs to the log from then on. */
export interface SegmentLogParts {
  readonly ports: JournalPorts;
  readonly directory: string;
  readonly segments: Segment[];
  /** The newest segment, open for writing. */
  readonly file: DiskFile;
  readonly mark: MarkFile;
  readonly table: ValueTable;
  /** Space for named values, and for copies that make room, when the disk is full. */
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
  /** Asked before files are made or removed by their names, and after each sync. */
  readonly lock: Pick<DirectoryLock, "assertHeld">;
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
  readonly #room: DiskRoom;
  readonly #removal: SegmentRemoval;
  #tail: TailFile;
  /** Has its name, which is not durable yet for a lack of descriptors. */
  #begun: BegunSegment | null = null;
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
    const { reserve } = parts;
    this.#room = new DiskRoom(this, { reserve, committed: () => this.#committing });
    this.#removal = new SegmentRemoval({ ...parts, lock: options.lock });
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
    try {
      return await this.#write(units, bytes);
    } catch (error) {
      if (!isLack(error) || !(await this.#room.make(units))) throw error;
      return await this.#write(units, bytes);
    }
  }

  async #write(units: readonly Unit[], bytes: number): Promise<Written> {
    // The reserve is for what lets a program free space, not for more entries.
    const isValues = units.every((unit) => unit.draft === null);
    const makesRoom = units.every(isForRoom);
    if (!makesRoom) await this.#room.keepReserve(bytes);
    const isFull = this.#tail.written + bytes > this.#options.segmentBytes;
    const wants = isFull && this.#tail.written > this.newest.header.bornBytes;
    // The old one is as long as a segment that was begun says, for good.
    const rolls = (wants || this.#begun !== null) && (await this.#rollFor({ makesRoom, bytes }));
    const sealed = this.#seal(units);
    const makeRoom = async () => isValues && (await this.#room.give("values"));
    await this.#tail.write({ ...sealed, makeRoom });
    this.newest.index.push(...sealed.points);
    this.bytesWritten += sealed.bytes;
    for (const { draft } of units) this.#seqWritten += draft?.count ?? 0;
    return { units, end: this.#tail.written, seqNext: this.#seqWritten + 1, rolled: rolls };
  }

  /**
   * Begins a segment for what is to be written. Without room for one, named values, and copies that make room, go on
   * in the newest, beyond its size: they are few bytes, and what they free may be what makes room. Where the
   * next has its name already they wait, too.
   *
   * @returns whether there is a new segment
   */
  async #rollFor(what: { readonly makesRoom: boolean; readonly bytes: number }): Promise<boolean> {
    await this.#committing;
    try {
      await this.roll(this.newest.header.epoch);
      return true;
    } catch (error) {
      const fits = this.#tail.written + what.bytes < SEGMENT_BYTES_END;
      if (!isLack(error) || !what.makesRoom || !fits || this.#begun !== null) throw error;
      return false;
    }
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
    if (!units.every(isForRoom)) this.#room.refill();
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
    // A file without a name can be synced, too: what is stored must be where the next open looks.
    this.#options.lock.assertHeld();
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
   * by another one can have no torn tail. After a lack it is done again from where it was left.
   *
   * @throws BrokerlessError BROKERLESS_NO_SPACE; after another one the log must not be used
   */
  async roll(epoch: number): Promise<void> {
    await this.#tail.trim();
    await this.sync();
    this.#options.lock.assertHeld();
    const { directory, ports } = this.#parts;
    if (this.#begun === null) {
      const header = nextHeader(this.newest, { epoch, seqBase: this.seqNext, ports });
      this.#begun = await nameSegment({ ports, directory, header, table: this.table });
    }
    await settleName(this.#parts, this.#begun);
    await this.#goOnIn(this.#begun);
  }

  /** All of the old segment is durable: what cannot be done to it for lack of a descriptor is left. */
  async #goOnIn(begun: BegunSegment): Promise<void> {
    const old = this.newest;
    try {
      await this.#tail.close().catch(ignoreLack);
      this.segments.push(begun.segment);
      this.#tail = this.#tailOf(begun.file);
      this.#begun = null;
      // The mark before is true, too.
      await this.#parts.mark.putDurably(this.mark()).catch(ignoreLack);
    } catch (error) {
      throw poisoned(error, `end ${old.name}`);
    }
  }

  /** Removes the segments that hold nothing from `seq` on; the caller made `seq` durable before. One after the other. */
  dropBefore(seq: number): Promise<void> {
    return this.#removal.before(seq);
  }

  /** Cuts off what was preallocated, makes all durable, and lets go of the files. */
  async close(): Promise<void> {
    await this.#tail.trim();
    await this.sync();
    // Nothing can be lost any more, however the next boot comes about; the next opening says so again where it can.
    await this.#parts.mark.putDurably({ ...this.mark(), lazy: false });
    await this.release();
  }

  /** Lets go of the files as they are: after a failure. */
  async release(): Promise<void> {
    await this.#parts.reserve.settled();
    const files = [this.#tail, this.#parts.mark, this.#begun?.file];
    await Promise.allSettled(files.map((file) => file?.close()));
  }

  #tailOf(file: DiskFile): TailFile {
    const { name, end } = this.newest;
    return new TailFile({ file, name, end, zeros: this.#zeros });
  }

  #seal(units: readonly Unit[]): SealedRecords {
    const { header, seed, index } = this.newest;
    this.#timeMs = Math.max(this.#timeMs, this.#parts.ports.now());
    return sealRecords(units, {
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
}

function ignoreLack(error: unknown): void {
  if (!isOutOfDescriptors(error)) throw error;
}
