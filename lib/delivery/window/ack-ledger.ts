import type { SeqRange } from "../range/range.ts";
import { RangeSet } from "../range/range-set.ts";
import { UnconfirmedAcks } from "./unconfirmed-acks.ts";

/**
 * What is processed, which of that is still to be acknowledged, and which acks the sender knows durably.
 *
 * The memory is exact: a message is forgotten only when the sender has said that it knows, and so will never send it
 * again.
 *
 * Pure. Invariants: nothing at or below `floor` is remembered; what is unsaid is done, or settled below the floor.
 *
 * @see docs/decisions/0042-acknowledgements.md
 */
export class AckLedger {
  #floor: number;
  readonly #done = new RangeSet();
  /** Done and not yet told to the sender. */
  readonly #unsaid = new RangeSet();
  readonly #acks = new UnconfirmedAcks();
  #duplicates = 0;

  constructor(floor: number, done: readonly SeqRange[]) {
    this.#floor = floor;
    this.#done.addAll(done);
  }

  /** Every seq up to this one is settled at the sender. */
  get floor(): number {
    return this.#floor;
  }

  /** Ranges that are done, and perhaps not known to the sender (count). */
  get size(): number {
    return this.#done.size;
  }

  /** Messages in acks that are still to be said (count). */
  get unsaidCount(): number {
    return this.#unsaid.count;
  }

  /** Messages that came again and were kept from the application (count). */
  get duplicates(): number {
    return this.#duplicates;
  }

  /** What is done, and perhaps not known to the sender, in order. */
  done(): SeqRange[] {
    return [...this.#done];
  }

  /** The parts of a range that are not done, in order. */
  gaps({ first, last }: SeqRange): SeqRange[] {
    return this.#done.gaps(first, last);
  }

  /** A session begins, which counts its acks anew, and whose sender hears of what is done by a claim. */
  open(): void {
    this.#acks.clear();
    this.#unsaid.clear();
  }

  /** The session's first ack says what is done; later ones are cleared of it. @returns at most `rangesMax` ranges */
  claim(rangesMax: number): SeqRange[] {
    const done = this.done().slice(0, rangesMax);
    this.#unsaid.clear();
    this.#acks.add(done);
    return done;
  }

  /** Messages are done: so they stay, whoever holds them now. */
  add({ first, last }: SeqRange): void {
    this.#done.add(first, last);
  }

  /** These are done, and the sender is to hear of it. */
  say({ first, last }: SeqRange): void {
    this.#unsaid.add(first, last);
  }

  /** A range came; what of it is done came once too often, and is acknowledged again. */
  arrived({ first, last }: SeqRange): void {
    for (const part of this.#done.parts(first, last)) {
      this.say(part);
      this.#duplicates += part.last - part.first + 1;
    }
  }

  /** What is to be said in the session's next ack; then it counts as said. @returns at most `rangesMax` ranges */
  takeAck(rangesMax: number): SeqRange[] {
    const ranges: SeqRange[] = [];
    for (const range of this.#unsaid) {
      if (ranges.length === rangesMax) break;
      ranges.push(range);
    }
    if (ranges.length === 0) return ranges;
    for (const { first, last } of ranges) this.#unsaid.delete(first, last);
    this.#acks.add(ranges);
    return ranges;
  }

  /** The sender knows the session's first `acks` acks durably: what they said need not be remembered. */
  confirm(acks: number): void {
    for (const { first, last } of this.#acks.known(acks)) this.#done.delete(first, last);
  }

  /** The sender refuses acks of these: they do not become known, and what they said must be remembered further. */
  refuse(ranges: readonly SeqRange[]): void {
    this.#acks.refuse(ranges);
  }

  /** The sender has settled all up to `floor`. @returns whether that is news */
  raiseFloor(floor: number): boolean {
    if (floor <= this.#floor) return false;
    this.#floor = floor;
    this.#done.delete(1, floor);
    return true;
  }

  /** From `seq` on the sender's history is another one. @returns what was done or settled there, and is forgotten */
  cut(seq: number): SeqRange[] {
    const known = this.#done.delete(seq, Number.MAX_SAFE_INTEGER);
    if (this.#floor < seq) return known;
    const settled = { first: seq, last: this.#floor };
    this.#floor = seq - 1;
    return [...known, settled];
  }
}
