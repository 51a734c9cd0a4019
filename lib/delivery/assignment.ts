import { creditOf, type DispatcherLink } from "./dispatcher-link.ts";
import type { MessageTables } from "./message-tables.ts";
import type { SeqRange } from "./range.ts";

/** Hands a range, which is in no table any more, to a receiver. */
export type HandOut = (link: DispatcherLink, range: SeqRange, attempt: number) => void;

/**
 * Who gets which messages next: the lowest seqs first, to the receivers with credit in turn. Where there are
 * fewer batches than receivers, batches are cut into even shares; else they stay whole.
 *
 * Pure.
 *
 * @see docs/decisions/0041-dispatcher.md
 */
export class Assignment {
  readonly #tables: MessageTables;
  readonly #handOut: HandOut;
  /** Receivers with credit, in the order of their turns. */
  readonly #willing = new Set<DispatcherLink>();

  constructor(tables: MessageTables, handOut: HandOut) {
    this.#tables = tables;
    this.#handOut = handOut;
  }

  /** The receiver may get messages. */
  add(link: DispatcherLink): void {
    this.#willing.add(link);
  }

  /** The receiver gets nothing more. */
  remove(link: DispatcherLink): void {
    this.#willing.delete(link);
  }

  /** Hands out what is ready, as far as there is credit. */
  run(): void {
    const { ready, fresh } = this.#tables;
    let left = 0;
    while (this.#willing.size > 0 && (ready.size > 0 || fresh.size > 0)) {
      if (left <= 0) left = this.#willing.size;
      const link: DispatcherLink = this.#willing.values().next().value!;
      this.#willing.delete(link);
      const isAgain = ready.size > 0;
      if (!isAgain && this.#tables.isFull) {
        this.#willing.add(link);
        return;
      }
      const granted = isAgain ? this.#handReady(link, left) : this.#handFresh(link, left);
      left -= 1;
      if (granted && creditOf(link) > 0) this.#willing.add(link);
    }
  }

  /**
   * A receiver that keeps order can do nothing with what it holds before a lower message comes again: that one
   * is sent beyond its credit, at most as much again.
   */
  runAwaited(link: DispatcherLink): void {
    if (link.ordered !== true || link.silent || link.graceEndMs !== null) return;
    const held = link.leases.lowest;
    if (held === null || creditOf(link) > 0) return;
    const { ready, fresh } = this.#tables;
    const again = ready.lowest;
    if (again !== null && again.first < held.first) {
      const last = Math.min(again.last, held.first - 1, again.first + link.prefetch - 1);
      ready.take(again.first, last);
      this.#handOut(link, { first: again.first, last }, again.value + 1);
      return;
    }
    const next = fresh.lowest;
    if (next === null || next.first > held.first) return;
    const last = Math.min(next.last, held.first - 1, next.first + link.prefetch - 1);
    fresh.take(next.first, last);
    this.#handOut(link, { first: next.first, last }, 1);
  }

  #handReady(link: DispatcherLink, shares: number): boolean {
    const { ready } = this.#tables;
    const { first, last, value } = ready.lowest!;
    const share = Math.ceil(ready.count / shares);
    const end = Math.min(last, first + Math.min(share, creditOf(link)) - 1);
    ready.take(first, end);
    this.#handOut(link, { first, last: end }, value + 1);
    return true;
  }

  #handFresh(link: DispatcherLink, shares: number): boolean {
    const { fresh } = this.#tables;
    const { first, last } = fresh.lowest!;
    const credit = creditOf(link);
    let count = last - first + 1;
    if (fresh.size < shares) count = Math.ceil((count * fresh.size) / shares);
    if (count > credit) {
      // Rather wait for more credit than cut a batch, unless little is to be gained by waiting.
      if (credit * 2 < link.prefetch && link.leases.count > 0) return false;
      count = credit;
    }
    const end = first + count - 1;
    fresh.take(first, end);
    this.#handOut(link, { first, last: end }, 1);
    return true;
  }
}
