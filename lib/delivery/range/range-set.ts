import type { SeqRange } from "./range.ts";
import { RangeMap } from "./range-map.ts";

/**
 * A set of seqs, kept as ranges.
 *
 * Pure. Invariant: ranges are disjoint, sorted, and never touch each other.
 */
export class RangeSet implements Iterable<SeqRange> {
  readonly #map = new RangeMap<true>();

  /** Ranges (count). */
  get size(): number {
    return this.#map.size;
  }

  /** Seqs (count). */
  get count(): number {
    return this.#map.count;
  }

  get lowest(): SeqRange | null {
    return this.#map.lowest;
  }

  get highest(): SeqRange | null {
    return this.#map.highest;
  }

  has(seq: number): boolean {
    return this.#map.has(seq);
  }

  add(first: number, last: number): void {
    this.#map.set(first, last, true);
  }

  addAll(ranges: Iterable<SeqRange>): void {
    for (const range of ranges) this.#map.set(range.first, range.last, true);
  }

  /** Removes a range. @returns the parts of it that were in the set, in order */
  delete(first: number, last: number): SeqRange[] {
    return this.#map.take(first, last);
  }

  /** The parts of a range that are in the set, in order. */
  parts(first: number, last: number): SeqRange[] {
    return this.#map.parts(first, last);
  }

  /** The parts of a range that are not in the set, in order. */
  gaps(first: number, last: number): SeqRange[] {
    return this.#map.gaps(first, last);
  }

  clear(): void {
    this.#map.clear();
  }

  [Symbol.iterator](): Iterator<SeqRange> {
    return this.#map[Symbol.iterator]();
  }
}

/** @returns a new set of some ranges, in any order */
export function rangeSet(ranges: Iterable<SeqRange>): RangeSet {
  const set = new RangeSet();
  set.addAll(ranges);
  return set;
}

/** Pure. @returns the parts of `ranges` that are in none of `others`, in the order of `ranges` */
export function without(ranges: readonly SeqRange[], others: readonly SeqRange[]): SeqRange[] {
  const known = rangeSet(others);
  return ranges.flatMap(({ first, last }) => known.gaps(first, last));
}
