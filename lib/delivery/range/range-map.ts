import type { SeqRange } from "./range.ts";

/** Seqs that share a value. */
export interface Segment<V> extends SeqRange {
  readonly value: V;
}

/**
 * Values for ranges of seqs, in order of seq: what is true of a thousand messages costs as much as what
 * is true of one.
 *
 * Pure. Invariant: segments are not empty, do not overlap, and are sorted; neighbours with equal values
 * are one segment. Adding at the end and removing at the front, which is what a fast consumer does, take
 * constant time; elsewhere the time is that of moving the segments behind.
 */
export class RangeMap<V> implements Iterable<Segment<V>> {
  #segments: Segment<V>[] = [];
  #head = 0;
  #count = 0;
  readonly #equal: (a: V, b: V) => boolean;

  /** @param equal whether neighbours with such values may become one segment */
  constructor(equal: (a: V, b: V) => boolean = Object.is) {
    this.#equal = equal;
  }

  /** Segments (count). */
  get size(): number {
    return this.#segments.length - this.#head;
  }

  /** Seqs in all segments (count). */
  get count(): number {
    return this.#count;
  }

  /** The lowest segment; null where there is none. */
  get lowest(): Segment<V> | null {
    return this.#segments[this.#head] ?? null;
  }

  /** The highest segment; null where there is none. */
  get highest(): Segment<V> | null {
    return this.size === 0 ? null : this.#segments[this.#segments.length - 1]!;
  }

  get(seq: number): V | undefined {
    const segment = this.#segments[this.#find(seq)];
    return segment !== undefined && segment.first <= seq ? segment.value : undefined;
  }

  has(seq: number): boolean {
    const segment = this.#segments[this.#find(seq)];
    return segment !== undefined && segment.first <= seq;
  }

  /** Gives a range a value, whatever it had before. */
  set(first: number, last: number, value: V): void {
    const { highest } = this;
    if (highest !== null && first <= highest.last) this.take(first, last);
    const segments = this.#segments;
    const at = this.#find(first);
    let from = first;
    let to = last;
    let start = at;
    let end = at;
    const before = at > this.#head ? segments[at - 1]! : null;
    if (before !== null && before.last === first - 1 && this.#equal(before.value, value)) {
      from = before.first;
      start = at - 1;
    }
    const after = segments[at];
    if (after !== undefined && after.first === last + 1 && this.#equal(after.value, value)) {
      to = after.last;
      end = at + 1;
    }
    const segment = { first: from, last: to, value };
    if (start === segments.length) segments.push(segment);
    else segments.splice(start, end - start, segment);
    this.#count += last - first + 1;
  }

  /**
   * Takes out what there is of a range.
   *
   * @returns the parts that were there, with their values, in order
   */
  take(first: number, last: number): Segment<V>[] {
    const taken: Segment<V>[] = [];
    const start = this.#find(first);
    let end = start;
    const left: Segment<V>[] = [];
    for (; end < this.#segments.length; end++) {
      const segment = this.#segments[end]!;
      if (segment.first > last) break;
      const { value } = segment;
      if (segment.first < first) left.push({ first: segment.first, last: first - 1, value });
      const part = { first: Math.max(first, segment.first), last: Math.min(last, segment.last) };
      taken.push({ ...part, value });
      this.#count -= part.last - part.first + 1;
      if (segment.last > last) left.push({ first: last + 1, last: segment.last, value });
    }
    if (end > start) this.#replace(start, end, left);
    return taken;
  }

  /** The parts of a range that are there, in order. */
  parts(first: number, last: number): Segment<V>[] {
    const found: Segment<V>[] = [];
    for (let at = this.#find(first); at < this.#segments.length; at++) {
      const segment = this.#segments[at]!;
      if (segment.first > last) break;
      const part = { first: Math.max(first, segment.first), last: Math.min(last, segment.last) };
      found.push({ ...part, value: segment.value });
    }
    return found;
  }

  /** The parts of a range that are not there, in order. */
  gaps(first: number, last: number): SeqRange[] {
    const gaps: SeqRange[] = [];
    let next = first;
    for (const part of this.parts(first, last)) {
      if (part.first > next) gaps.push({ first: next, last: part.first - 1 });
      next = part.last + 1;
    }
    if (next <= last) gaps.push({ first: next, last });
    return gaps;
  }

  clear(): void {
    this.#segments = [];
    this.#head = 0;
    this.#count = 0;
  }

  *[Symbol.iterator](): Iterator<Segment<V>> {
    for (let at = this.#head; at < this.#segments.length; at++) yield this.#segments[at]!;
  }

  /** @returns the index of the first segment that ends at or after `seq` */
  #find(seq: number): number {
    const segments = this.#segments;
    let low = this.#head;
    let high = segments.length;
    if (low < high && segments[low]!.last >= seq) return low;
    if (low < high && segments[high - 1]!.last < seq) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (segments[middle]!.last < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #replace(start: number, end: number, left: readonly Segment<V>[]): void {
    if (start === this.#head && left.length === 0) {
      this.#head = end;
      if (this.#head === this.#segments.length) this.clear();
      else if (this.#head > 64 && this.#head * 2 > this.#segments.length) {
        this.#segments.splice(0, this.#head);
        this.#head = 0;
      }
    } else this.#segments.splice(start, end - start, ...left);
  }
}
