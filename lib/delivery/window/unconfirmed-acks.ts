import type { SeqRange } from "../range/range.ts";
import { RangeSet } from "../range/range-set.ts";

/** Acks that are remembered one by one; more are remembered together (count). */
const ACKS_MAX = 1_024;
/** Ranges in them; more are remembered together with later ones (count). */
const RANGES_MAX = 65_536;

/**
 * The acks of a session that the sender has not yet said to know durably: what was said in them must not be
 * forgotten before.
 *
 * Pure. Invariant: an ack is known no earlier than the sender says; it may be known later, with others. A sender that
 * says nothing makes it keep no more than its bounds, and what is done.
 */
export class UnconfirmedAcks {
  /** What each said, oldest first; from `#known + 1` on. */
  #acks: (readonly SeqRange[])[] = [];
  #known = 0;
  /** Ranges in `#acks` (count). */
  #ranges = 0;
  /** Acks behind those, which become known together (count), and what they said. */
  #laterCount = 0;
  readonly #later = new RangeSet();

  /** Another session begins, whose acks are counted anew. */
  clear(): void {
    this.#acks = [];
    this.#known = 0;
    this.#ranges = 0;
    this.#laterCount = 0;
    this.#later.clear();
  }

  /** The session's next ack was said. */
  add(ranges: readonly SeqRange[]): void {
    const isMany = this.#acks.length >= ACKS_MAX || this.#ranges + ranges.length > RANGES_MAX;
    if (isMany || this.#laterCount > 0) {
      // Forgotten later than it could be, never earlier.
      this.#laterCount += 1;
      // To add what is there already would cost as much as all that is there.
      for (const { first, last } of ranges) this.#later.addAll(this.#later.gaps(first, last));
      return;
    }
    this.#acks.push(ranges);
    this.#ranges += ranges.length;
  }

  /** The sender knows the first `acks` durably. @returns what was said in those that it did not know before */
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

  /** The sender refuses what was said of these ranges: that does not become known. */
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
