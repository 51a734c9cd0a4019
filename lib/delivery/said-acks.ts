import type { SeqRange } from "./range.ts";
import { without } from "./range-set.ts";

/** Acks that are remembered one by one; more are remembered together with the newest (count). */
const ACKS_MAX = 1_024;

/**
 * The acks of a session that the sender has not yet said to know durably: what was said in them must not be
 * forgotten before.
 *
 * Pure. Invariant: an ack is known no earlier than the sender says; it may be known later, with others.
 */
export class SaidAcks {
  /** What each said, oldest first; from `#known + 1` on. */
  #acks: (readonly SeqRange[])[] = [];
  #known = 0;
  /** Acks that share the place of the newest in `#acks` (count). */
  #merged = 0;

  /** Another session begins, whose acks are counted anew. */
  clear(): void {
    this.#acks = [];
    this.#known = 0;
    this.#merged = 0;
  }

  /** The session's next ack was said. */
  add(ranges: readonly SeqRange[]): void {
    if (this.#acks.length < ACKS_MAX) this.#acks.push(ranges);
    else {
      // Remembered with the newest: forgotten later than it could be, never earlier.
      const last = this.#acks.length - 1;
      this.#acks[last] = [...this.#acks[last]!, ...ranges];
      this.#merged += 1;
    }
  }

  /** The sender knows the first `acks` durably. @returns what was said in those that it did not know before */
  known(acks: number): SeqRange[] {
    const ranges: SeqRange[] = [];
    let left = acks - this.#known;
    while (left > 0 && this.#acks.length > 0) {
      if (this.#acks.length === 1 && this.#merged > 0) {
        if (left < 1 + this.#merged) return ranges;
        this.#known += this.#merged;
        left -= this.#merged;
        this.#merged = 0;
      }
      ranges.push(...this.#acks.shift()!);
      this.#known += 1;
      left -= 1;
    }
    return ranges;
  }

  /** The sender refuses what was said of a range: that does not become known. */
  refuse(first: number, last: number): void {
    this.#acks = this.#acks.map((ranges) => {
      const isMeant = ranges.some((range) => range.first <= last && range.last >= first);
      return isMeant ? without(ranges, [{ first, last }]) : ranges;
    });
  }
}
