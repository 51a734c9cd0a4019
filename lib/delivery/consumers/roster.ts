import type { Handed, Lease } from "../attempts/leases.ts";
import type { SeqRange } from "../range/range.ts";
import { RangeMap, type Segment } from "../range/range-map.ts";
import type { Consumer } from "./consumer.ts";

/** Receivers that a restart waits for (count). */
const RECEIVERS_MAX = 4_096;

/**
 * The receivers that are there, those that may come back within their grace, and those of the process before
 * this one that may still claim what they hold.
 *
 * Pure.
 */
export class Roster implements Iterable<Consumer> {
  readonly #links = new Map<number, Consumer>();
  /** Those of the process before this one that may hold messages, or have done some. */
  readonly #before: ReadonlySet<string>;
  readonly #awaited: Set<string>;
  /** When those of the process before are waited for no longer (ms). */
  readonly #awaitedUntilMs: number;

  #isMissing: boolean;
  #forgotten = 0;

  constructor(awaited: readonly string[], awaitedUntilMs: number) {
    this.#before = new Set(awaited);
    this.#awaited = new Set(awaited);
    this.#isMissing = awaited.length === 0;
    this.#awaitedUntilMs = awaitedUntilMs;
  }

  /** Receivers, those in their grace included (count). */
  get size(): number {
    return this.#links.size;
  }

  /** Whether nothing may be handed out, since somebody may hold it. */
  get isAwaiting(): boolean {
    return this.#awaited.size > 0;
  }

  /** Whether some of those that held messages of the process before did not come back, or with empty hands. */
  get isMissing(): boolean {
    return this.#isMissing;
  }

  /** Receivers that were given up since the start, so that a restart need not wait for them (count). */
  get forgotten(): number {
    return this.#forgotten;
  }

  get(id: number): Consumer | undefined {
    return this.#links.get(id);
  }

  /** A receiver came, or came back. */
  add(link: Consumer): void {
    if (this.#awaited.delete(link.receiver)) this.#isMissing ||= link.leases.count === 0;
    this.#links.set(link.id, link);
  }

  delete(link: Consumer): void {
    if (this.#links.delete(link.id)) this.#forgotten += 1;
  }

  /** Whether a receiver can have got anything from the process before this one: it was saved first who is there. */
  wasThere(receiver: string): boolean {
    return this.#before.has(receiver);
  }

  /** The links of a receiver, of which it has come back over another. */
  of(receiver: string): Consumer[] {
    return [...this.#links.values()].filter((link) => link.receiver === receiver);
  }

  /** Sizes of messages (bytes) that were claimed before they were at hand are known now. */
  sized(parts: readonly Segment<number>[]): void {
    for (const { first, last, value } of parts) {
      for (const { leases } of this.#links.values()) leases.size({ first, last }, value);
    }
  }

  /** What a link was sent is larger (bytes each) than the average of its batch, which was counted. */
  weigh(id: number, range: SeqRange, bytesEach: number): void {
    this.#links.get(id)?.leases.weigh(range, bytesEach);
  }

  /** The parts of a range to which the link still has the right. */
  heldOf(id: number, { first, last }: SeqRange): Segment<Lease>[] {
    return this.#links.get(id)?.leases.parts(first, last) ?? [];
  }

  /**
   * What is handed out, and how often it has been begun, this time included.
   *
   * @param unclaimed the same of what a process before this one handed out
   */
  leased(unclaimed: readonly Segment<number>[]): Segment<number>[] {
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

  /** Ranges of what is handed out (count). */
  get leaseRanges(): number {
    let count = 0;
    for (const { leases } of this.#links.values()) count += leases.ranges;
    return count;
  }

  /** Who may hold messages now or soon, or is waited for: a restart has to wait for them. */
  receivers(): string[] {
    const receivers = new Set(this.#awaited);
    for (const { receiver } of this.#links.values()) receivers.add(receiver);
    return [...receivers].slice(0, RECEIVERS_MAX);
  }

  /** @returns until when somebody of the process before is waited for (ms); infinite where nobody is */
  await(nowMs: number): number {
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

/** Takes what the receiver's own earlier links hold of a range. Pure. */
export function takeHeld(links: readonly Consumer[], { first, last }: SeqRange): Segment<Handed>[] {
  return links.flatMap((link) => link.leases.take(first, last));
}
