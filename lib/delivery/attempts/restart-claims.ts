import type { SeqRange } from "../range/range.ts";
import { RangeSet, rangeSet } from "../range/range-set.ts";

/**
 * The messages that an earlier process of the sender may have dispatched. A receiver that still holds one may claim it,
 * until it is clear that none does, or the message is dispatched again.
 *
 * Pure. No cost per message once all of them have been dispatched again.
 */
export class RestartClaims {
  /** The last seq that the earlier process can have sent. */
  readonly #seqBefore: number;
  /** Known from its saved state, and neither claimed nor dispatched by this process yet. */
  readonly #restored = new RangeSet();
  /** Leased when that process ended; empty once it is clear which of them are claimed. */
  readonly #leased: RangeSet;
  /** Leased when that process ended, and not settled or returned since. */
  readonly #unheard = new RangeSet();

  /** @param leased the ranges leased when the earlier process ended */
  constructor(leased: readonly SeqRange[], seqBefore: number) {
    this.#leased = rangeSet(leased);
    this.#seqBefore = seqBefore;
  }

  /** Whether some leased messages were not settled or returned since: one may be why the earlier process ended. */
  get isUnheard(): boolean {
    return this.#unheard.size > 0;
  }

  /** The ranges leased when the earlier process ended, while they may still be claimed. */
  get leased(): RangeSet {
    return this.#leased;
  }

  /** Restores a range of the saved state. @param isLeased whether it was leased then */
  restore({ first, last }: SeqRange, isLeased: boolean): void {
    this.#restored.add(first, last);
    if (isLeased) this.#unheard.add(first, last);
  }

  /** The part of a range that the earlier process can have sent; null where there is none. */
  sentOf({ first, last }: SeqRange): SeqRange | null {
    const end = Math.min(last, this.#seqBefore);
    return end < first ? null : { first, last: end };
  }

  /** A receiver claims a range. @returns the restored parts of it, which cannot be claimed again */
  take({ first, last }: SeqRange): SeqRange[] {
    return this.#restored.delete(first, last);
  }

  /** All claims have arrived, or their time is over. @returns the leased ranges, which are no longer kept here */
  takeLeased(): SeqRange[] {
    const leased = [...this.#leased];
    this.#leased.clear();
    return leased;
  }

  /** A range is dispatched again: it can no longer be claimed. */
  dispatched({ first, last }: SeqRange): void {
    if (this.#restored.size > 0) this.#restored.delete(first, last);
  }

  /** A range was settled or returned. */
  heard({ first, last }: SeqRange): void {
    if (this.#unheard.size > 0) this.#unheard.delete(first, last);
  }
}
