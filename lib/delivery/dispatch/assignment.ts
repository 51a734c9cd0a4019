import type { Dispatched } from "../attempts/leases.ts";
import { type Consumer, creditOf, creditWhole, hasCredit } from "../consumers/consumer.ts";
import type { SeqRange } from "../range/range.ts";
import type { MessageTables } from "./message-tables.ts";

/** Messages held from which on a receiver gets no fresh ones while the tables are full (count). */
const HELD_FEW = 4_096;

/**
 * Ranges dispatched in one step (count): each is a frame, and a receiver that holds every second message needs
 * thousands.
 */
export const HAND_OUTS_PER_STEP = 1_024;

/** Dispatches a range, already removed from its table, to a receiver. */
export type Dispatch = (link: Consumer, range: SeqRange, dispatched: Dispatched) => void;

/** Messages that were the lowest when receivers had too little room for them. */
interface Declined extends SeqRange {
  readonly kind: "ready" | "fresh";
  /** Size of each message (bytes). */
  readonly bytesEach: number;
  /** Whether the tables were full. */
  readonly isFull: boolean;
}

/**
 * Assigns messages to receivers: the lowest seqs first, to the receivers with credit, round-robin. If there are fewer
 * batches than receivers, batches are cut into equal parts; otherwise they stay whole.
 *
 * A receiver with too little room for the lowest messages waits. It gets another turn as soon as the lowest messages
 * are others that it may have room for, such as one whose back-off has ended: it need not send anything for that.
 *
 * Pure. Invariant: no waiting receiver has room for the messages declined last.
 *
 * @see docs/decisions/0041-dispatcher.md
 */
export class Assignment {
  readonly #tables: MessageTables;
  readonly #dispatch: Dispatch;
  /** Receivers that may get messages, in the order of their turns. */
  readonly #willing = new Set<Consumer>();
  /** Receivers that may get messages, and had too little room for those that were the lowest. */
  readonly #waiting = new Set<Consumer>();
  /** What was declined last; null: nothing yet. */
  #declined: Declined | null = null;
  /** No waiting receiver has credit for more messages of that size than this (count). */
  #roomMax = 0;

  constructor(tables: MessageTables, dispatch: Dispatch) {
    this.#tables = tables;
    this.#dispatch = dispatch;
  }

  /** The receiver may get messages. */
  add(link: Consumer): void {
    this.#waiting.delete(link);
    this.#willing.add(link);
  }

  /** The receiver gets no more messages. */
  remove(link: Consumer): void {
    this.#waiting.delete(link);
    this.#willing.delete(link);
  }

