import type { SeqRange } from "../range/range.ts";
import { RangeSet } from "../range/range-set.ts";

/** Acks that are remembered one by one; later ones are remembered together (count). */
const ACKS_MAX = 1_024;
/** Ranges in the acks that are remembered one by one; beyond, acks are remembered together (count). */
const RANGES_MAX = 65_536;

/**
 * The acks of a session that the sender has not yet reported as stored: until then their messages must not be
 * forgotten.
 *
 * Pure. Invariant: an ack is confirmed no earlier than the sender reports it; it may be confirmed later, together with
 * others. If a sender reports nothing, the memory stays within the bounds, plus the ranges that are done.
 */
export class UnconfirmedAcks {
  /** The ranges of each ack, oldest first; the first is ack number `#known + 1`. */
  #acks: (readonly SeqRange[])[] = [];
  /** Acks that the sender has reported as stored (count). */
  #known = 0;
  /** Ranges in `#acks` (count). */
  #ranges = 0;
  /** Acks after those in `#acks`, which are confirmed together (count), and their ranges. */
  #laterCount = 0;
  readonly #later = new RangeSet();

  /** Another session begins: its acks are counted from 1 again. */
  clear(): void {
    this.#acks = [];
    this.#known = 0;
    this.#ranges = 0;
    this.#laterCount = 0;
    this.#later.clear();
  }

  /** The session's next ack was sent. */
  add(ranges: readonly SeqRange[]): void {
    const isMany = this.#acks.length >= ACKS_MAX || this.#ranges + ranges.length > RANGES_MAX;
    if (isMany || this.#laterCount > 0) {
      // Forgotten later than it could be, never earlier.
      this.#laterCount += 1;
      // Adding ranges that are already in the set would cost as much as all of the set.
      for (const { first, last } of ranges) this.#later.addAll(this.#later.gaps(first, last));
      return;
    }
    this.#acks.push(ranges);
    this.#ranges += ranges.length;
  }

  /** The sender has stored the first `acks` acks. @returns the ranges of those that were not confirmed before */
  known(acks: number): SeqRange[] {
    const ranges: SeqRange[] = [];
    let left = acks - this.#known;
    while (left > 0 && this.#acks.length > 0) {
      const said = this.#acks.shift()!;
      this.#ranges -= said.length;
      this.#known += 1;
      left -= 1;
      for (const range of said) ranges.push(range);
    }
    if (this.#laterCount === 0 || left < this.#laterCount) return ranges;
    for (const range of this.#later) ranges.push(range);
    this.#known += this.#laterCount;
    this.#laterCount = 0;
    this.#later.clear();
    return ranges;
  }

  /** The sender refuses the acks of these ranges: they are never confirmed. */
  refuse(refused: readonly SeqRange[]): void {
    for (const { first, last } of refused) this.#later.delete(first, last);
    if (this.#acks.length === 0) return;
    const set = new RangeSet();
    set.addAll(refused);
    this.#ranges = 0;
    this.#acks = this.#acks.map((ranges) => {
      const isMeant = ranges.some(({ first, last }) => set.parts(first, last).length > 0);
      const kept = isMeant ? ranges.flatMap(({ first, last }) => set.gaps(first, last)) : ranges;
      this.#ranges += kept.length;
      return kept;
    });
  }
}
