import { EXTENSION_MS_MAX, type Handed, type Lease } from "../attempts/leases.ts";
import { cutAt } from "../attempts/suspects.ts";
import { countAll, type SeqRange } from "../range/range.ts";
import type { Segment } from "../range/range-map.ts";
import { type RangeSet, rangeSet, without } from "../range/range-set.ts";
import { Assignment } from "./assignment.ts";
import { type Consumer, hasCredit, newLink } from "./consumer.ts";
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
import { MessageTables } from "./message-tables.ts";
import { Order } from "./order.ts";
import { Refusals } from "./refusals.ts";
import { Retries, type TryEnd } from "./retries.ts";
import { Roster, takeHeld } from "./roster.ts";

const LOST: TryEnd = Object.freeze({ type: "lost", isBeside: false });
const LOST_BESIDE: TryEnd = Object.freeze({ type: "lost", isBeside: true });
const UNTOUCHED: TryEnd = Object.freeze({ type: "released" });

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
  /** Whether it is clear what nobody claims of what a process before this one handed out. */
  #isStarted = false;
  /** Whether a receiver has lived to answer for what this process handed out. */
  #isAnswered = false;
  #actions: DispatcherAction[] = [];

  constructor(options: DispatcherOptions, start: DispatcherStart) {
    const { state, nowMs } = start;
    this.#options = options;
    this.#nowMs = nowMs;
    this.#tables = new MessageTables(state, start);
    this.#assignment = new Assignment(this.#tables, (...given) => this.#send(...given));
    this.#retries = new Retries(options, this.#tables, start);
    this.#order = new Order(options);
    this.#roster = new Roster(state.receivers, nowMs + options.graceMs);
    this.#dueMs = Math.min(this.#roster.await(nowMs), this.#tables.wake(nowMs));
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
    return this.#dueMs;
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
  state(nowMs: number = this.#nowMs): DispatcherState {
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
        this.#leave(this.#roster.get(event.link), "left");
        return;
      case "begun":
        this.#begin(event);
        return;
      case "silent":
        this.#pause(this.#roster.get(event.link));
        return;
      case "congested":
      case "relieved":
        this.#noteCongestion(this.#roster.get(event.link), event.type === "congested");
        return;
      case "drop":
        for (const range of this.#tables.takeOldest(event.count)) this.#settle(range, "dropped");
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
        this.#settle(copiesOf(event.moves), "copy");
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
      this.#actions.push({ type: "go", link, ranges: begun });
    }
    if (refused.length > 0) this.#actions.push({ type: "lost", link, ranges: refused });
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
    for (const part of missing.sort((a, b) => a.first - b.first)) this.#settle(part, "lost");
    if (link !== undefined) this.#noteCredit(link);
  }

  /** What a receiver says of messages counts as far as it holds them. */
  #answered(
    event: Exclude<
      Extract<DispatcherEvent, { readonly ranges: readonly SeqRange[]; readonly link: number }>,
      { readonly type: "begun" }
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
        else if (event.type === "released") this.#release(part);
        else if (event.type !== "extended") this.#endTry(part, event);
        else {
          // A right that was given for longer stays: the receiver may count on it, and be without a connection.
          const longestMs = Math.max(EXTENSION_MS_MAX, this.#options.leaseMs);
          const leaseMs = Math.min(event.leaseMs, longestMs);
          const endMs = Math.max(part.value.endMs, this.#nowMs + leaseMs);
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

  #release(part: Segment<Lease>): void {
    this.#tables.answered(part);
    this.#tables.suspects.ended(part);
    this.#endTry(part, UNTOUCHED);
  }

  #join(event: Extract<DispatcherEvent, { readonly type: "joined" }>): void {
    const { receiver, incarnation, held, done } = event;
    const link = newLink(event.link, event);
    const before = this.#roster.of(receiver);
    // What was in the memory of a process ended with it; another one of that name can only have done it.
    const same = before.filter((other) => incarnation !== "" && other.incarnation === incarnation);
    const isKnown = this.#roster.wasThere(receiver);
    const refusals = new Refusals(this.#tables);
    const endMs = this.#nowMs + this.#options.leaseMs;
    for (const [index, range] of [...done, ...held].entries()) {
      const isDone = index < done.length;
      const granted = takeHeld(isDone ? before : same, range);
      if (isKnown) granted.push(...this.#tables.takeClaimed(range));
      for (const part of granted) {
        if (isDone) this.#settle(part, "processed", link);
        else this.#lease(link, part, { ...part.value, endMs });
      }
      refusals.add(range, { granted, isDone });
    }
    const displaced = this.#order.joined(link, before);
    if (displaced !== null) this.#assignment.remove(displaced);
    // What the same process does not claim never came to it.
    for (const other of before) this.#forget(other, same.includes(other) ? "left" : "died");
    this.#roster.add(link);
    this.#noteCredit(link);
    this.#noteOrder();
    this.#actions.push(...refusals.actions(link.id));
  }

  #lose(id: number): void {
    const link = this.#roster.get(id);
    if (link === undefined || link.graceEndMs !== null) return;
    this.#assignment.remove(link);
    if (link.leases.count === 0) this.#leave(link, "died");
    else {
      link.graceEndMs = this.#nowMs + this.#options.graceMs;
      this.#dueMs = Math.min(this.#dueMs, link.graceEndMs);
      this.#noteOrder();
    }
  }

  /** It keeps what it holds, and gets no more until it speaks. */
  #pause(link: Consumer | undefined): void {
    if (link === undefined) return;
    link.silent = true;
    this.#assignment.remove(link);
  }

  /** What is given back before it has left takes memory still, so its credit is no measure of what it has. */
  #noteCongestion(link: Consumer | undefined, congested: boolean): void {
    if (link === undefined) return;
    link.congested = congested;
    if (congested) this.#assignment.remove(link);
    else this.#noteCredit(link);
  }

  #leave(link: Consumer | undefined, how: "died" | "left"): void {
    if (link === undefined) return;
    this.#forget(link, how);
    const next = this.#order.left(link, this.#roster);
    if (next !== null) this.#noteCredit(next);
    this.#noteOrder();
  }

  /** Everything that the link holds goes back. */
  #forget(link: Consumer, how: "died" | "left"): void {
    this.#roster.delete(link);
    this.#assignment.remove(link);
    this.#giveBack(link.leases.take(1, Number.MAX_SAFE_INTEGER), how);
  }

  /** Messages come back without a word: only what was begun has been tried. */
  #giveBack(parts: readonly Segment<Lease>[], how: "died" | "left"): void {
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
        if (!isInside) this.#endTry({ ...range, value }, UNTOUCHED);
        else this.#endLost({ ...range, value }, beside);
      }
    }
  }

  /** Begun messages come back without a word; some of them had others beside them when the receiver died. */
  #endLost({ value, ...part }: Segment<Lease>, beside: RangeSet): void {
    for (const { range, isInside } of cutAt(part, beside)) {
      this.#endTry({ ...range, value }, isInside ? LOST_BESIDE : LOST);
    }
  }

  /** A try ended, and the message is not processed. */
  #endTry(part: Segment<Lease>, how: TryEnd): void {
    const { first, last } = part;
    if (how.type === "nacked" || how.type === "rejected") this.#tables.tried(part);
    else if (how.type === "released" && part.value.attempt <= 1) this.#tables.firsts.forget(part);
    const { type, dueMs } = this.#retries.end(part, how, this.#nowMs);
    this.#dueMs = Math.min(this.#dueMs, dueMs);
    if (type === "dead") this.#settle(part, "dead");
    else if (type === "full") this.#actions.push({ type: "deadLettersFull", first, last });
  }

  #settle({ first, last }: SeqRange, outcome: Outcome, by: Consumer | null = null): void {
    this.#tables.settle({ first, last });
    this.#actions.push({ type: "settled", outcome, first, last });
    // With round-robin the one that did it knows; there is no other that waits for it.
    if (outcome === "copy" || (outcome === "processed" && this.#options.order !== "total")) return;
    this.#actions.push(...this.#order.gone({ first, last }, by, this.#roster));
  }

  #lease(link: Consumer, range: SeqRange, lease: Lease): void {
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
      else if (link.graceEndMs <= nowMs) this.#leave(link, "died");
      else dueMs = Math.min(dueMs, link.graceEndMs);
    }
    // Last, since what was given back just now may rest too.
    this.#dueMs = Math.min(dueMs, this.#tables.wake(nowMs));
  }

  /** @returns when the next lease of the link ends (ms) */
  #endLeases(link: Consumer): number {
    const { ended, nextMs } = link.leases.takeEnded(this.#nowMs);
    if (ended.length === 0) return nextMs;
    link.silent = true;
    this.#assignment.remove(link);
    const ranges = ended.map(({ first, last }) => ({ first, last }));
    // Before what becomes of them: the receiver may then be told that they will not come again.
    this.#actions.push({ type: "lost", link: link.id, ranges });
    // What is not begun has its lease extended by every heartbeat: where that ends, the receiver hangs.
    const isHanging = ended.some(
      (part) => countAll(this.#tables.suspects.begunOf(part)) < countAll([part]),
    );
    this.#giveBack(ended, isHanging ? "died" : "left");
    const next = this.#order.fellSilent(link, this.#roster);
    if (next !== null) this.#noteCredit(next);
    this.#noteOrder();
    return nextMs;
  }

  #noteCredit(link: Consumer): void {
    if (link.graceEndMs !== null || link.silent || link.congested || !hasCredit(link)) return;
    if (this.#order.admits(link)) this.#assignment.add(link);
  }

  #noteOrder(): void {
    this.#actions.push(...this.#order.changes(this.#roster, this.#tables));
  }

  #assign(): void {
    if (this.#roster.isAwaiting) return;
    if (!this.#isStarted) this.#start();
    if (this.#order.keeps(this.#roster.size)) {
      for (const link of this.#roster) this.#assignment.runAwaited(link);
    }
    // The rest is for the next step, which is due at once.
    if (this.#assignment.run()) this.#dueMs = Math.min(this.#dueMs, this.#nowMs);
  }

  /** Nobody comes any more for what a process before this one handed out: whoever held it died with it. */
  #start(): void {
    this.#isStarted = true;
    this.#giveBack(this.#tables.takeUnclaimed(), this.#roster.isMissing ? "died" : "left");
    for (const part of this.#retries.takeExhausted()) this.#endTry(part, LOST);
  }

  #send(link: Consumer, range: SeqRange, handed: Handed): void {
    const { attempt } = handed;
    this.#tables.handedOut(range);
    this.#lease(link, range, { ...handed, endMs: this.#nowMs + this.#options.leaseMs });
    for (const { range: part, isInside } of cutAt(range, this.#tables.suspects.guardedOf(range))) {
      this.#actions.push({ type: "send", link: link.id, ...part, attempt, guarded: isInside });
    }
  }
}
