import type { Batch } from "../../batch/batch.ts";

/**
 * Stored batches that are kept in memory, to be sent and sent again: the very bytes that the journal holds.
 *
 * Invariant: sorted by seq, without overlap.
 */
export class BatchCache {
  #batches: Batch[] = [];
  #head = 0;
  #bytes = 0;

  /** Bytes of all batches. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a batch that lies behind all others. */
  push(batch: Batch): void {
    this.#batches.push(batch);
    this.#bytes += batch.bytes.length;
  }

  /** The batch that holds `seq`; null when it is not kept. */
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

  /** Forgets every batch that ends before `seq`. */
  dropBefore(seq: number): void {
    while (this.#head < this.#batches.length && this.#batches[this.#head]!.seqLast < seq) {
      this.#shift();
    }
    this.#trim();
  }

  /** Forgets the oldest batches that end before `seq`, until no more than `bytesMax` are kept. */
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

  /** The array is cut now and then; meanwhile it must not keep what was forgotten for long. */
  #trim(): void {
    if (this.#head === this.#batches.length) this.#batches = [];
    else if (this.#head > 32 && this.#head * 2 > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#head);
    } else return;
    this.#head = 0;
  }
}
