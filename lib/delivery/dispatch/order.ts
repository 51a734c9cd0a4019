import type { Consumer } from "../consumers/consumer.ts";
import type { Roster } from "../consumers/roster.ts";
import type { SeqRange } from "../range/range.ts";
import type { DispatcherAction, DispatcherOptions } from "./dispatcher-events.ts";
import type { MessageTables } from "./message-tables.ts";

/**
 * Who keeps the order of seqs through all retries: a receiver that is alone, unless nobody wants that, or with order `"total"` the active
 * one, while the others stand by.
 *
 * Pure. Invariant: with order `"total"`, at most one receiver is active, and no other gets messages.
 */
export class Order {
  readonly #isTotal: boolean;
  readonly #isKeptAlone: boolean;
  #active: Consumer | null = null;

  constructor({ order }: Pick<DispatcherOptions, "order">) {
    this.#isTotal = order === "total";
    this.#isKeptAlone = order === "perReceiver";
  }

  /** Whether one of so many receivers (count) keeps order. */
  keeps(count: number): boolean {
    return this.#isTotal || (this.#isKeptAlone && count === 1);
  }

  /** Whether the receiver may get messages, as far as order goes. */
  admits(link: Consumer): boolean {
    return !this.#isTotal || this.#active === link;
  }

  /**
   * A receiver came.
   *
   * @param before its earlier links, which it takes the place of
   * @returns who is not active any more; null: nobody
   */
  joined(link: Consumer, before: readonly Consumer[]): Consumer | null {
    if (!this.#isTotal) return null;
    const active = this.#active;
    if (active === null || before.includes(active)) {
      this.#active = link;
      return null;
    }
    if (link.leases.count === 0 || active.leases.count > 0) return null;
    // Who was active before a restart goes on with what it holds.
    this.#active = link;
    return active;
  }

  /** A receiver is gone for good. @returns who is active in its place; null: nothing changes */
  left(link: Consumer, others: Iterable<Consumer>): Consumer | null {
    if (this.#active !== link) return null;
    this.#active = null;
    for (const other of others) {
      if (other.graceEndMs !== null) continue;
      this.#active = other;
      return other;
    }
    return null;
  }

  /** A receiver let leases end. When it holds none any more another goes on. @returns who is active in its place; null: nothing changes */
  fellSilent(link: Consumer, others: Iterable<Consumer>): Consumer | null {
    if (this.#active !== link || link.leases.count > 0) return null;
    for (const other of others) {
      if (other.graceEndMs !== null || other.silent) continue;
      this.#active = other;
      return other;
    }
    return null;
  }

  /** A range will not be sent again: who keeps order, but for `by`, need not wait for it. */
  gone(range: SeqRange, by: Consumer | null, links: Roster): DispatcherAction[] {
    return [...links]
      .filter((link) => link !== by && link.ordered === true)
      .map((link) => ({ type: "gone", link: link.id, ranges: [range] }));
  }

  /** What the receivers have to be told, and have not been. */
  changes(links: Roster, tables: MessageTables): DispatcherAction[] {
    const actions: DispatcherAction[] = [];
    for (const link of links) {
      const ordered = this.#isTotal ? link === this.#active : this.keeps(links.size);
      if (link.ordered === ordered) continue;
      link.ordered = ordered;
      // What comes to it before, or between, what it holds.
      const highest = link.leases.highest?.last ?? 0;
      const awaited = ordered ? tables.outstanding(highest) : [];
      actions.push({ type: "order", link: link.id, ordered, awaited });
    }
    return actions;
  }
}
