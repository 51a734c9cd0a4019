import type { SeqRange } from "../range/range.ts";
import { RangeMap, type Segment } from "../range/range-map.ts";
import { without } from "../range/range-set.ts";
import type { Handed } from "./leases.ts";

/** Ranges beyond which the times of further messages are not noted (count). */
const RANGES_MAX = 16_384;
/** Ranges that are saved (count). */
const SAVED_MAX = 4_096;

/**
 * When handlers began for the first time with messages that are not settled: for people, should they be given up.
 *
 * Pure but for the clock. A time that is not known is not made up: it is missing where the message was begun before
 * this was noted, or there was no room.
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

  /** Ranges of them (count). */
  get size(): number {
    return this.#times.size;
  }

  /** What must outlive the process: times (ms since 1970). */
  state(): Segment<number>[] {
    return [...this.#times].slice(0, SAVED_MAX);
  }

  /** A process before this one knew of a range. */
  restore({ first, last }: SeqRange, timeMs: number): void {
    this.#times.set(first, last, timeMs);
  }

  /**
   * Handlers have begun what was handed out.
   *
   * @param known the parts of which that was known before
   */
  begin({ first, last, value }: Segment<Handed>, known: readonly SeqRange[]): void {
    if (value.attempt > 1) return;
    const range = { first, last };
    for (const news of known.length === 0 ? [range] : without([range], known)) {
      for (const gap of this.#times.gaps(news.first, news.last)) {
        if (this.#times.size >= RANGES_MAX) return;
        this.#times.set(gap.first, gap.last, Math.floor(this.#timeMs()));
      }
    }
  }

  /** A range is settled, or was not begun after all. */
  forget({ first, last }: SeqRange): void {
    if (this.#times.size > 0) this.#times.take(first, last);
  }

  /** A range in parts, in order, each with its time; null where it is not known. */
  timesOf({ first, last }: SeqRange): Segment<number | null>[] {
    const unknown = this.#times.gaps(first, last).map((gap) => ({ ...gap, value: null }));
    return [...this.#times.parts(first, last), ...unknown].sort((a, b) => a.first - b.first);
  }
}
