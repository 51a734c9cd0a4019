import type { Batch } from "../../batch/batch.ts";

/**
 * Stored batches kept in memory, to be sent and sent again: the same bytes that the journal holds.
 *
 * Invariant: sorted by seq, without overlap.
 */
export class BatchCache {
  #batches: Batch[] = [];
  #head = 0;
  #bytes = 0;

  /** Size of all batches (bytes). */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a batch behind all others. */
  push(batch: Batch): void {
    this.#batches.push(batch);
    this.#bytes += batch.bytes.length;
  }

  /** The batch that contains `seq`; null if it is not cached. */
  find(seq: number): Batch | null {
    const batches = this.#batches;
    let low = this.#head;
    let high = batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (batches[middle]!.seqLast < seq) low = middle + 1;
      else high = middle;
    }
    const batch = batches[low];
    return batch !== undefined && batch.seqFirst <= seq ? batch : null;
  }

  /** Removes every batch that ends before `seq`. */
  dropBefore(seq: number): void {
    while (this.#head < this.#batches.length && this.#batches[this.#head]!.seqLast < seq) {
      this.#shift();
    }
    this.#trim();
  }

  /** Removes the oldest batches that end before `seq`, until at most `bytesMax` are left. */
  evict(seq: number, bytesMax: number): void {
    while (
      this.#bytes > bytesMax &&
      this.#head < this.#batches.length &&
      this.#batches[this.#head]!.seqLast < seq
    ) {
      this.#shift();
    }
    this.#trim();
  }

  #shift(): void {
    this.#bytes -= this.#batches[this.#head]!.bytes.length;
    this.#head += 1;
  }

  /** Cuts the array now and then, so that it does not keep removed batches in memory for long. */
  #trim(): void {
    if (this.#head === this.#batches.length) this.#batches = [];
    else if (this.#head > 32 && this.#head * 2 > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#head);
    } else return;
    this.#head = 0;
  }
}
