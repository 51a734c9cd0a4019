import { Assignment } from "./assignment.ts";
import { copiesOf } from "./dead-copies.ts";
import type { DeadTable } from "./dead-table.ts";
import type {
  DispatcherAction,
  DispatcherEvent,
  DispatcherOptions,
  DispatcherState,
  Outcome,
} from "./dispatcher-events.ts";
import { type DispatcherLink, hasCredit, newLink } from "./dispatcher-link.ts";
import type { DispatcherStart } from "./dispatcher-start.ts";
import type { Handed, Lease } from "./leases.ts";
import { MessageTables } from "./message-tables.ts";
import { Order } from "./order.ts";
import { countAll, type SeqRange } from "./range.ts";
import type { Segment } from "./range-map.ts";
import { Refusals } from "./refusals.ts";
import { Retries, type TryEnd } from "./retries.ts";
import { Roster, takeEnded, takeHeld } from "./roster.ts";

/**
 * Decides who gets which messages, and when again.
 *
 * A message is fresh -> leased -> settled; or leased -> resting -> leased again; or leased -> dead. Each of
 * these is a table of ranges, so that a step costs as much as it has ranges, not messages: who holds what is
 * here, the rest is in `MessageTables`.
 *
 * Pure but for the given randomness: no clock, no socket, no disk. Invariants: a seq is in at most one
 * table; a link never holds more than its credit, but for what it claimed and what it needs for order;
 * what was settled is never sent again.
 *
 * @see docs/decisions/0041-dispatcher.md
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  #nowMs: number;
  readonly #tables: MessageTables;
  readonly #assignment: Assignment;
  readonly #retries: Retries;
  readonly #order: Order;
  readonly #roster: Roster;
  /** Nothing rests, and no lease or grace ends, before this time. */
  #dueMs = Number.POSITIVE_INFINITY;
  /** Whether a receiver has lived to answer for what this process handed out. */
  #isAnswered = false;
  #actions: DispatcherAction[] = [];

  constructor(options: DispatcherOptions, start: DispatcherStart) {
    const { state, nowMs } = start;
    this.#options = options;
    this.#nowMs = nowMs;
    this.#tables = new MessageTables(state, start.seqBefore);
    this.#assignment = new Assignment(this.#tables, (...given) => this.#send(...given));
    this.#retries = new Retries(options, this.#tables, start);
    this.#order = new Order(options.exclusive);
    this.#roster = new Roster(state.receivers, nowMs + options.graceMs);
    this.#dueMs = this.#roster.await(nowMs);
  }

  /** Every seq up to this one is settled. */
  get floor(): number {
    return this.#tables.floor;
  }

  /** All that will not be sent again, dead letters included (count). */
  get settledCount(): number {
    return this.#tables.settledCount;
  }

  /** The last seq that was fed. */
  get fed(): number {
    return this.#tables.fed;
  }

  /** The lowest seq that was fed and never handed out; behind the last one where there is none. */
  get freshFirst(): number {
    return this.#tables.fresh.lowest?.first ?? this.#tables.fed + 1;
  }

  /** The dead letters; only `step` may change them. */
  get dead(): Omit<DeadTable, "add" | "delete" | "move"> {
    return this.#tables.dead;
  }

  /** Whether what is handed out is to be saved first: it may be what kills both sides, see 0041. */
  get isWary(): boolean {
    return !this.#isAnswered || this.#tables.isWary;
  }

  /** When `tick` is due at the latest (ms); infinite where nothing waits for a time. */
  get deadlineMs(): number {
    return this.#dueMs;
  }

  /** The parts of a range to which the link still has the right. */
  heldOf(link: number, range: SeqRange): SeqRange[] {
    return this.#roster.heldOf(link, range);
  }

  /** What must be saved so that nothing settled is sent again after a restart. */
  state(): DispatcherState {
    const roster = this.#roster;
    return { ...this.#tables.state(), leased: roster.leased(), receivers: roster.receivers() };
  }

  /**
   * Takes one event into account.
   *
   * @param nowMs by a clock that never goes back
   * @returns what is to be done, in order; the caller owns the array
   */
  step(event: DispatcherEvent, nowMs: number): DispatcherAction[] {
    this.#nowMs = nowMs;
    this.#apply(event);
    if (nowMs >= this.#dueMs) this.#passTime();
    this.#assign();
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  #apply(event: DispatcherEvent): void {
    switch (event.type) {
      case "fed":
        this.#roster.sized(this.#tables.feed(event, event.bytes));
        return;
      case "joined":
        this.#join(event);
        return;
      case "lost":
        this.#lose(event.link);
        return;
      case "left":
        this.#leave(this.#roster.get(event.link));
        return;
      case "drop":
        for (const range of this.#tables.takeOldest(event.count)) this.#settle(range, "dropped");
        return;
      case "purged":
      case "copying":
      case "notCopied":
        this.#tables.note(event);
        return;
      case "copied":
        this.#tables.dead.move(event.moves);
        this.#settle(copiesOf(event.moves), "copy");
        return;
      case "tick":
        return;
      default:
        this.#answered(event);
    }
  }

  /** What a receiver says of messages counts as far as it holds them. */
  #answered(
    event: Extract<
      DispatcherEvent,
      { readonly ranges: readonly SeqRange[]; readonly link: number }
    >,
  ): void {
    const link = this.#roster.get(event.link);
    const refused: SeqRange[] = [];
    for (const range of event.ranges) {
      const held = link?.leases.take(range.first, range.last) ?? [];
      this.#isAnswered ||= held.length > 0 && event.type !== "extended";
      if (countAll(held) < range.last - range.first + 1) {
        refused.push(...this.#tables.unsettled(range, held));
      }
      for (const part of held) {
        if (event.type === "acked") this.#settle(part, "processed", link!);
        else if (event.type !== "extended") this.#endTry(part, event);
        else {
          // A right that was given for longer stays: the receiver may count on it, and be without a connection.
          const endMs = Math.max(part.value.endMs, this.#nowMs + event.leaseMs);
          this.#lease(link!, part, { ...part.value, endMs });
        }
      }
    }
    if (link !== undefined) {
      // Who gives back what it has not looked at is leaving: sent again before its bye, it would count as tried.
      link.silent = event.type === "released";
      if (link.silent) this.#assignment.remove(link);
      this.#noteCredit(link);
    }
    if (refused.length > 0) this.#actions.push({ type: "lost", link: event.link, ranges: refused });
  }

  #join(event: Extract<DispatcherEvent, { readonly type: "joined" }>): void {
    const { receiver, held, done } = event;
    const link = newLink(event.link, receiver, event);
    const before = this.#roster.of(receiver);
    const refusals = new Refusals(this.#tables);
    const endMs = this.#nowMs + this.#options.leaseMs;
    for (const [index, range] of [...done, ...held].entries()) {
      const granted = [...takeHeld(before, range), ...this.#tables.takeClaimed(range)];
      const isDone = index < done.length;
      for (const part of granted) {
        if (isDone) this.#settle(part, "processed", link);
        else this.#lease(link, part, { ...part.value, endMs });
      }
      refusals.add(range, { granted, isDone });
    }
    const displaced = this.#order.joined(link, before);
    if (displaced !== null) this.#assignment.remove(displaced);
    for (const other of before) this.#forget(other);
    this.#roster.add(link);
    this.#noteCredit(link);
    this.#noteOrder();
    this.#actions.push(...refusals.actions(link.id));
  }

  #lose(id: number): void {
    const link = this.#roster.get(id);
    if (link === undefined || link.graceEndMs !== null) return;
    this.#assignment.remove(link);
    if (link.leases.count === 0) this.#leave(link);
    else {
      link.graceEndMs = this.#nowMs + this.#options.graceMs;
      this.#dueMs = Math.min(this.#dueMs, link.graceEndMs);
      this.#noteOrder();
    }
  }

  #leave(link: DispatcherLink | undefined): void {
    if (link === undefined) return;
    this.#forget(link);
    const next = this.#order.left(link, this.#roster);
    if (next !== null) this.#noteCredit(next);
    this.#noteOrder();
  }

  /** Everything that the link holds goes back. */
  #forget(link: DispatcherLink): void {
    this.#roster.delete(link);
    this.#assignment.remove(link);
    for (const part of link.leases.take(1, Number.MAX_SAFE_INTEGER)) {
      this.#endTry(part, { type: "lost" });
    }
  }

  /** A try ended, and the message is not processed. */
  #endTry(part: Segment<Lease>, how: TryEnd): void {
    const { first, last } = part;
    if (how.type !== "lost") this.#tables.answered(part);
    const { type, dueMs } = this.#retries.end(part, how, this.#nowMs);
    this.#dueMs = Math.min(this.#dueMs, dueMs);
    if (type === "dead") this.#settle(part, "dead");
    else if (type === "full") this.#actions.push({ type: "deadLettersFull", first, last });
  }

  #settle({ first, last }: SeqRange, outcome: Outcome, by: DispatcherLink | null = null): void {
    this.#tables.settle({ first, last });
    this.#actions.push({ type: "settled", outcome, first, last });
    // With receivers in turn the one that did it knows; there is no other that waits for it.
    if (outcome === "copy" || (outcome === "processed" && !this.#options.exclusive)) return;
    this.#actions.push(...this.#order.gone({ first, last }, by, this.#roster));
  }

  #lease(link: DispatcherLink, range: SeqRange, lease: Lease): void {
    link.leases.add(range, lease);
    this.#dueMs = Math.min(this.#dueMs, lease.endMs);
  }

  /** Rests, leases and grace periods that are over; and when the next one is. */
  #passTime(): void {
    const nowMs = this.#nowMs;
    let dueMs = this.#roster.await(nowMs);
    for (const link of [...this.#roster]) {
      // Without a connection a receiver can neither ask for longer nor hear that its lease ended.
      if (link.graceEndMs === null) dueMs = Math.min(dueMs, this.#endLeases(link));
      else if (link.graceEndMs <= nowMs) this.#leave(link);
      else dueMs = Math.min(dueMs, link.graceEndMs);
    }
    // Last, since what was given back just now may rest too.
    this.#dueMs = Math.min(dueMs, this.#tables.wake(nowMs));
  }

  /** @returns when the next lease of the link ends (ms) */
  #endLeases(link: DispatcherLink): number {
    const { ended, nextMs } = takeEnded(link, this.#nowMs);
    if (ended.length === 0) return nextMs;
    link.silent = true;
    this.#assignment.remove(link);
    const ranges = ended.map(({ first, last }) => ({ first, last }));
    // Before what becomes of them: the receiver may then be told that they will not come again.
    this.#actions.push({ type: "lost", link: link.id, ranges });
    for (const part of ended) this.#endTry(part, { type: "lost" });
    const next = this.#order.fellSilent(link, this.#roster);
    if (next !== null) this.#noteCredit(next);
    this.#noteOrder();
    return nextMs;
  }

  #noteCredit(link: DispatcherLink): void {
    if (link.graceEndMs !== null || link.silent || !hasCredit(link)) return;
    if (this.#order.admits(link)) this.#assignment.add(link);
  }

  #noteOrder(): void {
    this.#actions.push(...this.#order.changes(this.#roster, this.#tables));
  }

  #assign(): void {
    if (this.#roster.isAwaiting) return;
    for (const part of this.#retries.takeExhausted()) this.#endTry(part, { type: "lost" });
    if (this.#options.exclusive || this.#roster.size === 1) {
      for (const link of this.#roster) this.#assignment.runAwaited(link);
    }
    this.#assignment.run();
  }

  #send(link: DispatcherLink, range: SeqRange, handed: Handed): void {
    const { attempt } = handed;
    if (attempt > 1) this.#tables.handedOut(range);
    this.#lease(link, range, { ...handed, endMs: this.#nowMs + this.#options.leaseMs });
    this.#actions.push({ type: "send", link: link.id, ...range, attempt });
  }
}
