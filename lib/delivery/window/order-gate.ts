import type { SeqRange } from "../range/range.ts";
import { RangeSet } from "../range/range-set.ts";

/**
 * Keeps messages from the application while a lower one is expected again: so a stream stays in order through
 * retries and lost leases.
 *
 * Pure. Invariant: while order is kept, whatever was given back or lost is awaited until it comes, is done, or is
 * known never to come.
 *
 * @see docs/decisions/0041-dispatcher.md
 */
export class OrderGate {
  #isOrdered = false;
  /** Expected again: nothing behind the lowest of these may pass. */
  readonly #awaited = new RangeSet();
  /** Of these, what the sender of this session may not have heard of when it last told us what to await. */
  readonly #given = new RangeSet();
  /** In hand, and no longer ours: to be awaited, should the application give it up. */
  readonly #missed = new RangeSet();

  /** Whether order is kept. */
  get isOrdered(): boolean {
    return this.#isOrdered;
  }

  /** The lowest seq that has to come first; infinite where there is none. */
  get awaitedFirst(): number {
    return this.#awaited.lowest?.first ?? Number.POSITIVE_INFINITY;
  }

  /** A new session begins: its sender hears of all that is held, and tells what to await. */
  claimed(): void {
    this.#given.clear();
    this.#missed.clear();
  }

  /**
   * The sender says whether order is kept.
   *
   * @param awaited what has to come first, as far as it is not done
   */
  set(isOrdered: boolean, awaited: readonly SeqRange[]): void {
    this.#isOrdered = isOrdered;
    this.#awaited.clear();
    this.#missed.clear();
    this.#awaited.addAll(awaited);
    if (isOrdered) this.#awaited.addAll(this.#given);
    else this.#given.clear();
  }

  /** These came, or are done, or will never come. */
  arrived(first: number, last: number): void {
    this.#awaited.delete(first, last);
    this.#given.delete(first, last);
    this.#missed.delete(first, last);
  }

  /** The application gave these back, to be tried again. */
  returned({ first, last }: SeqRange): void {
    if (!this.#isOrdered) return;
    this.#awaited.add(first, last);
    this.#given.add(first, last);
  }

  /** The lease of messages ended that wait for the application. */
  lostWaiting(ranges: readonly SeqRange[]): void {
    if (this.#isOrdered) this.#awaited.addAll(ranges);
  }

  /** The lease of messages ended that the application has in its hands, and may do yet. */
  lostInHand({ first, last }: SeqRange): void {
    if (this.#isOrdered) this.#missed.add(first, last);
  }

  /** The application gave up messages, some of which may have been lost before. */
  givenUp({ first, last }: SeqRange): void {
    this.#awaited.addAll(this.#missed.delete(first, last));
  }

  /** From `seq` on the sender's history is another one. @returns what was awaited there, and is no longer */
  cut(seq: number): SeqRange[] {
    return this.#awaited.delete(seq, Number.MAX_SAFE_INTEGER);
  }
}
