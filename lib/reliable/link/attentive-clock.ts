import type { Clock } from "../../clock.ts";

const LOOK_MS_MIN = 20;
const LOOK_MS_MAX = 1_000;
/** A lease is so many looks long, so that most of it is left after a time that was missed (count). */
const LOOKS_PER_LEASE = 8;
/** Looks in one period beyond which a process did not look, but was busy (count). */
const LATE_LOOKS = 2;

/**
 * The time in which this process could hear its peers: it stands still while the process computes, or is
 * stopped. What peers said meanwhile waits to be read, so their silence, and the end of their leases, is judged by
 * this time.
 *
 * Invariant: it never goes back, and never goes faster than the clock that it is made of.
 *
 * @see docs/decisions/0049-leases-while-the-connection-lives.md
 */
export class AttentiveClock implements Clock {
  readonly #clock: Clock;
  readonly #everyMs: number;
  #lookedMs: number;
  #missedMs = 0;
  #cancel: () => void;

  /** @param everyMs how often it looks whether the process is busy (milliseconds) */
  constructor(clock: Clock, everyMs: number) {
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#lookedMs = clock.nowMs();
    this.#cancel = clock.after(everyMs, this.#look);
  }

  nowMs(): number {
    const nowMs = this.#clock.nowMs();
    const lateMs = nowMs - this.#lookedMs - this.#everyMs;
    if (lateMs > this.#everyMs * (LATE_LOOKS - 1)) {
      this.#missedMs += lateMs;
      this.#lookedMs = nowMs;
    }
    return nowMs - this.#missedMs;
  }

  timeMs(): number {
    return this.#clock.timeMs();
  }

  after(delayMs: number, call: () => void): () => void {
    return this.#clock.after(delayMs, call);
  }

  /** Looks no more. */
  stop(): void {
    this.#cancel();
  }

  readonly #look = (): void => {
    this.nowMs();
    this.#lookedMs = this.#clock.nowMs();
    this.#cancel = this.#clock.after(this.#everyMs, this.#look);
  };
}

/** How often a side whose peers have leases of `leaseMs` looks whether it is busy (milliseconds). Pure. */
export function lookMs(leaseMs: number): number {
  return Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, leaseMs / LOOKS_PER_LEASE));
}
