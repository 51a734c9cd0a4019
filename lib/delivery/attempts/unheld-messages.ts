import type { SeqRange } from "../range/range.ts";
import { RangeMap, type Segment } from "../range/range-map.ts";

/** Ranges that a table has room for, so that memory is bounded; see `isFull` and `rest` (count). */
export const TABLE_RANGES_MAX = 16_384;
/** Where too many rest, so large a part of them is woken early (part of 1). */
const WOKEN_PART = 1 / 16;

/** Messages that nobody holds. */
export interface Unheld {
  /** How often they have been begun (count). */
  readonly attempts: number;
  /** Size of each; 0 where it is not known yet. */
  readonly bytesEach: number;
}

/** Given back, and resting until a time. */
export interface Rest extends Unheld {
  readonly dueMs: number;
}

/**
 * The messages of a stream that are still to be handed out: for the first time, again, or again after a rest.
 *
 * Pure. Invariant: a seq is in at most one of the three tables.
 */
export class UnheldMessages {
  /** Never handed out; each batch has a value of its own. */
  readonly fresh: RangeMap<Unheld> = new RangeMap();
  /** To be handed out again. */
  readonly ready: RangeMap<Unheld> = new RangeMap(
    (a, b) => a.attempts === b.attempts && a.bytesEach === b.bytesEach,
  );
  readonly #resting = new RangeMap<Rest>(
    (a, b) => a.attempts === b.attempts && a.dueMs === b.dueMs && a.bytesEach === b.bytesEach,
  );

  /** Ranges of what was handed out before (count). */
  get size(): number {
    return this.ready.size + this.#resting.size;
  }

  /** The lowest seq; infinite where there is none. */
  get first(): number {
    const tables = [this.ready, this.#resting, this.fresh];
    return Math.min(...tables.map((table) => table.lowest?.first ?? Number.POSITIVE_INFINITY));
  }

  /** What rests, in order. */
  resting(): Segment<Rest>[] {
    return [...this.#resting];
  }

  /** A range rested when the process before this one saved that. */
  restore({ first, last }: SeqRange, rest: Rest): void {
    this.#resting.set(first, last, rest);
  }

  /** A range may be tried again at `dueMs`; where too many rest, the rests that end first end now. */
  rest(range: SeqRange, rest: Rest): void {
    this.#resting.set(range.first, range.last, rest);
    if (this.#resting.size <= TABLE_RANGES_MAX) return;
    const dues = this.resting()
      .map(({ value }) => value.dueMs)
      .sort((a, b) => a - b);
    this.wake(dues[Math.floor(TABLE_RANGES_MAX * WOKEN_PART)]!);
  }

  /** Makes ready what has rested long enough. @returns when the next rest ends (ms) */
  wake(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { first, last, value } of this.resting()) {
      if (value.dueMs > nowMs) nextMs = Math.min(nextMs, value.dueMs);
      else {
        this.#resting.take(first, last);
        const { attempts, bytesEach } = value;
        this.ready.set(first, last, { attempts, bytesEach });
      }
    }
    return nextMs;
  }

  /** The size of messages that were dealt with before they were at hand is known now. */
  sized(range: SeqRange, bytesEach: number): void {
    setSize(this.ready, range, bytesEach);
    setSize(this.#resting, range, bytesEach);
  }

  /** Takes out what is to be handed out again of a range, those that rest last. */
  takeAgain({ first, last }: SeqRange): Segment<Unheld>[] {
    return [...this.ready.take(first, last), ...this.#resting.take(first, last)];
  }

  /** Takes out all of a range. */
  take({ first, last }: SeqRange): SeqRange[] {
    return [...this.takeAgain({ first, last }), ...this.fresh.take(first, last)];
  }

  /** Takes out the oldest messages. @returns at most `count` of them */
  takeOldest(count: number): SeqRange[] {
    const taken: SeqRange[] = [];
    for (let left = count; left > 0; ) {
      const lowest = [this.ready, this.#resting, this.fresh]
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

  /** What is to be handed out again, and for the first time up to `highest`; in no order. */
  upTo(highest: number): SeqRange[] {
    return [...this.ready, ...this.#resting, ...this.fresh.parts(1, highest)];
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
