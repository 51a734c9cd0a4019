/** What a batch adds to a {@link BacklogSize}. */
export interface BatchSize {
  last: number;
  bytes: number;
}

/** How much of a journal is appended and not settled. Messages are settled in any order, bytes batch by batch. */
export class BacklogSize {
  /** In order of seq. */
  readonly #sizes: BatchSize[] = [];
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

  /** A batch was appended, behind all others. @returns what `failed` wants where it could not be stored */
  appended(last: number, bytes: number, count: number): BatchSize {
    const size = { last, bytes };
    this.#sizes.push(size);
    this.#bytes += bytes;
    this.#count += count;
    return size;
  }

  /** A batch could not be stored. */
  failed(size: BatchSize, count: number): void {
    this.#bytes -= size.bytes;
    this.#count -= count;
    size.bytes = 0;
    size.last = 0;
  }

  /** Messages are settled (count). */
  settled(count: number): void {
    this.#count -= count;
  }

  /** Every seq up to this one is settled. @returns bytes that nobody needs any more */
  free(floor: number): number {
    const before = this.#bytes;
    while (this.#head < this.#sizes.length && this.#sizes[this.#head]!.last <= floor) {
      this.#bytes -= this.#sizes[this.#head]!.bytes;
      this.#head += 1;
    }
    if (this.#head > 256 && this.#head * 2 > this.#sizes.length) {
      this.#sizes.splice(0, this.#head);
      this.#head = 0;
    }
    return before - this.#bytes;
  }
}
