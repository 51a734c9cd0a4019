import type { SeqRange } from "../range/range.ts";
import { RangeSet } from "../range/range-set.ts";
import { UnconfirmedAcks } from "./unconfirmed-acks.ts";

/**
 * The messages of a stream that are done, those of them that are still to be acknowledged, and the acks that the
 * sender has not yet reported as stored.
 *
 * The memory is exact: a message is forgotten only when the sender has reported that it has stored the ack, or settled
 * everything up to a floor that includes the message, and so will never send it again.
 *
 * Pure. Invariants: nothing at or below `floor` is remembered; a message to acknowledge is done, or at or below the
 * floor.
 *
 * @see docs/decisions/0042-acknowledgements.md
 */
export class AckLedger {
  #floor: number;
  readonly #done = new RangeSet();
  /** To be acknowledged: not yet in an ack of this session. */
  readonly #unsent = new RangeSet();
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

  /** Ranges done whose acks the sender may not have stored (count). */
  get size(): number {
    return this.#done.size;
  }

  /** Messages to acknowledge in acks that are not yet sent (count). */
  get unsentCount(): number {
    return this.#unsent.count;
  }

  /** Messages received again and not delivered, since they were done (count). */
  get duplicates(): number {
    return this.#duplicates;
  }

  /** The ranges done whose acks the sender may not have stored, in order. */
  done(): SeqRange[] {
    return [...this.#done];
  }

  /** The parts of a range that are not done, in order. */
  gaps({ first, last }: SeqRange): SeqRange[] {
    return this.#done.gaps(first, last);
  }

  /** A session begins: its acks are counted from 1 again, and a claim reports all done messages to its sender. */
  open(): void {
    this.#acks.clear();
    this.#unsent.clear();
  }

  /** The session's first ack: reports all that is done, so later ones do not. @returns at most `rangesMax` ranges */
  claim(rangesMax: number): SeqRange[] {
    const done = this.done().slice(0, rangesMax);
    this.#unsent.clear();
    this.#acks.add(done);
    return done;
  }

  /** Records messages as done, whether this receiver still has their lease or not. */
  add({ first, last }: SeqRange): void {
    this.#done.add(first, last);
  }

  /** Schedules messages that are done for the next ack. */
  schedule({ first, last }: SeqRange): void {
    this.#unsent.add(first, last);
  }

  /** A range was received: the parts of it that are done are duplicates, and are acknowledged again. */
  arrived({ first, last }: SeqRange): void {
    for (const part of this.#done.parts(first, last)) {
      this.schedule(part);
      this.#duplicates += part.last - part.first + 1;
    }
  }

  /** Takes the ranges of the session's next ack, which count as sent from now. @returns at most `rangesMax` ranges */
  takeAck(rangesMax: number): SeqRange[] {
    const ranges: SeqRange[] = [];
    for (const range of this.#unsent) {
      if (ranges.length === rangesMax) break;
      ranges.push(range);
    }
    if (ranges.length === 0) return ranges;
    for (const { first, last } of ranges) this.#unsent.delete(first, last);
    this.#acks.add(ranges);
    return ranges;
  }

  /** The sender has stored the session's first `acks` acks: their messages are forgotten. */
  confirm(acks: number): void {
    for (const { first, last } of this.#acks.known(acks)) this.#done.delete(first, last);
  }

  /** The sender refuses acks of these ranges: they are never confirmed, and their messages are remembered further. */
  refuse(ranges: readonly SeqRange[]): void {
    this.#acks.refuse(ranges);
  }

  /** The sender has settled everything up to `floor`. @returns whether the floor rose */
  raiseFloor(floor: number): boolean {
    if (floor <= this.#floor) return false;
    this.#floor = floor;
    this.#done.delete(1, floor);
    return true;
  }

  /** The sender has another history from `seq` on. @returns the ranges done or settled there, which are forgotten */
  cut(seq: number): SeqRange[] {
    const known = this.#done.delete(seq, Number.MAX_SAFE_INTEGER);
    if (this.#floor < seq) return known;
    const settled = { first: seq, last: this.#floor };
    this.#floor = seq - 1;
    return [...known, settled];
  }
}
