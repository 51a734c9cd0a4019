/** Consecutive batches that are counted together. */
interface Run {
  /** The last seq of the last batch. */
  last: number;
  bytes: number;
}

/** The entry of a batch in {@link BatchRuns}. */
export interface BatchSize {
  readonly run: Run;
  readonly bytes: number;
  /** The last seq of the previous batch in its run; 0 if there is none. */
  readonly lastBefore: number;
}

/**
 * A batch joins the previous run while together they are at most this part of all bytes: a journal with ten million
 * batches of one message must not cost one object in memory for each.
 */
const RUN_PART = 1 / 1_024;

/**
 * The sizes of consecutive batches; removed from the front.
 *
 * Invariant: memory grows with the logarithm of the bytes.
 */
export class BatchRuns {
  /** In order of seq. */
  readonly #runs: Run[] = [];
  #head = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Runs (count): a measure of memory. */
  get size(): number {
    return this.#runs.length - this.#head;
  }

  /** Adds a batch behind all others. @returns the argument for `remove` */
  push(last: number, bytes: number): BatchSize {
    this.#bytes += bytes;
    const newest = this.#head < this.#runs.length ? this.#runs.at(-1)! : null;
    if (newest === null || newest.bytes + bytes > this.#bytes * RUN_PART) {
      const run = { last, bytes };
      this.#runs.push(run);
      return { run, bytes, lastBefore: 0 };
    }
    const lastBefore = newest.last;
    newest.last = last;
    newest.bytes += bytes;
    return { run: newest, bytes, lastBefore };
  }

  /** Removes a batch that was not stored; none behind it was stored either. */
  remove({ run, bytes, lastBefore }: BatchSize): void {
    this.#bytes -= bytes;
    run.bytes -= bytes;
    run.last = Math.min(run.last, lastBefore);
  }

  /** Removes the runs that end at `seq` or before. */
  free(seq: number): void {
    while (this.#head < this.#runs.length && this.#runs[this.#head]!.last <= seq) {
      this.#bytes -= this.#runs[this.#head]!.bytes;
      this.#head += 1;
    }
    if (this.#head > 256 && this.#head * 2 > this.#runs.length) {
      this.#runs.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
