import { BrokerlessError } from "../../errors.ts";
import type { Unit } from "../commit/group-queue.ts";
import { diskFailure, poisoned } from "../disk/disk-errors.ts";
import type { ValueTable } from "../format/values.ts";
import { readSeqFirst } from "../holds.ts";
import type { Reserve, Share } from "./reserve.ts";
import type { Segment } from "./segment.ts";

/** The operations of a log that can free space on a full disk. */
export interface FullLog {
  readonly newest: Segment;
  readonly table: ValueTable;
  readonly seqNext: number;
  roll(epoch: number): Promise<void>;
  dropBefore(seq: number): Promise<void>;
}

/** Dependencies of {@link DiskRoom}. */
export interface DiskRoomParts {
  /** Reserved space for changes that free space when the disk is full. */
  readonly reserve: Reserve;
  /** Resolves when the current commit has ended. */
  readonly committed: () => Promise<void>;
}

/**
 * Makes room on a full disk for changes that let a program free space: from the reserve, or by
 * ending the newest segment so that it can be removed.
 *
 * @see docs/decisions/0025-failing-disks.md
 */
export class DiskRoom {
  readonly #log: FullLog;
  readonly #parts: DiskRoomParts;

  constructor(log: FullLog, parts: DiskRoomParts) {
    this.#log = log;
    this.#parts = parts;
  }

  /**
   * Allocates released parts of the reserve again before entries are written, which would otherwise
   * take that space permanently.
   *
   * @param bytes length of the entries, for the error text
   * @throws BrokerlessError BROKERLESS_NO_SPACE where the space cannot be allocated
   */
  async keepReserve(bytes: number): Promise<void> {
    const { reserve } = this.#parts;
    if (reserve.lack === null) return;
    await reserve.take();
    if (reserve.lack === null) return;
    throw diskFailure(reserve.lack, `write ${bytes} bytes to ${this.#log.newest.name}`);
  }

  /** A failure to allocate it, other than for a full disk, does not block entries. */
  refill(): void {
    void this.#parts.reserve.take();
  }

  /** Releases the reserve of one purpose. @returns whether there was some */
  async give(share: Share): Promise<boolean> {
    try {
      return await this.#parts.reserve.release(share);
    } catch (error) {
      throw poisoned(error, "give back the reserve");
    }
  }

  /** @returns whether there may be room now for these units, on a disk that was full */
  async make(units: readonly Unit[]): Promise<boolean> {
    if (await this.#freeSpent()) return true;
    return units.every(isForRoom) && (await this.#beginCopies());
  }

  /**
   * Releases the reserve of copies. They start a new segment where there is room for one, so that
   * everything before them can be removed, including the newest segment.
   *
   * @returns whether there may be room now
   */
  async #beginCopies(): Promise<boolean> {
    const log = this.#log;
    await this.#parts.committed();
    if (!(await this.give("copies"))) return false;
    try {
      if (log.newest.header.seqBase < log.seqNext) await log.roll(log.newest.header.epoch);
    } catch (error) {
      if (!isLack(error)) throw error;
    }
    return true;
  }

  /**
   * Makes room on a full disk where no entry of the newest segment is needed any more: it is ended,
   * and removed. Otherwise a segment is used until it is full.
   *
   * @returns whether there may be room now
   */
  async #freeSpent(): Promise<boolean> {
    const log = this.#log;
    await this.#parts.committed();
    const isSpent =
      log.newest.header.seqBase < log.seqNext && readSeqFirst(log.table) >= log.seqNext;
    if (!isSpent) return false;
    await this.give("values");
    try {
      await log.roll(log.newest.header.epoch);
    } catch (error) {
      if (isLack(error)) return false;
      throw error;
    }
    await log.dropBefore(log.seqNext);
    return true;
  }
}

/**
 * Whether the unit holds only named values, or copies, with which a program can free space. Pure.
 */
export function isForRoom(unit: Unit): boolean {
  return unit.draft === null || unit.makesRoom;
}

/** Whether it failed for a lack of space or of descriptors, with nothing changed. Pure. */
export function isLack(error: unknown): boolean {
  return error instanceof BrokerlessError && error.code === "BROKERLESS_NO_SPACE";
}
