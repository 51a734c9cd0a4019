import type { Handed } from "../attempts/leases.ts";
import { cutAt } from "../attempts/suspects.ts";
import type { Consumer } from "../consumers/consumer.ts";
import { Roster } from "../consumers/roster.ts";
import { countAll, type SeqRange } from "../range/range.ts";
import { rangeSet } from "../range/range-set.ts";
import { Agenda } from "./agenda.ts";
import { Assignment } from "./assignment.ts";
import type { DeadLetterIndex } from "./dead-letter-index.ts";
import { copiesOf } from "./dead-letter-moves.ts";
import type { DeadLetterRecord } from "./dead-letter-record.ts";
import type {
  DispatcherAction,
  DispatcherEvent,
  DispatcherOptions,
  DispatcherState,
  Outcome,
} from "./dispatcher-events.ts";
import type { DispatcherStart } from "./dispatcher-start.ts";
import { Membership } from "./membership.ts";
import { MessageTables } from "./message-tables.ts";
import { Order } from "./order.ts";
import { Retries } from "./retries.ts";
import { Settlement } from "./settlement.ts";

/**
 * Decides who gets which messages, and when again.
 *
 * A message is fresh -> leased -> settled; or leased -> resting -> leased again; or leased -> dead. Each of
 * these is a table of ranges, so that a step costs as much as it has ranges, not messages: those of a receiver
 * are its `Leases`, the rest are the `MessageTables`.
 *
 * Pure but for the given randomness: no clock, no socket, no disk. Invariants: a seq is in at most one
 * table; a link never holds more than its credit, but for what it claimed and what it needs for order;
 * what was settled is never sent again.
 *
 * @see docs/decisions/0041-dispatcher.md
 */
export class Dispatcher {
  readonly #agenda: Agenda;
  readonly #tables: MessageTables;
  readonly #assignment: Assignment;
  readonly #order: Order;
  readonly #roster: Roster;
  readonly #settlement: Settlement;
  readonly #membership: Membership;
  /** Whether it is clear what nobody claims of what a process before this one handed out. */
  #isStarted = false;
  /** Whether a receiver has lived to answer for what this process handed out. */
  #isAnswered = false;

