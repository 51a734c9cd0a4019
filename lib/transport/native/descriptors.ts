import { readdirSync, readFileSync } from "node:fs";

/** Where the system tells what this process has and may have. */
export interface DescriptorSource {
  /** How many it may have (count); null where that is not known. */
  max(): number | null;
  /** How many it has (count). */
  open(): number;
}

/** Kept for what else the program opens: so large a part of all, within these bounds (counts). */
const RESERVE_PART = 1 / 8;
const RESERVE_MIN = 16;
const RESERVE_MAX = 256;
/** With more than so many free, the last look is good enough for a while (count). */
const PLENTY = 1_024;
/** For so long (milliseconds). */
const LOOK_MS = 1_000;

/**
 * The file descriptors of this process: what may still be taken so that others find some too.
 *
 * libzmq ends the process when it cannot accept over ipc, or make the poller of a thread, for want of a descriptor.
 * All threads share them, so what they have is looked up, and only between two looks reckoned.
 *
 * @see docs/decisions/0009-assertions.md
 */
export class Descriptors {
  /** How many there may be (count); null where the system does not say, which lets everybody take. */
  readonly max: number | null;
  readonly #source: DescriptorSource;
  readonly #nowMs: () => number;
  readonly #reserve: number;
  #free = 0;
  #lookedMs = Number.NEGATIVE_INFINITY;
  /** Promised to somebody who has not opened them yet (count). */
  #owed = 0;

  constructor(source: DescriptorSource = LINUX, nowMs: () => number = () => performance.now()) {
    this.#source = source;
    this.#nowMs = nowMs;
    this.max = source.max();
    const part = Math.floor((this.max ?? 0) * RESERVE_PART);
    this.#reserve = Math.max(RESERVE_MIN, Math.min(RESERVE_MAX, part));
  }

  /** Whether the program could have taken those that were left at the last look before anybody looks again. */
  get isScarce(): boolean {
    return this.max !== null && this.#free <= PLENTY;
  }

  /**
   * Whether so many may be taken now.
   *
   * @param count how many are going to be opened
   * @returns null when there are not enough; else to be called when all of them are open, or will not be
   */
  take(count: number): (() => void) | null {
    if (this.max === null) return () => {};
    this.#look(this.max);
    if (this.#free - this.#owed - count < this.#reserve) return null;
    this.#owed += count;
    let isOwed = true;
    return () => {
      if (!isOwed) return;
      isOwed = false;
      this.#owed -= count;
      this.#free -= count;
    };
  }

  #look(max: number): void {
    const nowMs = this.#nowMs();
    if (this.#free > PLENTY && nowMs - this.#lookedMs < LOOK_MS) return;
    this.#lookedMs = nowMs;
    this.#free = max - this.#source.open();
  }
}

/** Linux tells both below /proc; other systems have no such files, or no such limit. */
const LINUX: DescriptorSource = {
  max() {
    try {
      const limits = readFileSync("/proc/self/limits", "latin1");
      const [, soft] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
      return soft === undefined || soft === "unlimited" ? null : Number(soft);
    } catch {
      return null;
    }
  },
  open() {
    try {
      return readdirSync("/proc/self/fd").length;
    } catch {
      // Not even one for the folder: there is none left.
      return Number.POSITIVE_INFINITY;
    }
  },
};

let shared: Descriptors | null = null;

/** Those of this process; one reckoning for each thread. */
export function processDescriptors(): Descriptors {
  shared ??= new Descriptors();
  return shared;
}
