/**
 * Counts the messages of one receiver by their sequence numbers: received, lost, duplicated.
 *
 * Messages in order cost one comparison and one addition each, so that counting does not distort the measurement; only
 * gaps and repetitions take the slow path.
 *
 * Invariant: every seq in `[first, next)` was received or is in `missing`.
 */
export class Tally {
  #next = 0;
  #end = 0;
  #markAt = Number.POSITIVE_INFINITY;
  #duplicated = 0;
  readonly #missing = new Set<number>();
  readonly #stepCount: number;
  readonly #onMark: () => void;

  /**
   * @param stepCount messages between two calls of `onMark` (count)
   * @param onMark called after each step, and when the last message has arrived
   */
  constructor(stepCount: number, onMark: () => void) {
    this.#stepCount = stepCount;
    this.#onMark = onMark;
  }

  /** Starts to count the messages `first` to `end - 1`; earlier counts are discarded. */
  begin(first: number, end: number): void {
    this.#next = first;
    this.#end = end;
    this.#duplicated = 0;
    this.#missing.clear();
    this.#mark();
  }

  /** Counts one message. */
  take(seq: number): void {
    if (seq === this.#next) {
      this.#next = seq + 1;
      if (seq + 1 === this.#markAt) this.#mark();
    } else {
      this.#takeOutOfOrder(seq);
    }
  }

  /** The highest sequence number seen, plus one. */
  get next(): number {
    return this.#next;
  }

  /** Whether every message has arrived. */
  get complete(): boolean {
    return this.#next === this.#end && this.#missing.size === 0;
  }

  /** Messages that have not arrived so far (count). */
  get lost(): number {
    return this.#missing.size + this.#end - this.#next;
  }

  /** Arrivals of messages that had arrived before (count). */
  get duplicated(): number {
    return this.#duplicated;
  }

  #takeOutOfOrder(seq: number): void {
    if (seq >= this.#end) return;
    if (seq > this.#next) {
      for (let hole = this.#next; hole < seq; hole++) this.#missing.add(hole);
      this.#next = seq + 1;
    } else if (!this.#missing.delete(seq)) {
      this.#duplicated++;
    }
    if (this.#next >= this.#markAt || this.complete) this.#mark();
  }

  #mark(): void {
    // After the last message, only the arrival that fills the last gap is reported.
    const atEnd = this.#next >= this.#end;
    this.#markAt = atEnd
      ? Number.POSITIVE_INFINITY
      : Math.min(this.#next + this.#stepCount, this.#end);
    this.#onMark();
  }
}
