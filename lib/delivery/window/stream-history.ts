import {
  type Epoch,
  type EpochStart,
  partingSeq,
  voidFrom,
  withStart,
} from "../protocol/epochs.ts";
import type { SeqRange } from "../range/range.ts";

/**
 * The lives of a stream as its receiver knows them, and where they parted from what it knew: a seq means the same
 * message only within one history.
 *
 * Pure.
 *
 * @see docs/decisions/0044-lives-of-a-stream.md
 */
export class StreamHistory {
  /** As of the newest session. */
  #epochs: readonly Epoch[];
  /** Where history parted while this process lives. */
  #partings: readonly EpochStart[] = [];
  #epoch = 0;
  /** The highest seq that was ever received or remembered. */
  #highest: number;

  constructor(epochs: readonly Epoch[], highest: number) {
    this.#epochs = epochs;
    this.#highest = highest;
  }

  /** The stream's lives, as of the newest session; oldest first. */
  get epochs(): readonly Epoch[] {
    return this.#epochs;
  }

  /** How often history parted below a seq that is known here: a seq means a message only together with it. */
  get epoch(): number {
    return this.#epoch;
  }

  /** All up to this seq may be known here. */
  reached(seq: number): void {
    if (seq > this.#highest) this.#highest = seq;
  }

  /**
   * A session begins.
   *
   * @param epochs the stream's lives as its sender tells them
   * @returns from where on what is known here is of another history; null: all of it holds
   */
  open(epochs: readonly Epoch[]): number | null {
    const seq = partingSeq(this.#epochs, epochs);
    this.#epochs = epochs;
    if (seq > this.#highest) return null;
    this.#highest = seq - 1;
    this.#epoch += 1;
    this.#partings = withStart(this.#partings, { epoch: this.#epoch, seqFirst: seq });
    return seq;
  }

  /** Of a range that was known in `epoch`, what still means the same messages; null where nothing is left. */
  valid({ first, last }: SeqRange, epoch: number): SeqRange | null {
    if (epoch === this.#epoch) return { first, last };
    const end = Math.min(last, voidFrom(this.#partings, epoch) - 1);
    return end < first ? null : { first, last: end };
  }
}
