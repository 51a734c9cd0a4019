import { BrokerlessError } from "../../errors.ts";
import type { Unit } from "../commit/group-queue.ts";
import { diskFailure, poisoned } from "../disk/disk-errors.ts";
import type { ValueTable } from "../format/values.ts";
import { readSeqFirst } from "../holds.ts";
import type { Reserve, Share } from "./reserve.ts";
import type { Segment } from "./segment.ts";

/** A log whose disk is full, as far as room can be made in it. */
export interface FullLog {
  readonly newest: Segment;
  readonly table: ValueTable;
  readonly seqNext: number;
  roll(epoch: number): Promise<void>;
  dropBefore(seq: number): Promise<void>;
}

/** Dependencies of {@link DiskRoom}. */
export interface DiskRoomParts {
  /** Space for what frees space when the disk is full. */
  readonly reserve: Reserve;
  /** Resolves when the commit that is under way has ended. */
  readonly committed: () => Promise<void>;
}

/**
 * Makes room for a log on a full disk, for what lets a program free space: out of the reserve, or by ending the newest
 * segment so that it can be removed.
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
   * What was given back in need is taken again before entries are written: they would take it for good.
   *
   * @param bytes of the entries, for the error text
   * @throws BrokerlessError BROKERLESS_NO_SPACE where it cannot be taken
   */
  async keepReserve(bytes: number): Promise<void> {
    const { reserve } = this.#parts;
    if (reserve.lack === null) return;
    await reserve.take();
    if (reserve.lack === null) return;
    throw diskFailure(reserve.lack, `write ${bytes} bytes to ${this.#log.newest.name}`);
  }

  /** What could not be taken for another reason than a full disk keeps nobody out. */
  refill(): void {
    void this.#parts.reserve.take();
  }

  /** Gives back what is held of the reserve for one purpose. @returns whether there was some */
  async give(share: Share): Promise<boolean> {
    try {
      return await this.#parts.reserve.release(share);
    } catch (error) {
      throw poisoned(error, "give back the reserve");
    }
  }

  /** @returns whether there may be room now for these, on a disk that was full */
  async make(units: readonly Unit[]): Promise<boolean> {
    if (await this.#freeSpent()) return true;
    return units.every(isForRoom) && (await this.#beginCopies());
  }

  /**
   * Gives back what is held for copies. They begin a segment, where there is room for one: what is before them can be
   * removed then, the newest segment included.
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
   * Makes room on a full disk where nothing in the newest segment is needed any more: it is ended, and removed. On other
   * days it goes on until it is full.
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

/** Named values, and copies, with which a program can free space. Pure. */
export function isForRoom(unit: Unit): boolean {
  return unit.draft === null || unit.makesRoom;
}

/** Whether it failed for a lack of space or of descriptors, with nothing changed. Pure. */
export function isLack(error: unknown): boolean {
  return error instanceof BrokerlessError && error.code === "BROKERLESS_NO_SPACE";
}
