import type { SeqRange } from "./range.ts";

/** A range of seqs that share a value. */
export interface ValuedRange<V> extends SeqRange {
  readonly value: V;
}

/** Default limit on the ranges of a chunk, and so on those that a change in the middle moves (count). */
const CHUNK_MAX = 512;

/**
 * Maps ranges of seqs to values, in order of seq: a value of a thousand messages costs as much as a value
 * of one.
 *
 * Pure. Invariant: ranges are not empty, do not overlap, and are sorted; neighbours with equal values
 * are one range. Adding at the end and removing at the front, the operations of a fast consumer, take
 * constant time; elsewhere the time is that of moving the later ranges of the chunk, and the later chunks.
 */
export class RangeMap<V> implements Iterable<ValuedRange<V>> {
  /** In order; at least one, and none is empty if there are several. */
  #chunks: ValuedRange<V>[][] = [[]];
  /** Index of the first range in the first chunk; earlier entries were removed. */
  #head = 0;
  #size = 0;
  #count = 0;
  /** The result of the last search: the index of the chunk, and the index in it. */
  #chunkAt = 0;
  #at = 0;
  readonly #equal: (a: V, b: V) => boolean;
  readonly #chunkMax: number;

  /**
   * @param equal whether neighbours with these values are merged into one range
   * @param chunkMax limit on the ranges of a chunk (count)
   */
  constructor(equal: (a: V, b: V) => boolean = Object.is, chunkMax: number = CHUNK_MAX) {
    this.#equal = equal;
    this.#chunkMax = chunkMax;
  }

  /** Valued ranges (count). */
  get size(): number {
    return this.#size;
  }

  /** Seqs in all ranges (count). */
  get count(): number {
    return this.#count;
  }

  /** The lowest range; null where there is none. */
  get lowest(): ValuedRange<V> | null {
    return this.#chunks[0]![this.#head] ?? null;
  }

