/** A range that is to be sent to a receiver. */
export interface Outgoing {
  readonly first: number;
  readonly last: number;
  readonly attempt: number;
  /** Whether the receiver must begin the messages alone, and only after a `go`. */
  readonly guarded: boolean;
}

/** Sent ranges are removed from the array once there are more of them than this, and than unsent ones (count). */
const SENT_MAX = 64;

/** The queue of ranges to be sent to one receiver, in order. Adding and removing take constant time. Pure. */
export class OutgoingRanges {
  #ranges: Outgoing[] = [];
  /** Index of the first range that is not sent yet. */
  #head = 0;

  /** Ranges (count). */
  get size(): number {
    return this.#ranges.length - this.#head;
  }

  /** The range to be sent next; null where there is none. */
  get next(): Outgoing | null {
    return this.#ranges[this.#head] ?? null;
  }

  /** The lowest seq of all ranges; infinite where there is none. */
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

  /** The part of the next range below `seq` is sent, or need not be sent. */
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
