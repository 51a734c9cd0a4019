import type { SeqRange } from "../range/range.ts";
import { RangeSet, rangeSet } from "../range/range-set.ts";

/** The state of {@link Suspects} that must outlive the process. */
export interface SuspectsState {
  /** Begun by applications, as their receivers reported. */
  readonly begun: readonly SeqRange[];
  /** To be begun alone. */
  readonly guarded: readonly SeqRange[];
  /** Held by receivers that died, and possibly begun without a report. */
  readonly exposed: readonly SeqRange[];
  /** Consecutive deaths of receivers that no message has explained (count). */
  readonly deaths: number;
}

/** No message is suspected. */
export const SUSPECTS_EMPTY: SuspectsState = Object.freeze({
  begun: [],
  guarded: [],
  exposed: [],
  deaths: 0,
});

/**
 * How many of the messages that may have been begun are guarded after the first, second, and every further death
 * (count). While any message is exposed, receivers report begun messages soon after `WATCHED_UNREPORTED_MAX` of them.
 */
const GUARDED_COUNTS: readonly number[] = [1, 32, 1_024];
/** Limit on begun messages, the lowest, that are guarded after a death: each costs a round trip and a save (count). */
const GUARDED_MAX = 1_024;
/** Limit on saved ranges of each kind (count). */
const SAVED_MAX = 4_096;

/**
 * The messages that may have killed their receiver: those that it had reported as begun, and the lowest of those that
 * it had not, since its last report may have been lost when it died. They are guarded: begun alone, and not before
 * their sender has saved that they are begun. So another death in that time has one message as its cause.
 *
 * Pure. Costs are those of `RangeSet`; no cost per message while no receiver dies.
 *
 * @see docs/decisions/0048-an-attempt-begins-when-a-handler-begins.md
 */
export class Suspects {
  readonly #begun = new RangeSet();
  readonly #guarded = new RangeSet();
  readonly #exposed = new RangeSet();
  #deaths: number;

  constructor({ begun, guarded, exposed, deaths }: SuspectsState) {
    this.#begun.addAll(begun);
    this.#guarded.addAll(guarded);
    this.#exposed.addAll(exposed);
    this.#deaths = deaths;
  }

  /** Whether a death is not explained: receivers then have to report soon which messages they begin. */
  get isWatching(): boolean {
    return this.#exposed.size > 0;
  }

  /** The state that must outlive the process. */
  state(): SuspectsState {
    const [begun, guarded, exposed] = [this.#begun, this.#guarded, this.#exposed].map((set) =>
      [...set].slice(0, SAVED_MAX).map(plain),
    ) as [SeqRange[], SeqRange[], SeqRange[]];
    return { begun, guarded, exposed, deaths: this.#deaths };
  }

  /** Applications have begun these ranges, or will begin them after a go. */
  begin(ranges: readonly SeqRange[]): void {
    for (const { first, last } of ranges) this.#begun.add(first, last);
  }

  /** The parts of a range that applications have begun, also if this was when an earlier process ended. */
  begunOf({ first, last }: SeqRange): SeqRange[] {
    return this.#begun.size === 0 ? [] : this.#begun.parts(first, last);
  }

  /** The parts of a range that are to be begun alone. */
  guardedOf({ first, last }: SeqRange): SeqRange[] {
    return this.#guarded.size === 0 ? [] : this.#guarded.parts(first, last);
  }

  /** A receiver has survived a range, and reported its outcome: it is no longer suspected. */
  clear({ first, last }: SeqRange): void {
    if (this.#begun.size > 0) this.#begun.delete(first, last);
    if (this.#guarded.size > 0) this.#guarded.delete(first, last);
    if (this.#exposed.size === 0) return;
    this.#exposed.delete(first, last);
    if (this.#exposed.size === 0) this.#deaths = 0;
  }

  /** A range comes back, and its receiver did not die. @returns the parts that had been begun */
  ended({ first, last }: SeqRange): SeqRange[] {
    return this.#begun.size === 0 ? [] : this.#begun.delete(first, last);
  }

  /**
   * A receiver died, or hangs.
   *
   * @param held all ranges that come back from it, in order
   * @returns the parts that it had begun
   */
  crashed(held: readonly SeqRange[]): SeqRange[] {
    const begun = held.flatMap((range) => this.ended(range));
    const isExplained = begun.some((range) => this.guardedOf(range).length > 0);
    this.#guard(begun, GUARDED_MAX);
    if (isExplained) {
      // Nothing else was in flight at that receiver.
      this.#exposed.clear();
      this.#deaths = 0;
    } else {
      const known = new RangeSet();
      known.addAll(begun);
      known.addAll(held.flatMap((range) => this.guardedOf(range)));
      const unsaid = held.flatMap(({ first, last }) => known.gaps(first, last));
      if (unsaid.length > 0) this.#expose(unsaid);
    }
    return begun;
  }

  /** Exposes messages. The cause of several deaths in a row is among the messages that were present at each of them. */
  #expose(unsaid: readonly SeqRange[]): void {
    const again = unsaid.flatMap(({ first, last }) => this.#exposed.parts(first, last));
    this.#deaths = again.length > 0 ? this.#deaths + 1 : 1;
    this.#exposed.addAll(unsaid);
    const count = GUARDED_COUNTS[Math.min(this.#deaths, GUARDED_COUNTS.length) - 1]!;
    this.#guard(again.length > 0 ? again : unsaid, count);
  }

  /** Guards the lowest `count` messages of the ranges. */
  #guard(ranges: readonly SeqRange[], count: number): void {
    let left = count;
    for (const { first, last } of ranges) {
      if (left === 0) return;
      const end = Math.min(last, first + left - 1);
      this.#guarded.add(first, end);
      left -= end - first + 1;
    }
  }
}

/**
 * Cuts a range at the ends of `inside`. If many ranges are cut at the same ones, pass them as a set made once. Pure.
 *
 * @returns its parts in order, and which of them are inside
 */
export function cutAt(
  range: SeqRange,
  inside: readonly SeqRange[] | RangeSet,
): { readonly range: SeqRange; readonly isInside: boolean }[] {
  if ((inside instanceof RangeSet ? inside.size : inside.length) === 0) {
    return [{ range, isInside: false }];
  }
  const within = inside instanceof RangeSet ? inside : rangeSet(inside);
  const { first, last } = range;
  return [
    ...within.parts(first, last).map((part) => ({ range: plain(part), isInside: true })),
    ...within.gaps(first, last).map((part) => ({ range: part, isInside: false })),
  ].sort((a, b) => a.range.first - b.range.first);
}

function plain({ first, last }: SeqRange): SeqRange {
  return { first, last };
}
