/** Batches in a row that are counted together. */
interface Run {
  /** The last seq of the last batch. */
  last: number;
  bytes: number;
}

/** A batch as {@link BatchRuns} counted it. */
export interface BatchSize {
  readonly run: Run;
  readonly bytes: number;
  /** The last seq of the batch before it in its run; 0 where there is none. */
  readonly lastBefore: number;
}

/**
 * Batches join the one before while together they are at most so small a part of all bytes: a journal with
 * ten million batches of one message must not cost an object for each in memory.
 */
const RUN_PART = 1 / 1_024;

/**
 * The sizes of batches in a row, of which the first ones are taken off.
 *
 * Invariant: the memory it takes grows with the logarithm of the bytes.
 */
export class BatchRuns {
  /** In order of seq. */
  readonly #runs: Run[] = [];
  #head = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** What the sizes are kept in (count): a measure of memory. */
  get size(): number {
    return this.#runs.length - this.#head;
  }

  /** Another batch, behind all others. @returns what `remove` wants */
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

  /** A batch is not there, and so none behind it. */
  remove({ run, bytes, lastBefore }: BatchSize): void {
    this.#bytes -= bytes;
    run.bytes -= bytes;
    run.last = Math.min(run.last, lastBefore);
  }

  /** Takes off the runs that end at `seq` or before. */
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
