import type { Dispatched, Lease } from "../attempts/leases.ts";
import type { SeqRange } from "../range/range.ts";
import { RangeMap, type ValuedRange } from "../range/range-map.ts";
import type { Consumer } from "./consumer.ts";

/** Limit on receivers that a restart waits for (count). */
const RECEIVERS_MAX = 4_096;

/**
 * The connected receivers, those that may reconnect within their grace period, and those of an earlier process of
 * the sender that may still claim their messages.
 *
 * Pure.
 */
export class Roster implements Iterable<Consumer> {
  readonly #links = new Map<number, Consumer>();
  /** Receivers of the earlier process that may hold messages, or have processed some. */
  readonly #before: ReadonlySet<string>;
  /** Those of them that have not come back yet. */
  readonly #awaited: Set<string>;
  /** When the wait for receivers of the earlier process ends (ms). */
  readonly #awaitedUntilMs: number;

  #isMissing: boolean;
  #forgotten = 0;

  constructor(awaited: readonly string[], awaitedUntilMs: number) {
    this.#before = new Set(awaited);
    this.#awaited = new Set(awaited);
    this.#isMissing = awaited.length === 0;
    this.#awaitedUntilMs = awaitedUntilMs;
  }

  /** Receivers, those in their grace period included (count). */
  get size(): number {
    return this.#links.size;
  }

  /** Whether nothing may be dispatched, since a receiver of the earlier process may hold it. */
  get isAwaiting(): boolean {
    return this.#awaited.size > 0;
  }

  /** Whether a receiver of the earlier process did not come back, or holds nothing; or none was saved. */
  get isMissing(): boolean {
    return this.#isMissing;
  }

  /** Receivers removed since the start, so that a restart need not wait for them (count). */
  get forgotten(): number {
    return this.#forgotten;
  }

  get(id: number): Consumer | undefined {
    return this.#links.get(id);
  }

  /** A receiver connected or reconnected. */
  add(link: Consumer): void {
    if (this.#awaited.delete(link.receiver)) this.#isMissing ||= link.leases.count === 0;
    this.#links.set(link.id, link);
  }

  delete(link: Consumer): void {
    if (this.#links.delete(link.id)) this.#forgotten += 1;
  }

  /** Whether a receiver can have got messages from the earlier process, which saved its receivers before it sent. */
  wasThere(receiver: string): boolean {
    return this.#before.has(receiver);
  }

  /** The links of a receiver: it may have earlier ones when it comes back over another connection. */
  of(receiver: string): Consumer[] {
    return [...this.#links.values()].filter((link) => link.receiver === receiver);
  }

  /** Sets the sizes (bytes) of messages that were claimed before they were fed. */
  sized(parts: readonly ValuedRange<number>[]): void {
    for (const { first, last, value } of parts) {
      for (const { leases } of this.#links.values()) leases.size({ first, last }, value);
    }
  }

  /** Corrects the size of messages sent to a link that are larger (bytes each) than the average of their batch. */
  weigh(id: number, range: SeqRange, bytesEach: number): void {
    this.#links.get(id)?.leases.weigh(range, bytesEach);
  }

  /** The parts of a range that the link holds a lease of. */
  heldOf(id: number, { first, last }: SeqRange): ValuedRange<Lease>[] {
    return this.#links.get(id)?.leases.parts(first, last) ?? [];
  }

  /**
   * All leased ranges, with the number of the current attempt, in order.
   *
   * @param unclaimed the same for messages of the earlier process that may still be claimed
   */
  leased(unclaimed: readonly ValuedRange<number>[]): ValuedRange<number>[] {
    const leases = [...this.#links.values()]
      .flatMap((link) => [...link.leases])
      .map(({ first, last, value }) => ({ first, last, value: value.attempt }));
    const leased = new RangeMap<number>();
    for (const { first, last, value } of [...leases, ...unclaimed].sort(
      (a, b) => a.first - b.first,
    )) {
      leased.set(first, last, value);
    }
    return [...leased];
  }

  /** Leased ranges (count). */
  get leaseRanges(): number {
    let count = 0;
    for (const { leases } of this.#links.values()) count += leases.ranges;
    return count;
  }

  /** The receivers that a restart has to wait for: those of all links, and those still waited for. */
  receivers(): string[] {
    const receivers = new Set(this.#awaited);
    for (const { receiver } of this.#links.values()) receivers.add(receiver);
    return [...receivers].slice(0, RECEIVERS_MAX);
  }

  /**
   * Ends the wait for receivers of the earlier process if its time is over.
   *
   * @returns when the wait ends (ms); infinite if no receiver is waited for
   */
  endWait(nowMs: number): number {
    if (this.#awaitedUntilMs <= nowMs) {
      this.#isMissing ||= this.#awaited.size > 0;
      this.#forgotten += this.#awaited.size;
      this.#awaited.clear();
    }
    return this.#awaited.size > 0 ? this.#awaitedUntilMs : Number.POSITIVE_INFINITY;
  }

  [Symbol.iterator](): Iterator<Consumer> {
    return this.#links.values();
  }
}

/** Removes the leases that the given links hold of a range, and returns them. Pure. */
export function takeHeld(
  links: readonly Consumer[],
  { first, last }: SeqRange,
): ValuedRange<Dispatched>[] {
  return links.flatMap((link) => link.leases.take(first, last));
}
