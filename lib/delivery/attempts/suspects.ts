import type { SeqRange } from "../range/range.ts";
import { RangeSet, rangeSet } from "../range/range-set.ts";

/** What of {@link Suspects} must outlive the process. */
export interface SuspectsState {
  /** In the hands of applications, as receivers said. */
  readonly begun: readonly SeqRange[];
  /** To be begun alone. */
  readonly guarded: readonly SeqRange[];
  /** Were with receivers that died, and may have been begun without a word. */
  readonly exposed: readonly SeqRange[];
  /** Deaths of receivers, one after the other, that no message has explained (count). */
  readonly deaths: number;
}

/** Nobody is suspected of anything. */
export const SUSPECTS_EMPTY: SuspectsState = Object.freeze({
  begun: [],
  guarded: [],
  exposed: [],
  deaths: 0,
});

/**
 * How many of those that may have been begun are tried alone after the first, second, and every further death
 * (count): while anything is exposed, a receiver says within `WATCHED_UNSAID_MAX` messages what it has begun.
 */
const GUARDED_COUNTS: readonly number[] = [1, 32, 1_024];
/** Of those that were begun, the lowest that are guarded after a death: each is a round trip and a save (count). */
const GUARDED_MAX = 1_024;
/** Ranges of each kind that are saved (count). */
const SAVED_MAX = 4_096;

/**
 * Which messages may have killed their receiver: those that it had begun, as it said; and, since what it said last
 * may have died with it, the lowest ones of which it had said nothing. They are guarded: begun alone, and not
 * before their sender has saved that they are. So whatever happens then is the deed of one message.
 *
 * Pure. Costs are those of `RangeSet`; nothing for each message where nobody dies.
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

  /** Whether a death is not explained: receivers are to say soon what they begin. */
  get isWatching(): boolean {
    return this.#exposed.size > 0;
  }

  /** What must outlive the process. */
  state(): SuspectsState {
    const [begun, guarded, exposed] = [this.#begun, this.#guarded, this.#exposed].map((set) =>
      [...set].slice(0, SAVED_MAX).map(plain),
    ) as [SeqRange[], SeqRange[], SeqRange[]];
    return { begun, guarded, exposed, deaths: this.#deaths };
  }

  /** Applications have these in their hands. */
  begin(ranges: readonly SeqRange[]): void {
    for (const { first, last } of ranges) this.#begun.add(first, last);
  }

  /** The parts of a range that applications have in their hands, or had when a process before this one ended. */
  begunOf({ first, last }: SeqRange): SeqRange[] {
    return this.#begun.size === 0 ? [] : this.#begun.parts(first, last);
  }

  /** The parts of a range that are to be begun alone. */
  guardedOf({ first, last }: SeqRange): SeqRange[] {
    return this.#guarded.size === 0 ? [] : this.#guarded.parts(first, last);
  }

  /** A receiver gave an answer for a range, and lived. */
  answered({ first, last }: SeqRange): void {
    if (this.#begun.size > 0) this.#begun.delete(first, last);
    if (this.#guarded.size > 0) this.#guarded.delete(first, last);
    if (this.#exposed.size === 0) return;
    this.#exposed.delete(first, last);
    if (this.#exposed.size === 0) this.#deaths = 0;
  }

  /** A range comes back and its receiver did not die of it. @returns what of it had been begun */
  ended({ first, last }: SeqRange): SeqRange[] {
    return this.#begun.size === 0 ? [] : this.#begun.delete(first, last);
  }

  /**
   * A receiver died, or hangs.
   *
   * @param held all that comes back from it, in order
   * @returns what of that it had begun
   */
  died(held: readonly SeqRange[]): SeqRange[] {
    const begun = held.flatMap((range) => this.ended(range));
    const isExplained = begun.some((range) => this.guardedOf(range).length > 0);
    this.#guard(begun, GUARDED_MAX);
    if (isExplained) {
      // It had nothing else in its hands.
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

  /** Who kills again and again is among those that were there each time. */
  #expose(unsaid: readonly SeqRange[]): void {
    const again = unsaid.flatMap(({ first, last }) => this.#exposed.parts(first, last));
    this.#deaths = again.length > 0 ? this.#deaths + 1 : 1;
    this.#exposed.addAll(unsaid);
    const count = GUARDED_COUNTS[Math.min(this.#deaths, GUARDED_COUNTS.length) - 1]!;
    this.#guard(again.length > 0 ? again : unsaid, count);
  }

  /** The lowest of some are to be begun alone. */
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
 * A range cut at the ends of `inside`; many ranges are cut at those of one set, which is made once. Pure.
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