  /** Dispatches messages as far as there is credit. @returns whether it stopped at the limit of one step */
  run(): boolean {
    let left = 0;
    for (let count = 0; this.#willing.size + this.#waiting.size > 0; count++) {
      const next = this.#lowest();
      if (next === null) return false;
      if (this.#willing.size === 0) this.#offerAgain(next);
      if (this.#willing.size === 0) return false;
      if (count >= HAND_OUTS_PER_STEP) return true;
      if (left <= 0) left = this.#willing.size;
      const link: Consumer = this.#willing.values().next().value!;
      this.#willing.delete(link);
      const granted = next === "ready" ? this.#handReady(link, left) : this.#handFresh(link, left);
      left -= 1;
      if (!granted) this.#decline(link, next);
      else if (hasCredit(link)) this.#willing.add(link);
    }
    return false;
  }

  /**
   * A receiver that keeps order cannot deliver what it holds before a lower message is sent again: that message is
   * sent beyond its credit, at most as much again. Only the lowest of all unsettled messages is: if a lower one were
   * still in back-off, this one would have to wait too, and the receiver would have no room for the lower one.
   */
  runAwaited(link: Consumer): void {
    if (link.ordered !== true || link.graceEndMs !== null) return;
    if (link.silent || link.congested) return;
    const held = link.leases.lowest;
    const kind = this.#lowest();
    if (held === null || kind === null) return;
    const { first, last, value } = this.#tables[kind].lowest!;
    const { bytesEach } = value;
    if (first > held.first || first > this.#tables.floor + 1) return;
    if (creditOf(link, bytesEach) > 0) return;
    const end = Math.min(last, held.first - 1, first + creditWhole(link, bytesEach) - 1);
    this.#tables[kind].take(first, end);
    this.#dispatch(link, { first, last: end }, { attempt: value.attempts + 1, bytesEach });
  }

  /**
   * The table with the lowest seq that can be dispatched; null where there is none. Messages that an earlier process
   * dispatched wait until they and all lower ones are fed, so that the order of seqs is kept.
   */
  #lowest(): "ready" | "fresh" | null {
    const { ready, fresh, fed } = this.#tables;
    const again = ready.lowest?.first ?? Number.POSITIVE_INFINITY;
    const next = fresh.lowest?.first ?? Number.POSITIVE_INFINITY;
    if (next < again) return "fresh";
    return again <= fed ? "ready" : null;
  }

  /** The receiver has too little room for the lowest messages; others that declined different ones may have it. */
  #decline(link: Consumer, kind: "ready" | "fresh"): void {
    this.#offerAgain(kind);
    const { isFull } = this.#tables;
    const { first, last, value } = this.#tables[kind].lowest!;
    const { bytesEach } = value;
    this.#declined = { kind, first, last, bytesEach, isFull };
    this.#waiting.add(link);
    this.#roomMax = Math.max(this.#roomMax, creditOf(link, bytesEach));
  }

  /** Gives the waiting receivers another turn if they may have room for the lowest messages. */
  #offerAgain(kind: "ready" | "fresh"): void {
    if (!this.#mayFit(kind)) return;
    for (const link of this.#waiting) this.#willing.add(link);
    this.#waiting.clear();
    this.#roomMax = 0;
  }

  /** Whether a waiting receiver may have room for the lowest messages: not if it declined as many, or fewer, as large. */
  #mayFit(kind: "ready" | "fresh"): boolean {
    const declined = this.#declined;
    const { first, last, value } = this.#tables[kind].lowest!;
    if (declined === null || kind !== declined.kind || value.bytesEach !== declined.bytesEach)
      return true;
    // Of messages that come again, any part is sent.
    if (kind === "ready") return false;
    if (this.#tables.isFull !== declined.isFull) return true;
    return last - first < this.#roomMax && (first !== declined.first || last !== declined.last);
  }

  #handReady(link: Consumer, shares: number): boolean {
    const { ready, fed } = this.#tables;
    const { first, last, value } = ready.lowest!;
    const { attempts, bytesEach } = value;
    const credit = creditOf(link, bytesEach);
    if (credit <= 0) return false;
    const share = Math.ceil(ready.count / shares);
    const end = Math.min(last, fed, first + Math.min(share, credit) - 1);
    ready.take(first, end);
    this.#dispatch(link, { first, last: end }, { attempt: attempts + 1, bytesEach });
    return true;
  }

  #handFresh(link: Consumer, shares: number): boolean {
    const { fresh } = this.#tables;
    const { first, last, value } = fresh.lowest!;
    const { bytesEach } = value;
    // A receiver that settles every second message makes the tables long, and has to settle the others first.
    if (link.leases.count >= HELD_FEW && this.#tables.isFull) return false;
    const credit = creditOf(link, bytesEach);
    if (credit <= 0) return false;
    let count = last - first + 1;
    if (fresh.size < shares) count = Math.ceil((count * fresh.size) / shares);
    if (count > credit) {
      // Waits for more credit rather than cut a batch, unless half of the whole credit is free, the receiver holds
      // nothing, or it keeps order and needs these messages before those that it holds.
      const isAwaited = link.ordered === true && first < (link.leases.lowest?.first ?? 0);
      const isLittle = credit * 2 < creditWhole(link, bytesEach);
      if (isLittle && link.leases.count > 0 && !isAwaited) return false;
      count = credit;
    }
    const end = first + count - 1;
    fresh.take(first, end);
    this.#dispatch(link, { first, last: end }, { attempt: 1, bytesEach });
    return true;
  }
}
