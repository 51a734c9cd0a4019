import type { SeqRange } from "../range/range.ts";
import { RangeMap, type ValuedRange } from "../range/range-map.ts";

/** Limit on the ranges of a table, so that memory is bounded; see `isFull` and `backOff` (count). */
export const TABLE_RANGES_MAX = 16_384;
/** Share of the ranges in back-off that become ready early if there are too many (part of 1). */
const WOKEN_PART = 1 / 16;

/** Properties of messages that no receiver holds. */
export interface Unheld {
  /** Attempts so far (count). */
  readonly attempts: number;
  /** Size of each message (bytes); 0 where it is not known yet. */
  readonly bytesEach: number;
}

/** Given back, and in back-off until `dueMs`. */
export interface BackingOff extends Unheld {
  readonly dueMs: number;
}

/**
 * The messages of a stream that are still to be dispatched: for the first time, again, or again after a back-off.
 *
 * Owns these three tables for `MessageTables`, which owns what is settled, dead or claimed beside them.
 *
 * Pure. Invariant: a seq is in at most one of the three tables.
 */
export class UnheldMessages {
  /** Never dispatched. Each batch has a value of its own, so that batches are not merged. */
  readonly fresh: RangeMap<Unheld> = new RangeMap();
  /** To be dispatched again. */
  readonly ready: RangeMap<Unheld> = new RangeMap(
    (a, b) => a.attempts === b.attempts && a.bytesEach === b.bytesEach,
  );
  readonly #backingOff = new RangeMap<BackingOff>(
    (a, b) => a.attempts === b.attempts && a.dueMs === b.dueMs && a.bytesEach === b.bytesEach,
  );

  /** Ranges to be dispatched again, those in back-off included (count). */
  get size(): number {
    return this.ready.size + this.#backingOff.size;
  }

  /** The lowest seq; infinite where there is none. */
  get first(): number {
    const tables = [this.ready, this.#backingOff, this.fresh];
    return Math.min(...tables.map((table) => table.lowest?.first ?? Number.POSITIVE_INFINITY));
  }

  /** The ranges in back-off, in order. */
  backingOff(): ValuedRange<BackingOff>[] {
    return [...this.#backingOff];
  }

  /** Restores a range that was in back-off when an earlier process saved its state. */
  restore({ first, last }: SeqRange, backOff: BackingOff): void {
    this.#backingOff.set(first, last, backOff);
  }

  /** A range is in back-off until `dueMs`. If there are too many such ranges, the back-offs that end first end now. */
  backOff(range: SeqRange, backOff: BackingOff): void {
    this.#backingOff.set(range.first, range.last, backOff);
    if (this.#backingOff.size <= TABLE_RANGES_MAX) return;
    const dues = this.backingOff()
      .map(({ value }) => value.dueMs)
      .sort((a, b) => a - b);
    this.wake(dues[Math.floor(TABLE_RANGES_MAX * WOKEN_PART)]!);
  }

  /** Makes messages ready whose back-off has ended. @returns when the next back-off ends (ms) */
  wake(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { first, last, value } of this.backingOff()) {
      if (value.dueMs > nowMs) nextMs = Math.min(nextMs, value.dueMs);
      else {
        this.#backingOff.take(first, last);
        const { attempts, bytesEach } = value;
        this.ready.set(first, last, { attempts, bytesEach });
      }
    }
    return nextMs;
  }

  /** Sets the size (bytes) of messages that were restored before they were fed. */
  sized(range: SeqRange, bytesEach: number): void {
    setSize(this.ready, range, bytesEach);
    setSize(this.#backingOff, range, bytesEach);
  }

  /** Removes the parts of a range that are to be dispatched again. @returns those ready, then those in back-off */
  takeAgain({ first, last }: SeqRange): ValuedRange<Unheld>[] {
    return [...this.ready.take(first, last), ...this.#backingOff.take(first, last)];
  }

  /** Removes a range from all tables. */
  take({ first, last }: SeqRange): SeqRange[] {
    return [...this.takeAgain({ first, last }), ...this.fresh.take(first, last)];
  }

  /** Removes the oldest messages. @returns at most `count` of them */
  takeOldest(count: number): SeqRange[] {
    const taken: SeqRange[] = [];
    for (let left = count; left > 0; ) {
      const lowest = [this.ready, this.#backingOff, this.fresh]
        .filter((table) => table.size > 0)
        .sort((a, b) => a.lowest!.first - b.lowest!.first)[0];
      if (lowest === undefined) break;
      const { first, last } = lowest.lowest!;
      const end = Math.min(last, first + left - 1);
      lowest.take(first, end);
      taken.push({ first, last: end });
      left -= end - first + 1;
    }
    return taken;
  }

  /** All messages to be dispatched again, and those to be dispatched for the first time up to `highest`; unordered. */
  upTo(highest: number): SeqRange[] {
    return [...this.ready, ...this.#backingOff, ...this.fresh.parts(1, highest)];
  }
}

function setSize<V extends Unheld>(
  table: RangeMap<V>,
  { first, last }: SeqRange,
  bytesEach: number,
): void {
  for (const part of table.take(first, last)) {
    table.set(part.first, part.last, { ...part.value, bytesEach });
  }
}
