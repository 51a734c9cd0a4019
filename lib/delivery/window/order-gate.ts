import type { SeqRange } from "../range/range.ts";
import { RangeSet } from "../range/range-set.ts";

/**
 * Holds messages back while a lower one is expected again, so that a stream stays in order through retries and lost
 * leases.
 *
 * Pure. Invariant: while order is kept, a message that was given back, or whose lease ended, is awaited until it
 * arrives, is done, or is reported never to be sent again. One that is still in flight is awaited only once the
 * application gives it up.
 *
 * @see docs/decisions/0041-dispatcher.md
 */
export class OrderGate {
  #isOrdered = false;
  /** Expected again: nothing above the lowest of these is delivered. */
  readonly #awaited = new RangeSet();
  /** Given back by the application in this session: the sender's list of messages to await may not include them yet. */
  readonly #given = new RangeSet();
  /** In flight, but the lease has ended: awaited if the application gives them up. */
  readonly #missed = new RangeSet();

  /** Whether order is kept. */
  get isOrdered(): boolean {
    return this.#isOrdered;
  }

  /** The lowest seq that has to be delivered first; infinite where there is none. */
  get awaitedFirst(): number {
    return this.#awaited.lowest?.first ?? Number.POSITIVE_INFINITY;
  }

  /** A new session begins: the claim reports all held messages to its sender, which replies with those to await. */
  claimed(): void {
    this.#given.clear();
    this.#missed.clear();
  }

  /**
   * The sender reports whether order is kept.
   *
   * @param awaited messages that have to be delivered first, without those that are done
   */
  set(isOrdered: boolean, awaited: readonly SeqRange[]): void {
    this.#isOrdered = isOrdered;
    this.#awaited.clear();
    this.#missed.clear();
    this.#awaited.addAll(awaited);
    if (isOrdered) this.#awaited.addAll(this.#given);
    else this.#given.clear();
  }

  /** These messages arrived, are done, or will never be sent again. */
  arrived(first: number, last: number): void {
    this.#awaited.delete(first, last);
    this.#given.delete(first, last);
    this.#missed.delete(first, last);
  }

  /** The application gave these messages back, to be retried. */
  returned({ first, last }: SeqRange): void {
    if (!this.#isOrdered) return;
    this.#awaited.add(first, last);
    this.#given.add(first, last);
  }

  /** The lease of messages that wait for the application has ended. */
  lostWaiting(ranges: readonly SeqRange[]): void {
    if (this.#isOrdered) this.#awaited.addAll(ranges);
  }

  /** The lease of messages in flight has ended; the application may still finish them. */
  lostInHand({ first, last }: SeqRange): void {
    if (this.#isOrdered) this.#missed.add(first, last);
  }

  /** The application gave up messages; those of them whose lease had ended before are awaited. */
  givenUp({ first, last }: SeqRange): void {
    this.#awaited.addAll(this.#missed.delete(first, last));
  }

  /** The sender has another history from `seq` on. @returns the ranges that were awaited there, and no longer are */
  cut(seq: number): SeqRange[] {
    return this.#awaited.delete(seq, Number.MAX_SAFE_INTEGER);
  }
}
