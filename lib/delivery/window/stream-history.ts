import {
  divergenceSeq,
  type Epoch,
  type EpochStart,
  voidFrom,
  withStart,
} from "../protocol/epochs.ts";
import type { SeqRange } from "../range/range.ts";

/**
 * The lives of a stream as its receiver knows them, and the seqs at which they diverged from those it knew before: a
 * seq identifies the same message only within one history.
 *
 * Pure.
 *
 * @see docs/decisions/0044-lives-of-a-stream.md
 */
export class StreamHistory {
  /** As of the newest session. */
  #epochs: readonly Epoch[];
  /** Divergences since this process started. */
  #partings: readonly EpochStart[] = [];
  #epoch = 0;
  /** The highest seq received or remembered in this history. */
  #highest: number;

  constructor(epochs: readonly Epoch[], highest: number) {
    this.#epochs = epochs;
    this.#highest = highest;
  }

  /** The stream's lives, as of the newest session; oldest first. */
  get epochs(): readonly Epoch[] {
    return this.#epochs;
  }

  /**
   * How often the history diverged at a seq that was already known here (count). A seq identifies a message only
   * together with this number.
   */
  get epoch(): number {
    return this.#epoch;
  }

  /** Seqs up to this one may be known here. */
  reached(seq: number): void {
    if (seq > this.#highest) this.#highest = seq;
  }

  /**
   * A session begins.
   *
   * @param epochs the stream's lives as its sender reports them
   * @returns the first seq from which everything known here belongs to another history; null: all of it stays valid
   */
  open(epochs: readonly Epoch[]): number | null {
    const seq = divergenceSeq(this.#epochs, epochs);
    this.#epochs = epochs;
    if (seq > this.#highest) return null;
    this.#highest = seq - 1;
    this.#epoch += 1;
    this.#partings = withStart(this.#partings, { epoch: this.#epoch, seqFirst: seq });
    return seq;
  }

  /** The part of a range known in `epoch` that still identifies the same messages; null where nothing is left. */
  valid({ first, last }: SeqRange, epoch: number): SeqRange | null {
    if (epoch === this.#epoch) return { first, last };
    const end = Math.min(last, voidFrom(this.#partings, epoch) - 1);
    return end < first ? null : { first, last: end };
  }
}
