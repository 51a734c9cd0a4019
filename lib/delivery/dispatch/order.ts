import type { Consumer } from "../consumers/consumer.ts";
import type { Roster } from "../consumers/roster.ts";
import type { SeqRange } from "../range/range.ts";
import type { DispatcherAction, DispatcherOptions } from "./dispatcher-events.ts";
import type { MessageTables } from "./message-tables.ts";

/** The action that notifies a receiver whether it keeps order. */
type OrderAction = Extract<DispatcherAction, { readonly type: "ordering" }>;

/**
 * Decides which receiver keeps the order of seqs through all retries: with order `"perReceiver"` a receiver that is
 * alone, with `"total"` the active one, while the others stand by, with `"none"` no receiver.
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

  /** Whether one of `count` receivers keeps order. */
  keeps(count: number): boolean {
    return this.#isTotal || (this.#isKeptAlone && count === 1);
  }

  /** Whether the receiver may get messages, as far as order goes. */
  admits(link: Consumer): boolean {
    return !this.#isTotal || this.#active === link;
  }

  /**
   * A receiver connected or reconnected.
   *
   * @param before its earlier links, which it replaces
   * @returns the receiver that is no longer active; null: none
   */
  joined(link: Consumer, before: readonly Consumer[]): Consumer | null {
    if (!this.#isTotal) return null;
    const active = this.#active;
    if (active === null || before.includes(active)) {
      this.#active = link;
      return null;
    }
    if (link.leases.count === 0 || active.leases.count > 0) return null;
    // The receiver that was active before a restart continues with what it holds.
    this.#active = link;
    return active;
  }

  /** A receiver is gone for good. @returns the one that is active in its place; null: none */
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

  /**
   * A receiver let leases end. Once it holds none any more, another becomes active.
   *
   * @returns the one that is active in its place; null: nothing changes
   */
  fellSilent(link: Consumer, others: Iterable<Consumer>): Consumer | null {
    if (this.#active !== link || link.leases.count > 0) return null;
    for (const other of others) {
      if (other.graceEndMs !== null || other.silent) continue;
      this.#active = other;
      return other;
    }
    return null;
  }

  /**
   * A receiver sent a report or a heartbeat. If the active one fell silent and holds nothing, when no other could take
   * its place, this one does.
   *
   * @returns whether it is active now, and was not before
   */
  spoke(link: Consumer): boolean {
    const active = this.#active;
    if (active === null || active === link || !active.silent || active.leases.count > 0)
      return false;
    this.#active = link;
    return true;
  }

  /** A range will not be sent again: receivers that keep order, except `by`, need not wait for it. */
  settled(range: SeqRange, by: Consumer | null, links: Roster): DispatcherAction[] {
    return [...links]
      .filter((link) => link !== by && link.ordered === true)
      .map((link) => ({ type: "settledElsewhere", link: link.id, ranges: [range] }));
  }

  /** Notifies the receivers for which it has changed whether they keep order. */
  changes(links: Roster, tables: MessageTables): OrderAction[] {
    const actions: OrderAction[] = [];
    for (const link of links) {
      const ordered = this.#isTotal ? link === this.#active : this.keeps(links.size);
      if (link.ordered === ordered) continue;
      link.ordered = ordered;
      // Messages that it will be sent before, or between, those that it holds.
      const highest = link.leases.highest?.last ?? 0;
      const awaited = ordered ? tables.outstanding(highest) : [];
      actions.push({ type: "ordering", link: link.id, ordered, awaited });
    }
    return actions;
  }
}
