import type { Dispatched } from "../attempts/leases.ts";
import { cutAt } from "../attempts/suspects.ts";
import type { Consumer } from "../consumers/consumer.ts";
import { Roster } from "../consumers/roster.ts";
import { countAll, type SeqRange } from "../range/range.ts";
import { rangeSet } from "../range/range-set.ts";
import { Assignment } from "./assignment.ts";
import type { DeadLetterIndex } from "./dead-letter-index.ts";
import { copiesOf } from "./dead-letter-moves.ts";
import type { DeadLetterRecord } from "./dead-letter-record.ts";
import type {
  DispatcherAction,
  DispatcherEvent,
  DispatcherOptions,
  DispatcherState,
  Settled,
} from "./dispatcher-events.ts";
import type { DispatcherStart } from "./dispatcher-start.ts";
import { Membership } from "./membership.ts";
import { MessageTables } from "./message-tables.ts";
import { Order } from "./order.ts";
import { Retries } from "./retries.ts";
import { Settlement } from "./settlement.ts";
import { StepResults } from "./step-results.ts";

/**
 * Decides which receiver is sent which messages, and when they are retried.
 *
 * A message is fresh -> leased -> settled; or leased -> in back-off -> leased again; or leased -> dead. Each of
 * these states is a table of ranges, so that the cost of a step depends on the number of ranges, not of messages:
 * the leased messages of a receiver are its `Leases`, all others are in the `MessageTables`.
 *
 * Pure except for the given sources of randomness and wall-clock time: no socket, no disk. Invariants: a seq is
 * in at most one table; a link never holds more than its credit, except for messages that it claimed or that it
 * needs for order; a settled message is never sent again.
 *
 * @see docs/decisions/0041-dispatcher.md
 */
export class Dispatcher {
  readonly #results: StepResults;
  readonly #tables: MessageTables;
  readonly #assignment: Assignment;
  readonly #order: Order;
  readonly #roster: Roster;
  readonly #settlement: Settlement;
  readonly #membership: Membership;
  /** Whether messages that an earlier process dispatched, and that no receiver claimed, have been taken back. */
  #isStarted = false;
  /** Whether a receiver has survived and settled or returned a message that this process dispatched. */
  #hasOutcome = false;

