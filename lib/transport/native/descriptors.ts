import { readdirSync, readFileSync } from "node:fs";

/** The system's information about the descriptors of this process. */
export interface DescriptorSource {
  /** Limit on open descriptors (count); null where it is unknown. */
  max(): number | null;
  /** Open descriptors (count). */
  open(): number;
}

/**
 * Share of the limit that is reserved for the rest of the program, within these bounds (counts).
 */
const RESERVE_PART = 1 / 8;
const RESERVE_MIN = 16;
const RESERVE_MAX = 256;
/** With more free descriptors than this, the last check stays valid for a while (count). */
const PLENTY = 1_024;
/** Duration of that validity (milliseconds). */
const LOOK_MS = 1_000;

/**
 * The file descriptors of this process, with a reserve for the rest of the program.
 *
 * libzmq ends the process when it has no descriptor for an accept over ipc, or for the poller of a
 * thread. All threads share the descriptors, so the number of open ones is read from the system,
 * and only estimated between two checks.
 *
 * @see docs/decisions/0009-assertions.md
 */
export class Descriptors {
  /**
   * Limit on open descriptors (count); null where the system does not report it, and then nothing
   * is refused.
   */
  readonly max: number | null;
  readonly #source: DescriptorSource;
  readonly #nowMs: () => number;
  readonly #reserve: number;
  #free = 0;
  #lookedMs = Number.NEGATIVE_INFINITY;
  /** Granted but not opened yet (count). */
  #owed = 0;

  constructor(source: DescriptorSource = LINUX, nowMs: () => number = () => performance.now()) {
    this.#source = source;
    this.#nowMs = nowMs;
    this.max = source.max();
    const part = Math.floor((this.max ?? 0) * RESERVE_PART);
    this.#reserve = Math.max(RESERVE_MIN, Math.min(RESERVE_MAX, part));
  }

  /**
   * Whether the program could have used up the descriptors free at the last check before the next
   * one.
   */
  get isScarce(): boolean {
    return this.max !== null && this.#free <= PLENTY;
  }

  /**
   * Requests descriptors.
   *
   * @param count descriptors that will be opened
   * @returns null when there are not enough; otherwise a function to call when all of them are
   *   open, or will not be opened
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

/** On Linux both are below /proc; other systems have no such files, or no such limit. */
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
      // Not even the directory can be opened: none is left.
      return Number.POSITIVE_INFINITY;
    }
  },
};

let shared: Descriptors | null = null;

/** The descriptors of this process; one instance for each thread. */
export function processDescriptors(): Descriptors {
  shared ??= new Descriptors();
  return shared;
}
