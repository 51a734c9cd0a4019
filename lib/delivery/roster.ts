import type { DispatcherLink } from "./dispatcher-link.ts";
import type { Handed, Lease } from "./leases.ts";
import type { SeqRange } from "./range.ts";
import { RangeMap, type Segment } from "./range-map.ts";

/** Ranges of leases that are saved (count). */
const LEASED_MAX = 16_384;
/** Receivers that a restart waits for (count). */
const RECEIVERS_MAX = 4_096;

/**
 * The receivers that are there, those that may come back within their grace, and those of the process before
 * this one that may still claim what they hold.
 *
 * Pure.
 */
export class Roster implements Iterable<DispatcherLink> {
  readonly #links = new Map<number, DispatcherLink>();
  readonly #awaited: Set<string>;
  /** When those of the process before are waited for no longer (ms). */
  readonly #awaitedUntilMs: number;

  constructor(awaited: readonly string[], awaitedUntilMs: number) {
    this.#awaited = new Set(awaited);
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

  get(id: number): DispatcherLink | undefined {
    return this.#links.get(id);
  }

  /** A receiver came, or came back. */
  add(link: DispatcherLink): void {
    this.#awaited.delete(link.receiver);
    this.#links.set(link.id, link);
  }

  delete(link: DispatcherLink): void {
    this.#links.delete(link.id);
  }

  /** The links of a receiver, of which it has come back over another. */
  of(receiver: string): DispatcherLink[] {
    return [...this.#links.values()].filter((link) => link.receiver === receiver);
  }

  /** Sizes of messages (bytes) that were claimed before they were at hand are known now. */
  sized(parts: readonly Segment<number>[]): void {
    for (const { first, last, value } of parts) {
      for (const { leases } of this.#links.values()) leases.size({ first, last }, value);
    }
  }

  /** The parts of a range to which the link still has the right. */
  heldOf(id: number, { first, last }: SeqRange): SeqRange[] {
    return this.#links.get(id)?.leases.parts(first, last) ?? [];
  }

  /** What is handed out, and how often it has been. */
  leased(): Segment<number>[] {
    const leases = [...this.#links.values()].flatMap((link) => [...link.leases]);
    const leased = new RangeMap<number>();
    for (const { first, last, value } of leases.sort((a, b) => a.first - b.first)) {
      leased.set(first, last, value.attempt);
    }
    return [...leased].slice(0, LEASED_MAX);
  }

  /** Who may hold messages now or soon, or is waited for: a restart has to wait for them. */
  receivers(): string[] {
    const receivers = new Set(this.#awaited);
    for (const { receiver } of this.#links.values()) receivers.add(receiver);
    return [...receivers].slice(0, RECEIVERS_MAX);
  }

  /** @returns until when somebody of the process before is waited for (ms); infinite where nobody is */
  await(nowMs: number): number {
    if (this.#awaitedUntilMs <= nowMs) this.#awaited.clear();
    return this.#awaited.size > 0 ? this.#awaitedUntilMs : Number.POSITIVE_INFINITY;
  }

  [Symbol.iterator](): Iterator<DispatcherLink> {
    return this.#links.values();
  }
}

/** Takes leases that are over off a link. Pure. @returns them, and when the next one ends (ms) */
export function takeEnded(
  link: DispatcherLink,
  nowMs: number,
): { readonly ended: readonly Segment<Lease>[]; readonly nextMs: number } {
  const ended: Segment<Lease>[] = [];
  let nextMs = Number.POSITIVE_INFINITY;
  for (const part of [...link.leases]) {
    if (part.value.endMs > nowMs) nextMs = Math.min(nextMs, part.value.endMs);
    else ended.push(...link.leases.take(part.first, part.last));
  }
  return { ended, nextMs };
}

/** Takes what the receiver's own earlier links hold of a range. Pure. */
export function takeHeld(
  links: readonly DispatcherLink[],
  { first, last }: SeqRange,
): Segment<Handed>[] {
  return links.flatMap((link) => link.leases.take(first, last));
}