  constructor(options: DispatcherOptions, start: DispatcherStart) {
    const { state, nowMs } = start;
    const results = new StepResults(nowMs);
    const tables = new MessageTables(state, start);
    const roster = new Roster(state.receivers, nowMs + options.graceMs);
    const order = new Order(options);
    const retries = new Retries(options, tables, start);
    const assignment = new Assignment(tables, (...given) => this.#send(...given));
    const settlement = new Settlement({ tables, retries, order, roster, results }, options);
    const parts = { tables, roster, order, assignment, settlement, results };
    this.#results = results;
    this.#tables = tables;
    this.#assignment = assignment;
    this.#order = order;
    this.#roster = roster;
    this.#settlement = settlement;
    this.#membership = new Membership(parts, options);
    results.dueMs = Math.min(roster.endWait(nowMs), tables.wake(nowMs));
  }

  /** Every seq up to this one is settled. */
  get floor(): number {
    return this.#tables.floor;
  }

  /** Messages that will not be sent again, dead letters included (count). */
  get settledCount(): number {
    return this.#tables.settledCount;
  }

  /** Receivers removed since the start, so that a restart need not wait for them (count). */
  get forgotten(): number {
    return this.#roster.forgotten;
  }

  /** The last seq that was fed. */
  get fed(): number {
    return this.#tables.fed;
  }

  /** The lowest seq that was fed and never dispatched; the seq after the last one fed where there is none. */
  get freshFirst(): number {
    return this.#tables.fresh.lowest?.first ?? this.#tables.fed + 1;
  }

  /** The dead letters; only `step` may change them. */
  get dead(): Omit<DeadLetterIndex, "add" | "delete" | "move"> {
    return this.#tables.dead;
  }

  /** Whether leases have to be saved before their messages are sent: a message may kill both processes, see 0041. */
  get savesBeforeSending(): boolean {
    return !this.#hasOutcome || this.#tables.savesBeforeSending;
  }

  /** Whether a receiver died of an unknown message: receivers then have to report soon which messages they begin. */
  get isWatching(): boolean {
    return this.#tables.suspects.isWatching;
  }

  /** When the next `tick` is due at the latest (ms); infinite where nothing waits for a time. */
  get deadlineMs(): number {
    return this.#results.dueMs;
  }

  /** The parts of a range that the link holds a lease of. */
  heldOf(link: number, range: SeqRange): SeqRange[] {
    return this.#roster.heldOf(link, range);
  }

  /** Corrects the size of messages sent to a link that are larger (bytes each) than the average of their batch. */
  weigh(link: number, range: SeqRange, bytesEach: number): void {
    this.#roster.weigh(link, range, bytesEach);
  }

  /** Whether the link holds any leases. */
  holds(link: number): boolean {
    return (this.#roster.get(link)?.leases.count ?? 0) > 0;
  }

  /** How a message was settled, as far as that is kept: dropped and lost ones are `settled` too; null: not yet. */
  settlementOf(seq: number): Settled | null {
    if (this.#tables.dead.locationOf(seq) !== null) return "dead";
    return this.#tables.settledOf({ first: seq, last: seq }).length > 0 ? "settled" : null;
  }

  /** Whether no receiver holds the oldest unsettled message. */
  get isOldestFree(): boolean {
    return this.#tables.isOldestFree;
  }

  /** Why and when a message became a dead letter; null where it is none. */
  deathOf(seq: number): DeadLetterRecord | null {
    return this.#tables.dead.parts(seq, seq)[0]?.value ?? null;
  }

  /** Approximate number of ranges that `state` has to visit (count). */
  get ranges(): number {
    return this.#tables.size + this.#roster.leaseRanges;
  }

  /**
   * The state to save, so that nothing settled is sent again after a restart. Its dead letters are a live view, to be
   * read immediately.
   *
   * @param nowMs the time to which the remaining back-offs refer; default: the time of the last step
   */
  state(nowMs: number = this.#results.nowMs): DispatcherState {
    const roster = this.#roster;
    const leased = roster.leased(this.#tables.unclaimed());
    return { ...this.#tables.state(leased, nowMs), receivers: roster.receivers() };
  }

  /**
   * Applies one event.
   *
   * @param nowMs by a monotonic clock
   * @returns the actions to execute, in order; the caller owns the array
   */
  step(event: DispatcherEvent, nowMs: number): DispatcherAction[] {
    const results = this.#results;
    results.nowMs = nowMs;
    this.#apply(event);
    if (nowMs >= results.dueMs) this.#passTime();
    this.#assign();
    return results.take();
  }

  #apply(event: DispatcherEvent): void {
    switch (event.type) {
      case "fed":
        this.#roster.sized(this.#tables.feed(event, event.bytes));
        return;
      case "joined":
        this.#membership.join(event);
        return;
      case "lost":
        this.#membership.lose(this.#roster.get(event.link));
        return;
      case "left":
        this.#membership.leave(this.#roster.get(event.link), "left");
        return;
      case "begun":
        this.#begin(event);
        return;
      case "silent":
        this.#membership.pause(this.#roster.get(event.link));
        return;
      case "congested":
      case "relieved":
        this.#membership.congest(this.#roster.get(event.link), event.type === "congested");
        return;
      case "drop":
        for (const range of this.#tables.takeOldest(event.count))
          this.#settlement.settle(range, "dropped");
        return;
      case "missing":
        this.#miss(event);
        return;
      case "purged":
      case "copying":
      case "notCopied":
        this.#tables.note(event);
        return;
      case "copied":
        this.#tables.dead.move(event.moves);
        this.#settlement.settle(copiesOf(event.moves), "copy");
        return;
      case "tick":
        return;
      default:
        this.#applyReport(event);
    }
  }

  /** Handlers have begun messages, or will as soon as that is saved. */
  #begin(event: Extract<DispatcherEvent, { readonly type: "begun" }>): void {
    const refused: SeqRange[] = [];
    const begun: SeqRange[] = [];
    for (const range of event.ranges) {
      const held = this.#roster.heldOf(event.link, range);
      this.#tables.begin(held);
      for (const { first, last } of held) begun.push({ first, last });
      if (countAll(held) < range.last - range.first + 1) {
        refused.push(...this.#tables.unsettled(range, held));
      }
    }
    const { link } = event;
    if (event.wantsGo) {
      this.#keepBegun(link, begun);
      this.#results.add({ type: "go", link, ranges: begun });
    }
    if (refused.length > 0) this.#results.add({ type: "revoked", link, ranges: refused });
  }

  /** A request for `go` names everything in flight at its receiver: messages requested earlier were not begun. */
  #keepBegun(id: number, kept: readonly SeqRange[]): void {
    const begun = rangeSet(kept);
    for (const part of this.#roster.get(id)?.leases ?? []) {
      for (const { first, last } of begun.gaps(part.first, part.last)) {
        this.#tables.takeBack({ ...part, first, last });
      }
    }
  }

  /** Messages that other receivers hold are not affected: these have them, and may settle them. */
  #miss(event: Extract<DispatcherEvent, { readonly type: "missing" }>): void {
    const link = event.link === null ? undefined : this.#roster.get(event.link);
    const held = link?.leases.take(event.first, event.last) ?? [];
    const missing = [...held, ...this.#tables.takeMissing(event)];
    for (const part of missing.sort((a, b) => a.first - b.first))
      this.#settlement.settle(part, "lost");
    if (link !== undefined) this.#membership.offer(link);
  }

  /** Applies a receiver's report to the messages that it holds, and refuses it for other unsettled ones. */
  #applyReport(
    event: Exclude<
      Extract<DispatcherEvent, { readonly ranges: readonly SeqRange[]; readonly link: number }>,
      { readonly type: "begun" }
    >,
  ): void {
    const link = this.#roster.get(event.link);
    const settlement = this.#settlement;
    const refused: SeqRange[] = [];
    for (const range of event.ranges) {
      const held = link?.leases.take(range.first, range.last) ?? [];
      this.#hasOutcome ||= held.length > 0 && event.type !== "extended";
      if (countAll(held) < range.last - range.first + 1) {
        refused.push(...this.#tables.unsettled(range, held));
      }
      for (const part of held) {
        if (event.type === "acked") settlement.settle(part, "processed", link!);
        else if (event.type === "released") settlement.release(part);
        else if (event.type === "extended") this.#membership.extend(link!, part, event.leaseMs);
        else settlement.endAttempt(part, event);
      }
    }
    if (link !== undefined) this.#membership.heard(link, event.type === "released");
    if (refused.length > 0)
      this.#results.add({ type: "revoked", link: event.link, ranges: refused });
  }

  /** Ends back-offs, leases and grace periods that are over, and computes when the next one ends. */
  #passTime(): void {
    const { nowMs } = this.#results;
    const dueMs = this.#membership.passTime();
    // Last, since messages given back just now may be in back-off too.
    this.#results.dueMs = Math.min(dueMs, this.#tables.wake(nowMs));
  }

  #assign(): void {
    if (this.#roster.isAwaiting) return;
    if (!this.#isStarted) this.#settlement.giveBackUnclaimed();
    this.#isStarted = true;
    if (this.#order.keeps(this.#roster.size)) {
      for (const link of this.#roster) this.#assignment.runAwaited(link);
    }
    // Remaining messages are sent by the next step, which is due at once.
    if (this.#assignment.run()) this.#results.dueAt(this.#results.nowMs);
  }

  #send(link: Consumer, range: SeqRange, dispatched: Dispatched): void {
    const { attempt } = dispatched;
    this.#tables.dispatched(range);
    this.#membership.lease(link, range, dispatched);
    for (const { range: part, isInside } of cutAt(range, this.#tables.suspects.guardedOf(range))) {
      this.#results.add({ type: "send", link: link.id, ...part, attempt, guarded: isInside });
    }
  }
}
