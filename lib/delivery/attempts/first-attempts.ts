import type { SeqRange } from "../range/range.ts";
import { RangeMap, type ValuedRange } from "../range/range-map.ts";
import { without } from "../range/range-set.ts";
import type { Dispatched } from "./leases.ts";

/** Limit on ranges: beyond it the times of further messages are not recorded (count). */
const RANGES_MAX = 16_384;
/** Limit on ranges that are saved (count). */
const SAVED_MAX = 4_096;

/**
 * The times of the first attempts of unsettled messages: shown to people if a message becomes a dead letter.
 *
 * Pure except for the clock. An unknown time is never estimated: it is missing if the sender ended before it was saved,
 * or there was no room.
 *
 * @see docs/decisions/0066-first-attempts.md
 */
export class FirstAttempts {
  readonly #times = new RangeMap<number>();
  readonly #timeMs: () => number;

  /** @param timeMs now (ms since 1970) */
  constructor(timeMs: () => number) {
    this.#timeMs = timeMs;
  }

  /** Ranges (count). */
  get size(): number {
    return this.#times.size;
  }

  /** The times that must outlive the process (ms since 1970). */
  state(): ValuedRange<number>[] {
    return [...this.#times].slice(0, SAVED_MAX);
  }

  /** Restores a time that an earlier process saved. */
  restore({ first, last }: SeqRange, timeMs: number): void {
    this.#times.set(first, last, timeMs);
  }

  /**
   * Handlers have begun a leased range. The time is recorded only for a first attempt.
   *
   * @param known the parts that were known to be begun before
   */
  begin({ first, last, value }: ValuedRange<Dispatched>, known: readonly SeqRange[]): void {
    if (value.attempt > 1) return;
    const range = { first, last };
    for (const news of known.length === 0 ? [range] : without([range], known)) {
      for (const gap of this.#times.gaps(news.first, news.last)) {
        if (this.#times.size >= RANGES_MAX) return;
        this.#times.set(gap.first, gap.last, Math.floor(this.#timeMs()));
      }
    }
  }

  /** Removes the times of a range that is settled, or was not begun after all. */
  forget({ first, last }: SeqRange): void {
    if (this.#times.size > 0) this.#times.take(first, last);
  }

  /** The parts of a range with their times, in order; null where the time is not known. */
  timesOf({ first, last }: SeqRange): ValuedRange<number | null>[] {
    const unknown = this.#times.gaps(first, last).map((gap) => ({ ...gap, value: null }));
    return [...this.#times.parts(first, last), ...unknown].sort((a, b) => a.first - b.first);
  }
}
