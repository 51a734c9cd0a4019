import { divergenceSeq, type Incarnation } from "../protocol/incarnations.ts";
import type { SeqRange } from "../range/range.ts";
import { type Divergence, voidFrom, withDivergence } from "./divergences.ts";

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
  #incarnations: readonly Incarnation[];
  /** Divergences since this process started. */
  #divergences: readonly Divergence[] = [];
  #historyVersion = 0;
  /** The highest seq received or remembered in this history. */
  #highest: number;

  constructor(incarnations: readonly Incarnation[], highest: number) {
    this.#incarnations = incarnations;
    this.#highest = highest;
  }

  /** The stream's lives, as of the newest session; oldest first. */
  get incarnations(): readonly Incarnation[] {
    return this.#incarnations;
  }

  /**
   * How often the history diverged at a seq that was already known here (count). A seq identifies a message only
   * together with this number.
   */
  get historyVersion(): number {
    return this.#historyVersion;
  }

  /** Seqs up to this one may be known here. */
  reached(seq: number): void {
    if (seq > this.#highest) this.#highest = seq;
  }

  /**
   * A session begins.
   *
   * @param incarnations the stream's lives as its sender reports them
   * @returns the first seq from which everything known here belongs to another history; null: all of it stays valid
   */
  open(incarnations: readonly Incarnation[]): number | null {
    const seq = divergenceSeq(this.#incarnations, incarnations);
    this.#incarnations = incarnations;
    if (seq > this.#highest) return null;
    this.#highest = seq - 1;
    this.#historyVersion += 1;
    this.#divergences = withDivergence(this.#divergences, {
      historyVersion: this.#historyVersion,
      seqFirst: seq,
    });
    return seq;
  }

  /** The part of a range known in a version that still identifies the same messages; null where nothing is left. */
  valid({ first, last }: SeqRange, historyVersion: number): SeqRange | null {
    if (historyVersion === this.#historyVersion) return { first, last };
    const end = Math.min(last, voidFrom(this.#divergences, historyVersion) - 1);
    return end < first ? null : { first, last: end };
  }
}
