/** A range on its way to a receiver. */
export interface Outgoing {
  readonly first: number;
  readonly last: number;
  readonly attempt: number;
  /** Whether they are to be begun alone, and not before a `go`. */
  readonly guarded: boolean;
}

/** Ranges that were sent are cut off when there are more of them than this, and than those that wait (count). */
const SENT_MAX = 64;

/** The ranges that are to be sent to one receiver, in order. Adding and taking cost the same however many wait. Pure. */
export class OutgoingRanges {
  #ranges: Outgoing[] = [];
  /** Where the first one is. */
  #head = 0;

  /** Ranges (count). */
  get size(): number {
    return this.#ranges.length - this.#head;
  }

  /** What is to be sent next; null where there is nothing. */
  get next(): Outgoing | null {
    return this.#ranges[this.#head] ?? null;
  }

  /** The lowest seq of all; infinite where there is none. */
  get seqLowest(): number {
    let seq = Number.POSITIVE_INFINITY;
    for (let at = this.#head; at < this.#ranges.length; at++) {
      seq = Math.min(seq, this.#ranges[at]!.first);
    }
    return seq;
  }

  push(range: Outgoing): void {
    this.#ranges.push(range);
  }

  /** What is before `seq` in the next range is sent, or need not be. */
  passBefore(seq: number): void {
    const { next } = this;
    if (next === null || seq <= next.first) return;
    if (seq <= next.last) this.#ranges[this.#head] = { ...next, first: seq };
    else this.#shift();
  }

  clear(): void {
    this.#ranges = [];
    this.#head = 0;
  }

  #shift(): void {
    this.#head += 1;
    if (this.#head === this.#ranges.length) this.#ranges.length = 0;
    else if (this.#head > SENT_MAX && this.#head * 2 > this.#ranges.length) {
      this.#ranges.splice(0, this.#head);
    } else return;
    this.#head = 0;
  }
}