  constructor(options: DispatcherOptions, start: DispatcherStart) {
    const { state, nowMs } = start;
    const agenda = new Agenda(nowMs);
    const tables = new MessageTables(state, start);
    const roster = new Roster(state.receivers, nowMs + options.graceMs);
    const order = new Order(options);
    const retries = new Retries(options, tables, start);
    const assignment = new Assignment(tables, (...given) => this.#send(...given));
    const settlement = new Settlement({ tables, retries, order, roster, agenda }, options);
    const parts = { tables, roster, order, assignment, settlement, agenda };
    this.#agenda = agenda;
    this.#tables = tables;
    this.#assignment = assignment;
    this.#order = order;
    this.#roster = roster;
    this.#settlement = settlement;
    this.#membership = new Membership(parts, options);
    agenda.dueMs = Math.min(roster.await(nowMs), tables.wake(nowMs));
  }

  /** Every seq up to this one is settled. */
  get floor(): number {
    return this.#tables.floor;
  }

  /** All that will not be sent again, dead letters included (count). */
  get settledCount(): number {
    return this.#tables.settledCount;
  }

  /** Receivers that were given up since the start, so that a restart need not wait for them (count). */
  get forgotten(): number {
    return this.#roster.forgotten;
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
  get dead(): Omit<DeadLetterIndex, "add" | "delete" | "move"> {
    return this.#tables.dead;
  }

  /** Whether what is handed out is to be saved first: it may be what kills both sides, see 0041. */
  get savesBeforeSending(): boolean {
    return !this.#isAnswered || this.#tables.savesBeforeSending;
  }

  /** Whether a receiver died and it is not clear of which message: they are to say soon what they begin. */
  get isWatching(): boolean {
    return this.#tables.suspects.isWatching;
  }

  /** When `tick` is due at the latest (ms); infinite where nothing waits for a time. */
  get deadlineMs(): number {
    return this.#agenda.dueMs;
  }

  /** The parts of a range to which the link still has the right. */
  heldOf(link: number, range: SeqRange): SeqRange[] {
    return this.#roster.heldOf(link, range);
  }

  /** What a link was sent is larger (bytes each) than the average of its batch: that is what it holds. */
  weigh(link: number, range: SeqRange, bytesEach: number): void {
    this.#roster.weigh(link, range, bytesEach);
  }

  /** Whether the link holds anything. */
  holds(link: number): boolean {
    return (this.#roster.get(link)?.leases.count ?? 0) > 0;
  }

  /** What became of a message; null while it may still be sent. */
  outcomeOf(seq: number): Outcome | null {
    if (this.#tables.dead.locationOf(seq) !== null) return "dead";
    return this.#tables.settledOf({ first: seq, last: seq }).length > 0 ? "processed" : null;
  }

  /** Whether nobody has the oldest message that is not settled. */
  get isOldestFree(): boolean {
    return this.#tables.isOldestFree;
  }

  /** What a message died of; null where it is no dead letter. */
  deathOf(seq: number): DeadLetterRecord | null {
    return this.#tables.dead.parts(seq, seq)[0]?.value ?? null;
  }

  /** Ranges that `state` has to go through, about (count). */
  get ranges(): number {
    return this.#tables.size + this.#roster.leaseRanges;
  }

  /**
   * What must be saved so that nothing settled is sent again after a restart. The dead are to be read at once.
   *
   * @param nowMs for how long what rests has to rest yet; default the time of the last step
   */
  state(nowMs: number = this.#agenda.nowMs): DispatcherState {
    const roster = this.#roster;
    const leased = roster.leased(this.#tables.unclaimed());
    return { ...this.#tables.state(leased, nowMs), receivers: roster.receivers() };
  }

  /**
   * Takes one event into account.
   *
   * @param nowMs by a clock that never goes back
   * @returns what is to be done, in order; the caller owns the array
   */
  step(event: DispatcherEvent, nowMs: number): DispatcherAction[] {
    const agenda = this.#agenda;
    agenda.nowMs = nowMs;
    this.#apply(event);
    if (nowMs >= agenda.dueMs) this.#passTime();
    this.#assign();
    return agenda.take();
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
        this.#answered(event);
    }
  }

  /** Handlers have begun messages, or will as soon as that is known. */
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
      this.#agenda.add({ type: "go", link, ranges: begun });
    }
    if (refused.length > 0) this.#agenda.add({ type: "lost", link, ranges: refused });
  }

  /** Who asks has nothing in hand but what it asks for: what it had asked for before, it has not begun. */
  #keepBegun(id: number, kept: readonly SeqRange[]): void {
    const begun = rangeSet(kept);
    for (const part of this.#roster.get(id)?.leases ?? []) {
      for (const { first, last } of begun.gaps(part.first, part.last)) {
        this.#tables.takeBack({ ...part, first, last });
      }
    }
  }

  /** What others hold they have, and may answer for. */
  #miss(event: Extract<DispatcherEvent, { readonly type: "missing" }>): void {
    const link = event.link === null ? undefined : this.#roster.get(event.link);
    const held = link?.leases.take(event.first, event.last) ?? [];
    const missing = [...held, ...this.#tables.takeMissing(event)];
    for (const part of missing.sort((a, b) => a.first - b.first))
      this.#settlement.settle(part, "lost");
    if (link !== undefined) this.#membership.offer(link);
  }

  /** What a receiver says of messages counts as far as it holds them. */
  #answered(
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
      this.#isAnswered ||= held.length > 0 && event.type !== "extended";
      if (countAll(held) < range.last - range.first + 1) {
        refused.push(...this.#tables.unsettled(range, held));
      }
      for (const part of held) {
        if (event.type === "acked") settlement.settle(part, "processed", link!);
        else if (event.type === "released") settlement.release(part);
        else if (event.type === "extended") this.#membership.extend(link!, part, event.leaseMs);
        else settlement.endTry(part, event);
      }
    }
    if (link !== undefined) this.#membership.heard(link, event.type === "released");
    if (refused.length > 0) this.#agenda.add({ type: "lost", link: event.link, ranges: refused });
  }

  /** Rests, leases and grace periods that are over; and when the next one is. */
  #passTime(): void {
    const { nowMs } = this.#agenda;
    const dueMs = this.#membership.passTime();
    // Last, since what was given back just now may rest too.
    this.#agenda.dueMs = Math.min(dueMs, this.#tables.wake(nowMs));
  }

  #assign(): void {
    if (this.#roster.isAwaiting) return;
    if (!this.#isStarted) this.#settlement.giveBackUnclaimed();
    this.#isStarted = true;
    if (this.#order.keeps(this.#roster.size)) {
      for (const link of this.#roster) this.#assignment.runAwaited(link);
    }
    // The rest is for the next step, which is due at once.
    if (this.#assignment.run()) this.#agenda.dueAt(this.#agenda.nowMs);
  }

  #send(link: Consumer, range: SeqRange, handed: Handed): void {
    const { attempt } = handed;
    this.#tables.handedOut(range);
    this.#membership.lease(link, range, handed);
    for (const { range: part, isInside } of cutAt(range, this.#tables.suspects.guardedOf(range))) {
      this.#agenda.add({ type: "send", link: link.id, ...part, attempt, guarded: isInside });
    }
  }
}
