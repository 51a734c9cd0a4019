import type { SeqRange } from "./range.ts";
import { RangeSet } from "./range-set.ts";
import type { WindowItem } from "./window-events.ts";

/**
 * Messages that wait for the application, in order of seq.
 *
 * Pure. Invariant: items are not empty, do not overlap, and are sorted. Adding at the end and taking at the
 * front, which is what happens without failures, take constant time.
 */
export class WaitingItems<P> {
  readonly #items: WindowItem<P>[] = [];
  #head = 0;
  #count = 0;

  /** Messages (count). */
  get count(): number {
    return this.#count;
  }

  /** The lowest seq; null where nothing waits. */
  get first(): number | null {
    return this.#items[this.#head]?.first ?? null;
  }

  /** The seqs of all that waits, in order. */
  ranges(): SeqRange[] {
    const ranges = new RangeSet();
    for (const { first, last } of this.#items.slice(this.#head)) ranges.add(first, last);
    return [...ranges];
  }

  /** The parts of a range that do not wait here, in order. */
  gaps(range: SeqRange): SeqRange[] {
    const newest = this.#items[this.#items.length - 1];
    if (this.#count === 0 || newest === undefined || newest.last < range.first) return [range];
    const waiting = new RangeSet();
    waiting.addAll(this.ranges());
    return waiting.gaps(range.first, range.last);
  }

  /** Adds messages of which none waits here. */
  insert(item: WindowItem<P>): void {
    const { first, last, attempt, batch } = item;
    const added = { first, last, attempt, batch };
    let at = this.#items.length;
    while (at > this.#head && this.#items[at - 1]!.first > first) at -= 1;
    if (at === this.#items.length) this.#items.push(added);
    else this.#items.splice(at, 0, added);
    this.#count += last - first + 1;
  }

  /**
   * Takes the lowest messages out: an item, or the part of it up to a bound.
   *
   * @param limits most messages (count), and the last seq that may be among them, which is not below `first`
   * @returns null where nothing waits
   */
  take(limits: { readonly count: number; readonly last: number }): WindowItem<P> | null {
    const item = this.#items[this.#head];
    if (item === undefined) return null;
    const { first } = item;
    const last = Math.min(item.last, first + limits.count - 1, limits.last);
    this.#count -= last - first + 1;
    if (last < item.last) {
      this.#items[this.#head] = { ...item, first: last + 1 };
      return { ...item, last };
    }
    this.#shift();
    return item;
  }

  /** Forgets what waits of a range. */
  drop(first: number, last: number): void {
    if (this.#count === 0) return;
    const kept: WindowItem<P>[] = [];
    for (const item of this.#items.slice(this.#head)) {
      if (item.last < first || item.first > last) {
        kept.push(item);
        continue;
      }
      if (item.first < first) kept.push({ ...item, last: first - 1 });
      if (item.last > last) kept.push({ ...item, first: last + 1 });
    }
    this.clear();
    for (const item of kept) this.insert(item);
  }

  clear(): void {
    this.#items.length = 0;
    this.#head = 0;
    this.#count = 0;
  }

  #shift(): void {
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
