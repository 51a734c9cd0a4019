import type { SeqRange } from "../range/range.ts";
import { RangeMap, type Segment } from "../range/range-map.ts";

/** A receiver may have a lease lengthened to so much at a time, unless `leaseMs` is more (milliseconds): a day. */
export const EXTENSION_MS_MAX = 86_400_000;

/** Messages that were handed out. */
export interface Handed {
  /** How often it was begun, with this time, if it is begun this time (count). */
  readonly attempt: number;
  /** Size of each; 0 where it is not known yet. */
  readonly bytesEach: number;
}

/** The right to work on messages for a limited time. */
export interface Lease extends Handed {
  readonly endMs: number;
}

/**
 * What a receiver holds, in messages and in bytes.
 *
 * Pure. Invariant: `bytes` is the sum over all leases. Costs are those of `RangeMap`.
 */
export class Leases implements Iterable<Segment<Lease>> {
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

  /** What they are kept in (count). */
  get ranges(): number {
    return this.#ranges.size;
  }

  /** The lowest range; null where there is none. */
  get lowest(): Segment<Lease> | null {
    return this.#ranges.lowest;
  }

  /** The highest range; null where there is none. */
  get highest(): Segment<Lease> | null {
    return this.#ranges.highest;
  }

  /** Adds a range of which nothing is held. */
  add({ first, last }: SeqRange, lease: Lease): void {
    this.#ranges.set(first, last, lease);
    this.#bytes += (last - first + 1) * lease.bytesEach;
  }

  /** Takes out what is held of a range. @returns it, in order */
  take(first: number, last: number): Segment<Lease>[] {
    const taken = this.#ranges.take(first, last);
    for (const part of taken) this.#bytes -= (part.last - part.first + 1) * part.value.bytesEach;
    return taken;
  }

  /** What is held of a range, in order. */
  parts(first: number, last: number): Segment<Lease>[] {
    return this.#ranges.parts(first, last);
  }

  /** The sizes of messages that were claimed before they were at hand are known now. */
  size({ first, last }: SeqRange, bytesEach: number): void {
    for (const part of this.#ranges.parts(first, last)) {
      if (part.value.bytesEach !== 0) continue;
      this.take(part.first, part.last);
      this.add(part, { ...part.value, bytesEach });
    }
  }

  /** What is held of a range turned out to be larger than it was taken for. */
  weigh({ first, last }: SeqRange, bytesEach: number): void {
    for (const part of this.take(first, last)) this.add(part, { ...part.value, bytesEach });
  }

  /** Takes out the leases that have ended. @returns them, in order, and when the next one ends (ms) */
  takeEnded(nowMs: number): {
    readonly ended: readonly Segment<Lease>[];
    readonly nextMs: number;
  } {
    const ended: Segment<Lease>[] = [];
    let nextMs = Number.POSITIVE_INFINITY;
    for (const part of [...this.#ranges]) {
      if (part.value.endMs > nowMs) nextMs = Math.min(nextMs, part.value.endMs);
      else ended.push(...this.take(part.first, part.last));
    }
    return { ended, nextMs };
  }

  [Symbol.iterator](): Iterator<Segment<Lease>> {
    return this.#ranges[Symbol.iterator]();
  }
}
