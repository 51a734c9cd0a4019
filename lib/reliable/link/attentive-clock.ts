import type { Clock } from "../../clock.ts";

const LOOK_MS_MIN = 20;
const LOOK_MS_MAX = 1_000;
/** Checks in the length of a lease, so that most of the lease is left after a missed time (count). */
const LOOKS_PER_LEASE = 8;
/** A check at least this many periods after the last one means that the process was busy in between (count). */
const LATE_LOOKS = 2;

/**
 * The time during which this process could read from its peers: it stands still while the process computes, or is
 * stopped. Messages that peers sent meanwhile wait to be read, so their silence, and the end of their leases, is
 * measured in this time.
 *
 * Invariant: it never goes back, and never runs faster than the underlying clock.
 *
 * @see docs/decisions/0049-leases-while-the-connection-lives.md
 */
export class AttentiveClock implements Clock {
  readonly #clock: Clock;
  readonly #everyMs: number;
  #lookedMs: number;
  #missedMs = 0;
  #cancel: () => void;

  /** @param everyMs period of the checks whether the process is busy (milliseconds) */
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

  /** Ends the checks. */
  stop(): void {
    this.#cancel();
  }

  readonly #look = (): void => {
    this.nowMs();
    this.#lookedMs = this.#clock.nowMs();
    this.#cancel = this.#clock.after(this.#everyMs, this.#look);
  };
}

/** Period of the busy checks for a side whose peers have leases of `leaseMs` (milliseconds). Pure. */
export function lookMs(leaseMs: number): number {
  return Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, leaseMs / LOOKS_PER_LEASE));
}
