import { type Dispatched, EXTENSION_MS_MAX, type Lease } from "../attempts/leases.ts";
import { type Consumer, hasCredit, newLink } from "../consumers/consumer.ts";
import { type Roster, takeHeld } from "../consumers/roster.ts";
import { countAll, type SeqRange } from "../range/range.ts";
import type { ValuedRange } from "../range/range-map.ts";
import type { Assignment } from "./assignment.ts";
import { ClaimRefusals } from "./claim-refusals.ts";
import type { DispatcherEvent, DispatcherOptions } from "./dispatcher-events.ts";
import type { MessageTables } from "./message-tables.ts";
import type { Order } from "./order.ts";
import type { Settlement } from "./settlement.ts";
import type { StepResults } from "./step-results.ts";

/** Dependencies of {@link Membership}. */
export interface MembershipParts {
  readonly tables: MessageTables;
  readonly roster: Roster;
  readonly order: Order;
  readonly assignment: Assignment;
  readonly settlement: Settlement;
  readonly results: StepResults;
}

/**
 * Handles receivers that join, fall silent, lose their leases, and leave, and the messages that they hold.
 *
 * Pure. Invariant: only receivers that are connected, have credit, are neither silent nor congested, and may get
 * messages by the rules of order, have a turn in the assignment.
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

  /** A receiver connected or reconnected. */
  join(event: Extract<DispatcherEvent, { readonly type: "joined" }>): void {
    const { tables, roster, order, assignment, settlement, results } = this.#parts;
    const { receiver, incarnation, held, done } = event;
    const link = newLink(event.link, event);
    const before = roster.of(receiver);
    // Held messages are lost with their process: another process of the same name can only have processed them.
    const same = before.filter((other) => incarnation !== "" && other.incarnation === incarnation);
    const isKnown = roster.wasThere(receiver);
    const refusals = new ClaimRefusals(tables);
    const endMs = results.nowMs + this.#options.leaseMs;
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
    // Messages that the same process does not claim never reached it.
    for (const other of before) this.#forget(other, same.includes(other) ? "left" : "crashed");
    roster.add(link);
    this.offer(link);
    this.#noteOrder();
    results.addAll(refusals.actions(link.id));
  }

  /** The connection of a receiver is lost. If it holds messages, it has a grace period to come back for them. */
  lose(link: Consumer | undefined): void {
    if (link === undefined || link.graceEndMs !== null) return;
    const { assignment, results } = this.#parts;
    assignment.remove(link);
    if (link.leases.count === 0) this.leave(link, "crashed");
    else {
      link.graceEndMs = results.nowMs + this.#options.graceMs;
      results.dueAt(link.graceEndMs);
      this.#noteOrder();
    }
  }

  /** A receiver is gone for good: everything that it holds is given back. */
  leave(link: Consumer | undefined, how: "crashed" | "left"): void {
    if (link === undefined) return;
    const { order, roster } = this.#parts;
    this.#forget(link, how);
    const next = order.left(link, roster);
    if (next !== null) this.offer(next);
    this.#noteOrder();
  }

  /** The receiver keeps what it holds, and gets no more until it sends a report or a heartbeat. */
  pause(link: Consumer | undefined): void {
    if (link === undefined) return;
    link.silent = true;
    this.#parts.assignment.remove(link);
  }

  /**
   * The receiver sent a report or a heartbeat.
   *
   * @param isLeaving whether it releases messages that it has not read: they must not be sent to it again before it
   *   closes its session, where they would count as attempted
   */
  heard(link: Consumer, isLeaving: boolean): void {
    link.silent = isLeaving;
    if (isLeaving) this.#parts.assignment.remove(link);
    else if (this.#parts.order.spoke(link)) this.#noteOrder();
    this.offer(link);
  }

  /**
   * The output queue of the link has become long or short. Messages that the receiver gave back stay in memory until
   * they have left that queue, so its credit alone does not bound it.
   */
  congest(link: Consumer | undefined, congested: boolean): void {
    if (link === undefined) return;
    link.congested = congested;
    if (congested) this.#parts.assignment.remove(link);
    else this.offer(link);
  }

  /** A receiver may have room: if so, it gets a turn. */
  offer(link: Consumer): void {
    if (link.graceEndMs !== null || link.silent || link.congested || !hasCredit(link)) return;
    if (this.#parts.order.admits(link)) this.#parts.assignment.add(link);
  }

  /** A receiver gets a range for `leaseMs`. */
  lease(link: Consumer, range: SeqRange, dispatched: Dispatched): void {
    const endMs = this.#parts.results.nowMs + this.#options.leaseMs;
    this.#hold(link, range, { ...dispatched, endMs });
  }

  /**
   * A receiver requests that its lease of a range lasts `wishMs` from now on. A longer lease is not shortened: the
   * receiver may rely on it while it has no connection.
   *
   * @param part a lease that was just taken from the link
   */
  extend(link: Consumer, part: ValuedRange<Lease>, wishMs: number): void {
    const longestMs = Math.max(EXTENSION_MS_MAX, this.#options.leaseMs);
    const leaseMs = Math.min(wishMs, longestMs);
    const endMs = Math.max(part.value.endMs, this.#parts.results.nowMs + leaseMs);
    this.#hold(link, part, { ...part.value, endMs });
  }

  /** Ends leases and grace periods that are over. @returns when the next one ends (ms) */
  passTime(): number {
    const { roster, results } = this.#parts;
    const { nowMs } = results;
    let dueMs = roster.endWait(nowMs);
    for (const link of [...roster]) {
      // Without a connection a receiver can neither request an extension nor learn that its lease has ended.
      if (link.graceEndMs === null) dueMs = Math.min(dueMs, this.#endLeases(link));
      else if (link.graceEndMs <= nowMs) this.leave(link, "crashed");
      else dueMs = Math.min(dueMs, link.graceEndMs);
    }
    return dueMs;
  }

  /** @returns when the next lease of the link ends (ms) */
  #endLeases(link: Consumer): number {
    const { tables, roster, order, settlement, results } = this.#parts;
    const { ended, nextMs } = link.leases.takeEnded(results.nowMs);
    if (ended.length === 0) return nextMs;
    this.pause(link);
    const ranges = ended.map(({ first, last }) => ({ first, last }));
    // Before the outcome of the messages, which may include that they will not be sent again (`settledElsewhere`).
    results.add({ type: "revoked", link: link.id, ranges });
    // Heartbeats extend the leases of messages that are not begun: if such a lease ends, the receiver hangs.
    const isHanging = ended.some(
      (part) => countAll(tables.suspects.begunOf(part)) < countAll([part]),
    );
    settlement.giveBack(ended, isHanging ? "crashed" : "left");
    const next = order.fellSilent(link, roster);
    if (next !== null) this.offer(next);
    this.#noteOrder();
    return nextMs;
  }

  /** Removes a link, and gives back everything that it holds. */
  #forget(link: Consumer, how: "crashed" | "left"): void {
    const { roster, assignment, settlement } = this.#parts;
    roster.delete(link);
    assignment.remove(link);
    settlement.giveBack(link.leases.take(1, Number.MAX_SAFE_INTEGER), how);
  }

  #hold(link: Consumer, range: SeqRange, lease: Lease): void {
    link.leases.add(range, lease);
    this.#parts.results.dueAt(lease.endMs);
  }

  #noteOrder(): void {
    const { roster, order, tables, results } = this.#parts;
    const changes = order.changes(roster, tables);
    results.addAll(changes);
    // A receiver that keeps order now may take messages for which it had too little room.
    for (const { link } of changes) this.offer(roster.get(link)!);
  }
}
