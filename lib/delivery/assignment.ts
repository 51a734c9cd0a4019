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
    let left = 0;
    while (this.#willing.size > 0) {
      const next = this.#lowest();
      if (next === null || (next === "fresh" && this.#tables.isFull)) return;
      if (left <= 0) left = this.#willing.size;
      const link: DispatcherLink = this.#willing.values().next().value!;
      this.#willing.delete(link);
      const granted = next === "ready" ? this.#handReady(link, left) : this.#handFresh(link, left);
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
    const kind = this.#lowest();
    if (held === null || creditOf(link) > 0 || kind === null) return;
    const table = this.#tables[kind];
    const { first, last, value } = table.lowest!;
    if (first > held.first) return;
    const end = Math.min(last, held.first - 1, first + link.prefetch - 1);
    table.take(first, end);
    this.#handOut(link, { first, last: end }, kind === "ready" ? value + 1 : 1);
  }

  /**
   * The table with the lowest seq that can be handed out; null where there is none. What a process before this
   * one handed out waits until all before it is fed, so that the order of seqs is kept.
   */
  #lowest(): "ready" | "fresh" | null {
    const { ready, fresh, fed } = this.#tables;
    const again = ready.lowest?.first ?? Number.POSITIVE_INFINITY;
    const next = fresh.lowest?.first ?? Number.POSITIVE_INFINITY;
    if (next < again) return "fresh";
    return again <= fed ? "ready" : null;
  }

  #handReady(link: DispatcherLink, shares: number): boolean {
    const { ready, fed } = this.#tables;
    const { first, last, value } = ready.lowest!;
    const share = Math.ceil(ready.count / shares);
    const end = Math.min(last, fed, first + Math.min(share, creditOf(link)) - 1);
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
      // Rather wait for more credit than cut a batch, unless little is to be gained by waiting, or the receiver
      // waits for these before it goes on with what it holds, where order is kept.
      const isAwaited = link.ordered === true && first < (link.leases.lowest?.first ?? 0);
      if (credit * 2 < link.prefetch && link.leases.count > 0 && !isAwaited) return false;
      count = credit;
    }
    const end = first + count - 1;
    fresh.take(first, end);
    this.#handOut(link, { first, last: end }, 1);
    return true;
  }
}