  /** The highest range; null where there is none. */
  get highest(): ValuedRange<V> | null {
    if (this.#size === 0) return null;
    const chunk = this.#chunks[this.#chunks.length - 1]!;
    return chunk[chunk.length - 1]!;
  }

  get(seq: number): V | undefined {
    this.#find(seq);
    const range = this.#chunks[this.#chunkAt]![this.#at];
    return range !== undefined && range.first <= seq ? range.value : undefined;
  }

  has(seq: number): boolean {
    this.#find(seq);
    const range = this.#chunks[this.#chunkAt]![this.#at];
    return range !== undefined && range.first <= seq;
  }

  /** Sets the value of a range, and replaces all previous values in it. */
  set(first: number, last: number, value: V): void {
    const { highest } = this;
    if (highest !== null && first <= highest.last) this.take(first, last);
    this.#find(first);
    const [chunkAt, at] = [this.#chunkAt, this.#at];
    const chunk = this.#chunks[chunkAt]!;
    const isInside = at > this.#startOf(chunkAt);
    const left = isInside ? chunk : this.#chunks[chunkAt - 1];
    const leftAt = isInside ? at - 1 : (left?.length ?? 0) - 1;
    const before = left?.[leftAt];
    const after = chunk[at];
    this.#count += last - first + 1;
    const joinsAfter =
      after !== undefined && after.first === last + 1 && this.#equal(after.value, value);
    const to = joinsAfter ? after.last : last;
    if (before !== undefined && before.last === first - 1 && this.#equal(before.value, value)) {
      left![leftAt] = { first: before.first, last: to, value };
      if (joinsAfter) this.#replace(chunkAt, { start: at, end: at + 1, left: [] });
    } else if (joinsAfter) chunk[at] = { first, last: to, value };
    else this.#insert(chunkAt, at, { first, last, value });
  }

  /**
   * Removes a range.
   *
   * @returns the parts of it that had values, in order
   */
  take(first: number, last: number): ValuedRange<V>[] {
    const taken: ValuedRange<V>[] = [];
    this.#find(first);
    let [chunkAt, start] = [this.#chunkAt, this.#at];
    let isThrough = false;
    while (!isThrough && chunkAt < this.#chunks.length) {
      const chunk = this.#chunks[chunkAt]!;
      const left: ValuedRange<V>[] = [];
      let end = start;
      for (; end < chunk.length && !isThrough; end++) {
        const range = chunk[end]!;
        if (range.first > last) break;
        const { value } = range;
        if (range.first < first) left.push({ first: range.first, last: first - 1, value });
        const part = { first: Math.max(first, range.first), last: Math.min(last, range.last) };
        taken.push({ ...part, value });
        this.#count -= part.last - part.first + 1;
        if (range.last > last) left.push({ first: last + 1, last: range.last, value });
        isThrough = range.last >= last;
      }
      isThrough ||= end < chunk.length;
      if (end === start) break;
      if (!this.#replace(chunkAt, { start, end, left })) chunkAt += 1;
      start = 0;
    }
    return taken;
  }

  /** The parts of a range that have values, in order. */
  parts(first: number, last: number): ValuedRange<V>[] {
    const found: ValuedRange<V>[] = [];
    this.#find(first);
    let at = this.#at;
    for (let chunkAt = this.#chunkAt; chunkAt < this.#chunks.length; chunkAt++) {
      const chunk = this.#chunks[chunkAt]!;
      for (; at < chunk.length; at++) {
        const range = chunk[at]!;
        if (range.first > last) return found;
        const part = { first: Math.max(first, range.first), last: Math.min(last, range.last) };
        found.push({ ...part, value: range.value });
      }
      at = 0;
    }
    return found;
  }

  /** The parts of a range that have no value, in order. */
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
    this.#chunks = [[]];
    this.#head = 0;
    this.#size = 0;
    this.#count = 0;
  }

  *[Symbol.iterator](): Iterator<ValuedRange<V>> {
    for (let chunkAt = 0; chunkAt < this.#chunks.length; chunkAt++) {
      const chunk = this.#chunks[chunkAt]!;
      for (let at = this.#startOf(chunkAt); at < chunk.length; at++) yield chunk[at]!;
    }
  }

  #startOf(chunkAt: number): number {
    return chunkAt === 0 ? this.#head : 0;
  }

  /** Finds the first range that ends at or after `seq`; if there is none, the end of the last chunk. */
  #find(seq: number): void {
    const chunks = this.#chunks;
    let chunkAt = 0;
    if (chunks.length > 1) {
      let high = chunks.length - 1;
      while (chunkAt < high) {
        const middle = (chunkAt + high) >>> 1;
        const chunk = chunks[middle]!;
        if (chunk[chunk.length - 1]!.last < seq) chunkAt = middle + 1;
        else high = middle;
      }
    }
    this.#chunkAt = chunkAt;
    this.#at = placeIn(chunks[chunkAt]!, this.#startOf(chunkAt), seq);
  }

  #insert(chunkAt: number, at: number, range: ValuedRange<V>): void {
    const chunk = this.#chunks[chunkAt]!;
    this.#size += 1;
    if (at < chunk.length) chunk.splice(at, 0, range);
    else if (at - this.#startOf(chunkAt) < this.#chunkMax) chunk.push(range);
    // The end of the last chunk, which stays full: a new one begins.
    else this.#chunks.push([range]);
    this.#split(chunkAt);
  }

  /** Replaces some ranges of a chunk by at most two others. @returns whether the chunk was removed */
  #replace(chunkAt: number, { start, end, left }: Replaced<V>): boolean {
    const chunk = this.#chunks[chunkAt]!;
    const head = this.#startOf(chunkAt);
    this.#size += left.length - (end - start);
    const isFront = start === head && left.length === 0;
    if (isFront && end === chunk.length) {
      if (chunkAt === 0) this.#head = 0;
      if (this.#chunks.length === 1) this.#chunks = [[]];
      else this.#chunks.splice(chunkAt, 1);
      return true;
    }
    if (isFront && chunkAt === 0) {
      this.#head = end;
      if (end > 64 && end * 2 > chunk.length) this.#cutHead();
    } else chunk.splice(start, end - start, ...left);
    this.#split(chunkAt);
    return false;
  }

  /** Splits a chunk that has become too long. */
  #split(chunkAt: number): void {
    if (this.#chunks[chunkAt]!.length - this.#startOf(chunkAt) <= this.#chunkMax) return;
    if (chunkAt === 0) this.#cutHead();
    const chunk = this.#chunks[chunkAt]!;
    this.#chunks.splice(chunkAt + 1, 0, chunk.splice(chunk.length >>> 1));
  }

  #cutHead(): void {
    this.#chunks[0]!.splice(0, this.#head);
    this.#head = 0;
  }
}

interface Replaced<V> {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly left: readonly ValuedRange<V>[];
}

/** @returns the index of the first range of a sorted list, from `start` on, that ends at or after `seq` */
function placeIn(ranges: readonly SeqRange[], start: number, seq: number): number {
  let low = start;
  let high = ranges.length;
  if (low < high && ranges[low]!.last >= seq) return low;
  if (low < high && ranges[high - 1]!.last < seq) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle]!.last < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}
