import type { Clock } from "../../clock.ts";

/** Shortest time between two flushes (milliseconds). */
export const PACE_MS = 1_000;
/** Most keys of one flush; what belongs to further ones is counted under null (count). */
export const KEYS_MAX = 64;

/** Counts by key; null: those of all keys beyond {@link KEYS_MAX}. */
export type Counts = ReadonlyMap<string | null, number>;

/**
 * Gathers counts, and passes them on once a second: the first at once, what comes in the second after it together.
 * However many come, a listener is called for {@link KEYS_MAX} + 1 of them a second.
 */
export class PacedCounts {
  readonly #clock: Clock;
  readonly #flush: (counts: Counts) => void;
  #counts = new Map<string | null, number>();
  /** Cancels the end of the second under way; null when none is. */
  #cancel: (() => void) | null = null;
  #isStopped = false;

  constructor(clock: Clock, flush: (counts: Counts) => void) {
    this.#clock = clock;
    this.#flush = flush;
  }

  add(key: string, count: number): void {
    if (this.#isStopped) return;
    const counts = this.#counts;
    const under = counts.has(key) || counts.size < KEYS_MAX ? key : null;
    counts.set(under, (counts.get(under) ?? 0) + count);
    if (this.#cancel === null) this.#pass();
  }

  /** Passes nothing on any more. */
  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
    this.#cancel = null;
    this.#counts.clear();
  }

  #pass(): void {
    const counts = this.#counts;
    this.#counts = new Map();
    this.#cancel = this.#clock.after(PACE_MS, () => {
      this.#cancel = null;
      if (this.#counts.size > 0) this.#pass();
    });
    this.#flush(counts);
  }
}
