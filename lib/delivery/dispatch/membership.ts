import { EXTENSION_MS_MAX, type Handed, type Lease } from "../attempts/leases.ts";
import { type Consumer, hasCredit, newLink } from "../consumers/consumer.ts";
import { type Roster, takeHeld } from "../consumers/roster.ts";
import { countAll, type SeqRange } from "../range/range.ts";
import type { Segment } from "../range/range-map.ts";
import type { Agenda } from "./agenda.ts";
import type { Assignment } from "./assignment.ts";
import type { DispatcherEvent, DispatcherOptions } from "./dispatcher-events.ts";
import type { MessageTables } from "./message-tables.ts";
import type { Order } from "./order.ts";
import { Refusals } from "./refusals.ts";
import type { Settlement } from "./settlement.ts";

/** Dependencies of {@link Membership}. */
export interface MembershipParts {
  readonly tables: MessageTables;
  readonly roster: Roster;
  readonly order: Order;
  readonly assignment: Assignment;
  readonly settlement: Settlement;
  readonly agenda: Agenda;
}

/**
 * How receivers come, fall silent, lose their leases, and go, and what becomes then of what they hold.
 *
 * Pure. Invariant: only who is connected, has credit, is neither silent nor congested, and may get messages by the
 * rules of order, has a turn in the assignment.
 *
 * @see docs/decisions/0041-dispatcher.md
 */
export class Membership {
  readonly #parts: MembershipParts;
  readonly #options: Pick<DispatcherOptions, "leaseMs" | "graceMs">;

  constructor(parts: MembershipParts, options: Pick<DispatcherOptions, "leaseMs" | "graceMs">) {
    this.#parts = parts;
    this.#options = options;
  }

  /** A receiver came, or came back. */
  join(event: Extract<DispatcherEvent, { readonly type: "joined" }>): void {
    const { tables, roster, order, assignment, settlement, agenda } = this.#parts;
    const { receiver, incarnation, held, done } = event;
    const link = newLink(event.link, event);
    const before = roster.of(receiver);
    // What was in the memory of a process ended with it; another one of that name can only have done it.
    const same = before.filter((other) => incarnation !== "" && other.incarnation === incarnation);
    const isKnown = roster.wasThere(receiver);
    const refusals = new Refusals(tables);
    const endMs = agenda.nowMs + this.#options.leaseMs;
    for (const [index, range] of [...done, ...held].entries()) {
      const isDone = index < done.length;
      const granted = takeHeld(isDone ? before : same, range);
      if (isKnown) granted.push(...tables.takeClaimed(range));
      for (const part of granted) {
        if (isDone) settlement.settle(part, "processed", link);
        else this.#hold(link, part, { ...part.value, endMs });
      }
      refusals.add(range, { granted, isDone });
    }
    const displaced = order.joined(link, before);
    if (displaced !== null) assignment.remove(displaced);
    // What the same process does not claim never came to it.
    for (const other of before) this.#forget(other, same.includes(other) ? "left" : "died");
    roster.add(link);
    this.offer(link);
    this.#noteOrder();
    agenda.addAll(refusals.actions(link.id));
  }

  /** The connection of a receiver is gone: where it holds messages, it has a while to come back for them. */
  lose(link: Consumer | undefined): void {
    if (link === undefined || link.graceEndMs !== null) return;
    const { assignment, agenda } = this.#parts;
    assignment.remove(link);
    if (link.leases.count === 0) this.leave(link, "died");
    else {
      link.graceEndMs = agenda.nowMs + this.#options.graceMs;
      agenda.dueAt(link.graceEndMs);
      this.#noteOrder();
    }
  }

  /** A receiver is gone for good: everything that it holds goes back. */
  leave(link: Consumer | undefined, how: "died" | "left"): void {
    if (link === undefined) return;
    const { order, roster } = this.#parts;
    this.#forget(link, how);
    const next = order.left(link, roster);
    if (next !== null) this.offer(next);
    this.#noteOrder();
  }

