import type { SeqRange } from "../range/range.ts";
import { RangeSet } from "../range/range-set.ts";
import type { WindowItem } from "./window-events.ts";

/** Identity and size of batches. */
export interface BatchMeasure<P> {
  /** @returns a number that no other batch has */
  readonly keyOf: (batch: P) => number;
  /** @returns the memory that the batch takes as long as any of its messages waits (bytes) */
  readonly bytesOf: (batch: P) => number;
}

/**
 * Messages that wait for the application, in order of seq.
 *
 * Pure. Invariant: items are not empty, do not overlap, and are sorted. Adding at the end and taking at the
 * front, the only operations without failures, take constant time.
 */
export class WaitingItems<P> {
  /** Entries before `#head` have been taken, and are null. */
  readonly #items: (WindowItem<P> | null)[] = [];
  #head = 0;
  #count = 0;
  /**
   * Waiting items of each batch (count), by a number and not by the batch itself: the tables that an old map has
   * replaced still refer to their keys, and would keep all bytes of the batches until a collection of the whole heap.
   *
   * @see docs/decisions/0081-garbage-kept-by-old-objects.md
   */
  readonly #batches = new Map<number, number>();
  #bytes = 0;
  readonly #measure: BatchMeasure<P>;

  constructor(measure: BatchMeasure<P>) {
    this.#measure = measure;
  }

  /** Messages (count). */
  get count(): number {
    return this.#count;
  }

  /** All batches of which at least one message waits (bytes). */
  get bytes(): number {
    return this.#bytes;
  }

  /** The lowest seq; null where nothing waits. */
  get first(): number | null {
    return this.#items[this.#head]?.first ?? null;
  }

  /** Whether the lowest message is guarded. */
  get isGuarded(): boolean {
    return this.#items[this.#head]?.guarded ?? false;
  }

  /** The ranges of all waiting messages, in order. */
  ranges(): SeqRange[] {
    const ranges = new RangeSet();
    for (const { first, last } of this.#waiting()) ranges.add(first, last);
    return [...ranges];
  }

  /** The parts of a range that do not wait here, in order. */
  gaps({ first, last }: SeqRange): SeqRange[] {
    const gaps: SeqRange[] = [];
    let next = first;
    for (let at = this.#find(first); at < this.#items.length; at++) {
      const item = this.#items[at]!;
      if (item.first > last) break;
      if (item.first > next) gaps.push({ first: next, last: item.first - 1 });
      next = item.last + 1;
    }
    if (next <= last) gaps.push({ first: next, last });
    return gaps;
  }

  /** Adds messages, none of which waits here yet. */
  insert(item: WindowItem<P>): void {
    const { first, last, attempt, guarded, batch } = item;
    const added = { first, last, attempt, guarded, batch };
    const at = this.#find(first);
    if (at === this.#items.length) this.#items.push(added);
    else this.#items.splice(at, 0, added);
    this.#count += last - first + 1;
    const key = this.#measure.keyOf(batch);
    const items = this.#batches.get(key) ?? 0;
    this.#batches.set(key, items + 1);
    if (items === 0) this.#bytes += this.#measure.bytesOf(batch);
  }

  /**
   * Removes the lowest messages: an item, or its part up to the limits.
   *
   * @param limits most messages (count), and the last seq that may be among them, which is not below `first`
   * @returns null where nothing waits
   */
  take(limits: { readonly count: number; readonly last: number }): WindowItem<P> | null {
    const item = this.#items[this.#head] ?? null;
    if (item === null) return null;
    const { first } = item;
    const last = Math.min(item.last, first + limits.count - 1, limits.last);
    this.#count -= last - first + 1;
    if (last < item.last) {
      this.#items[this.#head] = { ...item, first: last + 1 };
      return { ...item, last };
    }
    this.#shift(item.batch);
    return item;
  }

  /** Removes the waiting messages of a range. */
  drop(first: number, last: number): void {
    this.dropAll([{ first, last }]);
  }

  /** Removes the waiting messages of these ranges in one pass: a pass for each range would cost as much. */
  dropAll(ranges: readonly SeqRange[]): void {
    if (this.#count === 0) return;
    const dropped = new RangeSet();
    dropped.addAll(ranges);
    const items = this.#waiting();
    this.clear();
    for (const item of items) {
      for (const kept of dropped.gaps(item.first, item.last)) this.insert({ ...item, ...kept });
    }
  }

  clear(): void {
    this.#items.length = 0;
    this.#head = 0;
    this.#count = 0;
    this.#batches.clear();
    this.#bytes = 0;
  }

  /** The index of the first item that ends at or after a seq. */
  #find(seq: number): number {
    const items = this.#items;
    let low = this.#head;
    let high = items.length;
    if (low === high || items[high - 1]!.last < seq) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (items[middle]!.last < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #waiting(): WindowItem<P>[] {
    return this.#items.slice(this.#head) as WindowItem<P>[];
  }

  #shift(batch: P): void {
    const key = this.#measure.keyOf(batch);
    const items = this.#batches.get(key)! - 1;
    if (items > 0) this.#batches.set(key, items);
    else {
      this.#batches.delete(key);
      this.#bytes -= this.#measure.bytesOf(batch);
    }
    // The array must not keep the item in memory after it is taken.
    this.#items[this.#head] = null;
    this.#head += 1;
    if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
