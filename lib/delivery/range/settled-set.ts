import type { SeqRange } from "./range.ts";
import type { ValuedRange } from "./range-map.ts";
import { RangeSet } from "./range-set.ts";

/**
 * The settled seqs of a stream: all up to a floor, which rises automatically, and some above it.
 *
 * Pure. Invariant: the seq after the floor is not settled, so the set is as short as possible.
 */
export class SettledSet {
  #floor: number;
  readonly #above = new RangeSet();

  constructor(floor: number, settled: readonly SeqRange[]) {
    this.#floor = floor;
    this.#above.addAll(settled);
    this.#raiseFloor();
  }

  /** Every seq up to this one is settled. */
  get floor(): number {
    return this.#floor;
  }

  /** Seqs (count). */
  get count(): number {
    return this.#floor + this.#above.count;
  }

  /** Ranges above the floor (count). */
  get size(): number {
    return this.#above.size;
  }

  /** The ranges above the floor, in order. */
  above(): SeqRange[] {
    return [...this.#above];
  }

  add({ first, last }: SeqRange): void {
    if (first !== this.#floor + 1) {
      this.#above.add(first, last);
      return;
    }
    this.#floor = last;
    this.#raiseFloor();
  }

  /** The parts of a range that are settled, in order. */
  parts({ first, last }: SeqRange): SeqRange[] {
    const above = this.#above.parts(Math.max(first, this.#floor + 1), last);
    if (first > this.#floor) return above;
    return [{ first, last: Math.min(last, this.#floor) }, ...above];
  }

  /** The parts of a range that are not settled, in order. */
  gaps({ first, last }: SeqRange): SeqRange[] {
    return this.#above.gaps(Math.max(first, this.#floor + 1), last);
  }

  /**
   * Merges neighbouring ranges with equal values if every seq between them is settled, so that scattered acks do not
   * make the saved state longer.
   */
  join(ranges: readonly ValuedRange<number>[]): ValuedRange<number>[] {
    const joined: ValuedRange<number>[] = [];
    for (const range of ranges) {
      const before = joined.at(-1);
      const isNext =
        before?.value === range.value &&
        this.#above.gaps(before.last + 1, range.first - 1).length === 0;
      if (isNext) joined[joined.length - 1] = { ...range, first: before.first };
      else joined.push(range);
    }
    return joined;
  }

  #raiseFloor(): void {
    const next = this.#above.lowest;
    if (next === null || next.first !== this.#floor + 1) return;
    this.#floor = next.last;
    this.#above.delete(next.first, next.last);
  }
}
