import type { Death } from "./dispatcher-events.ts";
import type { SeqRange } from "./range.ts";
import { RangeMap, type Segment } from "./range-map.ts";

/** Ranges of dead letters that are kept, so that what is saved of them stays small (count). */
export const DEAD_RANGES_MAX = 4_096;

/** A dead letter that was copied to the end of its journal. */
export interface Move {
  readonly seq: number;
  /** The seq of the copy. */
  readonly to: number;
  /** The epoch in which the message had its seq. */
  readonly epoch: number;
}

/** Where a dead letter is kept. */
export interface Grave {
  readonly seq: number;
  /** The seq under which the journal has its bytes. */
  readonly at: number;
  /** The epoch in which the message had its seq; 0: that of the batch at `at`. */
  readonly epoch: number;
}

/**
 * The dead letters of a stream, by the seq that they had, and where in the journal their bytes are now.
 *
 * Pure. Invariant: no two are kept at the same place.
 */
export class DeadTable implements Iterable<Segment<Death>> {
  readonly #ranges = new RangeMap<Death>(
    (a, b) =>
      a.attempts === b.attempts &&
      a.reason === b.reason &&
      a.offset === b.offset &&
      a.epoch === b.epoch &&
      a.bytesEach === b.bytesEach,
  );

  constructor(dead: Iterable<Segment<Death>> = []) {
    for (const { first, last, value } of dead) this.#ranges.set(first, last, value);
  }

  /** Dead letters (count). */
  get count(): number {
    return this.#ranges.count;
  }

  /** Ranges of them (count). */
  get size(): number {
    return this.#ranges.size;
  }

  /** The lowest seq under which the journal keeps one; infinite where there is none. */
  get lowestAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const { first, value } of this.#ranges) at = Math.min(at, first + value.offset);
    return at;
  }

  /** About so much room those take that are kept up to `seq` (bytes). */
  bytesUpTo(seq: number): number {
    let bytes = 0;
    for (const { first, last, value } of this.#ranges) {
      const count = Math.min(last, seq - value.offset) - first + 1;
      if (count > 0) bytes += count * value.bytesEach;
    }
    return bytes;
  }

  /** Those that are kept up to `seq`, in the order in which the journal has them. */
  gravesUpTo(seq: number): Grave[] {
    const graves: Grave[] = [];
    for (const { first, last, value } of this.#ranges) {
      const end = Math.min(last, seq - value.offset);
      for (let one = first; one <= end; one++) {
        graves.push({ seq: one, at: one + value.offset, epoch: value.epoch });
      }
    }
    return graves.sort((a, b) => a.at - b.at);
  }

  /** Where a dead letter is kept; null where it is none. */
  graveOf(seq: number): Grave | null {
    const value = this.#ranges.get(seq);
    return value === undefined ? null : { seq, at: seq + value.offset, epoch: value.epoch };
  }

  add({ first, last }: SeqRange, death: Death): void {
    this.#ranges.set(first, last, death);
  }

  /** Forgets what there is of a range. */
  delete({ first, last }: SeqRange): void {
    this.#ranges.take(first, last);
  }

  /** Those of `moves` that are still here are kept elsewhere now. */
  move(moves: readonly Move[]): void {
    for (const { seq, to, epoch } of moves) {
      for (const { value } of this.#ranges.take(seq, seq)) {
        this.#ranges.set(seq, seq, { ...value, offset: to - seq, epoch });
      }
    }
  }

  [Symbol.iterator](): Iterator<Segment<Death>> {
    return this.#ranges[Symbol.iterator]();
  }
}
