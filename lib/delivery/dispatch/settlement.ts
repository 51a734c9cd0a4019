import type { Lease } from "../attempts/leases.ts";
import { cutAt } from "../attempts/suspects.ts";
import type { Consumer } from "../consumers/consumer.ts";
import type { Roster } from "../consumers/roster.ts";
import type { SeqRange } from "../range/range.ts";
import type { ValuedRange } from "../range/range-map.ts";
import { type RangeSet, rangeSet, without } from "../range/range-set.ts";
import type { DispatcherOptions, Outcome } from "./dispatcher-events.ts";
import type { MessageTables } from "./message-tables.ts";
import type { Order } from "./order.ts";
import type { AttemptEnd, Retries } from "./retries.ts";
import type { StepResults } from "./step-results.ts";

const LOST: AttemptEnd = Object.freeze({ type: "lost", isBeside: false });
const LOST_BESIDE: AttemptEnd = Object.freeze({ type: "lost", isBeside: true });
const UNTOUCHED: AttemptEnd = Object.freeze({ type: "released" });

/** Dependencies of {@link Settlement}. */
export interface SettlementParts {
  readonly tables: MessageTables;
  readonly retries: Retries;
  readonly order: Order;
  readonly roster: Roster;
  readonly results: StepResults;
}

/**
 * Settles messages that a receiver no longer holds, or schedules them for a retry, at once or after a back-off.
 *
 * Pure. Every range passed in was removed from its table, or from its receiver's leases, before.
 *
 * @see docs/decisions/0048-an-attempt-begins-when-a-handler-begins.md
 */
export class Settlement {
  readonly #parts: SettlementParts;
  readonly #tables: MessageTables;
  readonly #isTotal: boolean;

  constructor(parts: SettlementParts, { order }: Pick<DispatcherOptions, "order">) {
    this.#parts = parts;
    this.#tables = parts.tables;
    this.#isTotal = order === "total";
  }

  /** A range will never be sent again. @param by the receiver that settled it, which need not be notified */
  settle({ first, last }: SeqRange, outcome: Outcome, by: Consumer | null = null): void {
    const { results, order, roster } = this.#parts;
    this.#tables.settle({ first, last });
    results.add({ type: "settled", outcome, first, last });
    // Unless order is total, the receiver that processed it knows this, and no other waits for it.
    if (outcome === "copy" || (outcome === "processed" && !this.#isTotal)) return;
    results.addAll(order.settled({ first, last }, by, roster));
  }

  /** An attempt ended without the message being processed. */
  endAttempt(part: ValuedRange<Lease>, how: AttemptEnd): void {
    const { results, retries } = this.#parts;
    const { first, last } = part;
    if (how.type === "nacked" || how.type === "rejected") this.#tables.tried(part);
    else if (how.type === "released" && part.value.attempt <= 1) this.#tables.firsts.forget(part);
    const { type, dueMs } = retries.end(part, how, results.nowMs);
    results.dueAt(dueMs);
    if (type === "dead") this.settle(part, "dead");
    else if (type === "full") results.add({ type: "deadLettersFull", first, last });
  }

  /** A receiver gives back messages that it has not read. */
  release(part: ValuedRange<Lease>): void {
    this.#tables.survived(part);
    this.#tables.suspects.ended(part);
    this.endAttempt(part, UNTOUCHED);
  }

  /** Messages come back without a report of their outcome: only those that were begun count as attempted. */
  giveBack(parts: readonly ValuedRange<Lease>[], how: "crashed" | "left"): void {
    const { suspects } = this.#tables;
    const isCrash = how === "crashed";
    // A message begun alone is the cause of the death; otherwise it may be any of those begun.
    const alone = isCrash ? parts.flatMap((part) => suspects.guardedOf(part)) : [];
    // As sets: there may be thousands of ranges, and every part is cut at them.
    const begun = rangeSet(
      isCrash ? suspects.crashed(parts) : parts.flatMap((part) => suspects.ended(part)),
    );
    const beside = rangeSet(isCrash ? without([...begun], alone) : []);
    for (const { value, ...part } of parts) {
      for (const { range, isInside } of cutAt(part, begun)) {
        if (!isInside) this.endAttempt({ ...range, value }, UNTOUCHED);
        else this.#endLost({ ...range, value }, beside);
      }
    }
  }

  /** No receiver will claim the remaining messages that an earlier process dispatched: they are given back. */
  giveBackUnclaimed(): void {
    const { retries, roster } = this.#parts;
    this.giveBack(this.#tables.takeUnclaimed(), roster.isMissing ? "crashed" : "left");
    for (const part of retries.takeExhausted()) this.endAttempt(part, LOST);
  }

  /** Begun messages come back without a report of their outcome. @param beside begun together with others at a death */
  #endLost({ value, ...part }: ValuedRange<Lease>, beside: RangeSet): void {
    for (const { range, isInside } of cutAt(part, beside)) {
      this.endAttempt({ ...range, value }, isInside ? LOST_BESIDE : LOST);
    }
  }
}
