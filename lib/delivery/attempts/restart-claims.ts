import type { SeqRange } from "../range/range.ts";
import { RangeSet, rangeSet } from "../range/range-set.ts";

/**
 * What a process before this one may have handed out: whoever still holds it may claim it, until it is clear that nobody
 * does, or it is handed out again.
 *
 * Pure. Costs nothing for each message once all of it is handed out again.
 */
export class RestartClaims {
  /** The last seq that the process before can have sent. */
  readonly #seqBefore: number;
  /** Handed out before, and in nobody's hands here. */
  readonly #restored = new RangeSet();
  /** What was in somebody's hands when that process ended, until it is clear who claims it. */
  readonly #leased: RangeSet;
  /** Of what was in somebody's hands then, that of which no receiver has said anything since. */
  readonly #unheard = new RangeSet();

  /** @param leased what was in somebody's hands */
  constructor(leased: readonly SeqRange[], seqBefore: number) {
    this.#leased = rangeSet(leased);
    this.#seqBefore = seqBefore;
  }

  /** Whether something is unheard of: one of these messages may be why the process before ended. */
  get isUnheard(): boolean {
    return this.#unheard.size > 0;
  }

  /** What was in somebody's hands, while it may yet be claimed. */
  get leased(): RangeSet {
    return this.#leased;
  }

  /** What is known of a range is restored. @param isLeased whether it was in somebody's hands */
  restore({ first, last }: SeqRange, isLeased: boolean): void {
    this.#restored.add(first, last);
    if (isLeased) this.#unheard.add(first, last);
  }

  /** The part of a range that the process before can have sent; null where there is none. */
  sentOf({ first, last }: SeqRange): SeqRange | null {
    const end = Math.min(last, this.#seqBefore);
    return end < first ? null : { first, last: end };
  }

  /** A receiver claims a range. @returns what of it was restored; nobody else can claim that */
  take({ first, last }: SeqRange): SeqRange[] {
    return this.#restored.delete(first, last);
  }

  /** It is clear who claims what: nothing is left to be claimed of what was in somebody's hands. @returns that */
  takeLeased(): SeqRange[] {
    const leased = [...this.#leased];
    this.#leased.clear();
    return leased;
  }

  /** A range is handed out again: nobody may claim it any more. */
  handedOut({ first, last }: SeqRange): void {
    if (this.#restored.size > 0) this.#restored.delete(first, last);
  }

  /** A receiver said something of a range, and lived. */
  heard({ first, last }: SeqRange): void {
    if (this.#unheard.size > 0) this.#unheard.delete(first, last);
  }
}
