import type { Lease } from "../attempts/leases.ts";
import { cutAt } from "../attempts/suspects.ts";
import type { Consumer } from "../consumers/consumer.ts";
import type { Roster } from "../consumers/roster.ts";
import type { SeqRange } from "../range/range.ts";
import type { Segment } from "../range/range-map.ts";
import { type RangeSet, rangeSet, without } from "../range/range-set.ts";
import type { Agenda } from "./agenda.ts";
import type { DispatcherOptions, Outcome } from "./dispatcher-events.ts";
import type { MessageTables } from "./message-tables.ts";
import type { Order } from "./order.ts";
import type { Retries, TryEnd } from "./retries.ts";

const LOST: TryEnd = Object.freeze({ type: "lost", isBeside: false });
const LOST_BESIDE: TryEnd = Object.freeze({ type: "lost", isBeside: true });
const UNTOUCHED: TryEnd = Object.freeze({ type: "released" });

/** Dependencies of {@link Settlement}. */
export interface SettlementParts {
  readonly tables: MessageTables;
  readonly retries: Retries;
  readonly order: Order;
  readonly roster: Roster;
  readonly agenda: Agenda;
}

/**
 * What becomes of messages that a receiver has no more: they are settled, or tried again, at once or after a rest.
 *
 * Pure. Every range that comes here was taken out of its table, or from its receiver, before.
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

  /** A range will never be sent again. @param by who did it; it need not be told */
  settle({ first, last }: SeqRange, outcome: Outcome, by: Consumer | null = null): void {
    const { agenda, order, roster } = this.#parts;
    this.#tables.settle({ first, last });
    agenda.add({ type: "settled", outcome, first, last });
    // With round-robin the one that did it knows; there is no other that waits for it.
    if (outcome === "copy" || (outcome === "processed" && !this.#isTotal)) return;
    agenda.addAll(order.gone({ first, last }, by, roster));
  }

  /** A try ended, and the message is not processed. */
  endTry(part: Segment<Lease>, how: TryEnd): void {
    const { agenda, retries } = this.#parts;
    const { first, last } = part;
    if (how.type === "nacked" || how.type === "rejected") this.#tables.tried(part);
    else if (how.type === "released" && part.value.attempt <= 1) this.#tables.firsts.forget(part);
    const { type, dueMs } = retries.end(part, how, agenda.nowMs);
    agenda.dueAt(dueMs);
    if (type === "dead") this.settle(part, "dead");
    else if (type === "full") agenda.add({ type: "deadLettersFull", first, last });
  }

  /** A receiver gives messages back that it has not looked at. */
  release(part: Segment<Lease>): void {
    this.#tables.answered(part);
    this.#tables.suspects.ended(part);
    this.endTry(part, UNTOUCHED);
  }

  /** Messages come back without a word: only what was begun has been tried. */
  giveBack(parts: readonly Segment<Lease>[], how: "died" | "left"): void {
    const { suspects } = this.#tables;
    const isDead = how === "died";
    // What was begun alone is the reason; of the others any may be.
    const alone = isDead ? parts.flatMap((part) => suspects.guardedOf(part)) : [];
    // As sets: there may be thousands of each, and every part is cut at them.
    const begun = rangeSet(
      isDead ? suspects.died(parts) : parts.flatMap((part) => suspects.ended(part)),
    );
    const beside = rangeSet(isDead ? without([...begun], alone) : []);
    for (const { value, ...part } of parts) {
      for (const { range, isInside } of cutAt(part, begun)) {
        if (!isInside) this.endTry({ ...range, value }, UNTOUCHED);
        else this.#endLost({ ...range, value }, beside);
      }
    }
  }

  /** Nobody comes any more for what a process before this one handed out: whoever held it died with it. */
  giveBackUnclaimed(): void {
    const { retries, roster } = this.#parts;
    this.giveBack(this.#tables.takeUnclaimed(), roster.isMissing ? "died" : "left");
    for (const part of retries.takeExhausted()) this.endTry(part, LOST);
  }

  /** Begun messages come back without a word; some of them had others beside them when the receiver died. */
  #endLost({ value, ...part }: Segment<Lease>, beside: RangeSet): void {
    for (const { range, isInside } of cutAt(part, beside)) {
      this.endTry({ ...range, value }, isInside ? LOST_BESIDE : LOST);
    }
  }
}