  /** It keeps what it holds, and gets no more until it speaks. */
  pause(link: Consumer | undefined): void {
    if (link === undefined) return;
    link.silent = true;
    this.#parts.assignment.remove(link);
  }

  /**
   * It said something of messages.
   *
   * @param isLeaving whether it gives back what it has not looked at: sent again before its bye, that would count as tried
   */
  heard(link: Consumer, isLeaving: boolean): void {
    link.silent = isLeaving;
    if (isLeaving) this.#parts.assignment.remove(link);
    this.offer(link);
  }

  /** What is given back before it has left takes memory still, so its credit is no measure of what it has. */
  congest(link: Consumer | undefined, congested: boolean): void {
    if (link === undefined) return;
    link.congested = congested;
    if (congested) this.#parts.assignment.remove(link);
    else this.offer(link);
  }

  /** A receiver may have room: then it gets a turn. */
  offer(link: Consumer): void {
    if (link.graceEndMs !== null || link.silent || link.congested || !hasCredit(link)) return;
    if (this.#parts.order.admits(link)) this.#parts.assignment.add(link);
  }

  /** A receiver gets a range for `leaseMs`. */
  lease(link: Consumer, range: SeqRange, handed: Handed): void {
    const endMs = this.#parts.agenda.nowMs + this.#options.leaseMs;
    this.#hold(link, range, { ...handed, endMs });
  }

  /**
   * A receiver asks to have what it held of a range for `wishMs` from now on. A right that was given for longer stays: it
   * may count on it, and be without a connection.
   */
  extend(link: Consumer, part: Segment<Lease>, wishMs: number): void {
    const longestMs = Math.max(EXTENSION_MS_MAX, this.#options.leaseMs);
    const leaseMs = Math.min(wishMs, longestMs);
    const endMs = Math.max(part.value.endMs, this.#parts.agenda.nowMs + leaseMs);
    this.#hold(link, part, { ...part.value, endMs });
  }

  /** Leases and graces that are over. @returns when the next one is (ms) */
  passTime(): number {
    const { roster, agenda } = this.#parts;
    const { nowMs } = agenda;
    let dueMs = roster.await(nowMs);
    for (const link of [...roster]) {
      // Without a connection a receiver can neither ask for longer nor hear that its lease ended.
      if (link.graceEndMs === null) dueMs = Math.min(dueMs, this.#endLeases(link));
      else if (link.graceEndMs <= nowMs) this.leave(link, "died");
      else dueMs = Math.min(dueMs, link.graceEndMs);
    }
    return dueMs;
  }

  /** @returns when the next lease of the link ends (ms) */
  #endLeases(link: Consumer): number {
    const { tables, roster, order, settlement, agenda } = this.#parts;
    const { ended, nextMs } = link.leases.takeEnded(agenda.nowMs);
    if (ended.length === 0) return nextMs;
    this.pause(link);
    const ranges = ended.map(({ first, last }) => ({ first, last }));
    // Before what becomes of them: the receiver may then be told that they will not come again.
    agenda.add({ type: "lost", link: link.id, ranges });
    // What is not begun has its lease extended by every heartbeat: where that ends, the receiver hangs.
    const isHanging = ended.some(
      (part) => countAll(tables.suspects.begunOf(part)) < countAll([part]),
    );
    settlement.giveBack(ended, isHanging ? "died" : "left");
    const next = order.fellSilent(link, roster);
    if (next !== null) this.offer(next);
    this.#noteOrder();
    return nextMs;
  }

  /** Everything that the link holds goes back. */
  #forget(link: Consumer, how: "died" | "left"): void {
    const { roster, assignment, settlement } = this.#parts;
    roster.delete(link);
    assignment.remove(link);
    settlement.giveBack(link.leases.take(1, Number.MAX_SAFE_INTEGER), how);
  }

  #hold(link: Consumer, range: SeqRange, lease: Lease): void {
    link.leases.add(range, lease);
    this.#parts.agenda.dueAt(lease.endMs);
  }

  #noteOrder(): void {
    const { roster, order, tables, agenda } = this.#parts;
    agenda.addAll(order.changes(roster, tables));
  }
}
