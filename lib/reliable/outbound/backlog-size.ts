/** Batches in a row that are counted together. */
interface Run {
  /** The last seq of the last batch. */
  last: number;
  bytes: number;
}

/** A batch as {@link BacklogSize} counted it. */
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
 * How much of a journal is appended and not settled. Messages are settled in any order, bytes run by run: the
 * bytes said are those of the backlog and at most 0.1 % more.
 *
 * Invariant: the memory it takes grows with the logarithm of the backlog.
 */
export class BacklogSize {
  /** In order of seq. */
  readonly #runs: Run[] = [];
  #head = 0;
  #bytes = 0;
  #count = 0;

  /** Bytes of the batches of which something may be needed. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Messages that are not settled (count). */
  get count(): number {
    return this.#count;
  }

  /** What the sizes are kept in (count): a measure of memory. */
  get runs(): number {
    return this.#runs.length - this.#head;
  }

  /** A batch was appended, behind all others. @returns what `failed` wants where it could not be stored */
  appended(last: number, bytes: number, count: number): BatchSize {
    this.#bytes += bytes;
    this.#count += count;
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

  /** A batch could not be stored, and so none behind it. */
  failed({ run, bytes, lastBefore }: BatchSize, count: number): void {
    this.#bytes -= bytes;
    this.#count -= count;
    run.bytes -= bytes;
    run.last = Math.min(run.last, lastBefore);
  }

  /** Messages are settled (count). */
  settled(count: number): void {
    this.#count -= count;
  }

  /** Every seq up to this one is settled. @returns bytes that nobody needs any more */
  free(floor: number): number {
    const before = this.#bytes;
    while (this.#head < this.#runs.length && this.#runs[this.#head]!.last <= floor) {
      this.#bytes -= this.#runs[this.#head]!.bytes;
      this.#head += 1;
    }
    if (this.#head > 256 && this.#head * 2 > this.#runs.length) {
      this.#runs.splice(0, this.#head);
      this.#head = 0;
    }
    return before - this.#bytes;
  }
}
