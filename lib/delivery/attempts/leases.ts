import type { SeqRange } from "../range/range.ts";
import { RangeMap, type ValuedRange } from "../range/range-map.ts";

/** Longest extension of a lease at a time, unless `leaseMs` is longer (milliseconds): a day. */
export const EXTENSION_MS_MAX = 86_400_000;

/** Properties of dispatched messages. */
export interface Dispatched {
  /** Number of the current attempt, from 1, whether it has begun or not. */
  readonly attempt: number;
  /** Size of each message (bytes); 0 where it is not known yet. */
  readonly bytesEach: number;
}

/** A receiver's right to process messages for a limited time. */
export interface Lease extends Dispatched {
  readonly endMs: number;
}

/**
 * The leases of a receiver, counted in messages and in bytes.
 *
 * Pure. Invariant: `bytes` is the sum over all leases. Costs are those of `RangeMap`.
 */
export class Leases implements Iterable<ValuedRange<Lease>> {
  readonly #ranges = new RangeMap<Lease>(
    (a, b) => a.attempt === b.attempt && a.endMs === b.endMs && a.bytesEach === b.bytesEach,
  );
  #bytes = 0;

  /** Messages (count). */
  get count(): number {
    return this.#ranges.count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Ranges (count). */
  get ranges(): number {
    return this.#ranges.size;
  }

  /** The lowest range; null where there is none. */
  get lowest(): ValuedRange<Lease> | null {
    return this.#ranges.lowest;
  }

  /** The highest range; null where there is none. */
  get highest(): ValuedRange<Lease> | null {
    return this.#ranges.highest;
  }

  /** Adds a range of which no part is held yet. */
  add({ first, last }: SeqRange, lease: Lease): void {
    this.#ranges.set(first, last, lease);
    this.#bytes += (last - first + 1) * lease.bytesEach;
  }

  /** Removes the held parts of a range. @returns them, in order */
  take(first: number, last: number): ValuedRange<Lease>[] {
    const taken = this.#ranges.take(first, last);
    for (const part of taken) this.#bytes -= (part.last - part.first + 1) * part.value.bytesEach;
    return taken;
  }

  /** The held parts of a range, in order. */
  parts(first: number, last: number): ValuedRange<Lease>[] {
    return this.#ranges.parts(first, last);
  }

  /** Sets the size (bytes) of messages that were claimed before they were fed; others keep theirs. */
  size({ first, last }: SeqRange, bytesEach: number): void {
    for (const part of this.#ranges.parts(first, last)) {
      if (part.value.bytesEach !== 0) continue;
      this.take(part.first, part.last);
      this.add(part, { ...part.value, bytesEach });
    }
  }

  /** Corrects the size (bytes) of the held parts of a range. */
  weigh({ first, last }: SeqRange, bytesEach: number): void {
    for (const part of this.take(first, last)) this.add(part, { ...part.value, bytesEach });
  }

  /** Removes the leases that have ended. @returns them, in order, and when the next one ends (ms) */
  takeEnded(nowMs: number): {
    readonly ended: readonly ValuedRange<Lease>[];
    readonly nextMs: number;
  } {
    const ended: ValuedRange<Lease>[] = [];
    let nextMs = Number.POSITIVE_INFINITY;
    for (const part of [...this.#ranges]) {
      if (part.value.endMs > nowMs) nextMs = Math.min(nextMs, part.value.endMs);
      else ended.push(...this.take(part.first, part.last));
    }
    return { ended, nextMs };
  }

  [Symbol.iterator](): Iterator<ValuedRange<Lease>> {
    return this.#ranges[Symbol.iterator]();
  }
}
