import { backOffMs } from "./back-off.ts";
import type {
  Death,
  DispatcherAction,
  DispatcherEvent,
  DispatcherOptions,
  DispatcherState,
} from "./dispatcher-events.ts";
import { creditOf, type DispatcherLink, type Lease, newLink } from "./dispatcher-link.ts";
import { countAll, type SeqRange } from "./range.ts";
import { RangeMap, type Segment } from "./range-map.ts";
import { RangeSet } from "./range-set.ts";

/** Given back, or handed out before a restart: ready again, or resting until a time. */
interface Rest {
  readonly attempts: number;
  readonly dueMs: number;
}

/** Ranges in any one table beyond which nothing new is handed out, so that memory is bounded (count). */
const RANGES_MAX = 16_384;

/** Where a dispatcher starts, and what it cannot know by itself. */
export interface DispatcherStart {
  readonly state: DispatcherState;
  /** The last seq that a process before this one can have sent. */
  readonly seqBefore: number;
  readonly nowMs: number;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  /** Now (ms since 1970), for people to read. */
  readonly timeMs: () => number;
}

/** The state of a stream of which nothing was ever sent. */
export const DISPATCHER_STATE_EMPTY: DispatcherState = Object.freeze({
  floor: 0,
  settled: [],
  attempts: [],
  dead: [],
  receivers: [],
});

/**
 * Decides who gets which messages, and when again.
 *
 * A message is fresh -> leased -> settled; or leased -> resting -> leased again; or leased -> dead. Each of
 * these is a table of ranges, so that a step costs as much as it has ranges, not messages.
 *
 * Pure but for the given randomness: no clock, no socket, no disk. Invariants: a seq is in at most one
 * table; nothing at or below `floor` is in any but that of the dead; a link never holds more than its
 * prefetch, but for what it claimed and what it needs for order; what was settled is never sent again.
 *
 * @see docs/decisions/0041-dispatcher.md
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #random: () => number;
  readonly #timeMs: () => number;
  readonly #seqBefore: number;
  #nowMs: number;
  #floor: number;
  readonly #settled = new RangeSet();
  /** Fed and never handed out; the value is the first seq of the batch. */
  readonly #fresh = new RangeMap<number>();
  readonly #ready = new RangeMap<number>();
  readonly #resting = new RangeMap<Rest>(
    (a, b) => a.attempts === b.attempts && a.dueMs === b.dueMs,
  );
  readonly #dead = new RangeMap<Death>(
    (a, b) => a.attempts === b.attempts && a.reason === b.reason,
  );
  /** Beyond what was fed, and dealt with already: by a claim. */
  readonly #ahead = new RangeSet();
  /** Of the ready ones, those that a process before this one handed out: who holds them may claim them. */
  readonly #restored = new RangeSet();
  readonly #links = new Map<number, DispatcherLink>();
  /** Links with credit, in the order of their turns. */
  readonly #willing = new Set<DispatcherLink>();
  /** Receivers of the process before this one, that may still claim. */
  readonly #awaited: Set<string>;
  #awaitedUntilMs: number;
  #active: DispatcherLink | null = null;
  #fed: number;
  /** Nothing rests, and no lease or grace ends, before this time. */
  #dueMs = Number.POSITIVE_INFINITY;
  #actions: DispatcherAction[] = [];

  constructor(options: DispatcherOptions, start: DispatcherStart) {
    const { state, nowMs } = start;
    this.#options = options;
    this.#random = start.random;
    this.#timeMs = start.timeMs;
    this.#seqBefore = start.seqBefore;
    this.#nowMs = nowMs;
    this.#floor = state.floor;
    this.#fed = state.floor;
    this.#settled.addAll(state.settled);
    for (const { first, last, value } of state.dead) this.#dead.set(first, last, value);
    for (const { first, last, value } of state.attempts) {
      this.#ready.set(first, last, value);
      this.#ahead.add(first, last);
      this.#restored.add(first, last);
    }
    this.#awaited = new Set(state.receivers);
    this.#awaitedUntilMs = nowMs + options.graceMs;
    if (this.#awaited.size > 0) this.#dueMs = this.#awaitedUntilMs;
  }

  /** Every seq up to this one is settled. */
  get floor(): number {
    return this.#floor;
  }

  /** All that will not be sent again, dead letters included (count). */
  get settledCount(): number {
    return this.#floor + this.#settled.count;
  }

  /** The last seq that was fed. */
  get fed(): number {
    return this.#fed;
  }

  /** The lowest seq that was fed and never handed out; behind the last one where there is none. */
  get freshFirst(): number {
    return this.#fresh.lowest?.first ?? this.#fed + 1;
  }

  /** Fed and not yet handed out for the first time (count). */
  get freshCount(): number {
    return this.#fresh.count;
  }

  /** With receivers now, or in their grace (count). */
  get leasedCount(): number {
    let count = 0;
    for (const link of this.#links.values()) count += link.leases.count;
    return count;
  }

  /** Given back, and waiting for another try (count). */
  get waitingCount(): number {
    return this.#ready.count + this.#resting.count;
  }

  /** The dead letters, in order. */
  get dead(): Iterable<Segment<Death>> {
    return this.#dead;
  }

  /** Dead messages (count). */
  get deadCount(): number {
    return this.#dead.count;
  }

  /** When `tick` is due at the latest (ms); infinite where nothing waits for a time. */
  get deadlineMs(): number {
    return this.#dueMs;
  }

  /** The lowest seq that may still be asked for. */
  get seqNeeded(): number {
    return Math.min(this.#floor + 1, this.#dead.lowest?.first ?? Number.POSITIVE_INFINITY);
  }

  /** Whether `seq` will never be sent again. */
  isSettled(seq: number): boolean {
    return seq <= this.#floor || this.#settled.has(seq);
  }

  /** Whether the link still has the right to all of the range. */
  holds(link: number, range: SeqRange): boolean {
    const leases = this.#links.get(link)?.leases;
    return leases !== undefined && leases.gaps(range.first, range.last).length === 0;
  }

  /** What must be saved so that nothing settled is sent again after a restart. */
  state(): DispatcherState {
    const attempts = [...this.#ready];
    for (const { first, last, value } of this.#resting) {
      attempts.push({ first, last, value: value.attempts });
    }
    const receivers = new Set(this.#awaited);
    for (const link of this.#links.values()) {
      if (link.leases.count > 0) receivers.add(link.receiver);
    }
    return {
      floor: this.#floor,
      settled: [...this.#settled],
      attempts: attempts.sort((a, b) => a.first - b.first).slice(0, RANGES_MAX),
      dead: [...this.#dead],
      receivers: [...receivers].slice(0, 1_024),
    };
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
        this.#feed(event.first, event.last);
        return;
      case "joined":
        this.#join(event);
        return;
      case "lost":
        this.#lose(event.link);
        return;
      case "left":
        this.#leave(this.#links.get(event.link));
        return;
      case "drop":
        this.#drop(event.count);
        return;
      case "purged":
        for (const { first, last } of event.ranges) this.#dead.take(first, last);
        return;
      case "tick":
        return;
      default:
        this.#answered(event);
        return;
    }
  }

  /** What a receiver says of messages counts as far as it holds them. */
  #answered(
    event: Extract<
      DispatcherEvent,
      { readonly ranges: readonly SeqRange[]; readonly link: number }
    >,
  ): void {
    const link = this.#links.get(event.link);
    const refused: SeqRange[] = [];
    for (const range of event.ranges) {
      const held = link?.leases.take(range.first, range.last) ?? [];
      if (countAll(held) < range.last - range.first + 1) {
        refused.push(...this.#unsettled(range, held));
      }
      for (const part of held) {
        if (event.type === "acked") this.#settle(part, "processed", link!);
        else if (event.type === "released") this.#return(part, part.value.attempt - 1);
        else if (event.type === "rejected") this.#bury(part, event.reason);
        else if (event.type === "nacked") this.#retry(part, event.delayMs);
        else this.#extend(link!, part, event.leaseMs);
      }
    }
    if (link !== undefined) {
      // Who gives back what it has not looked at is leaving: sent again before its bye, it would count as tried.
      link.silent = event.type === "released";
      if (link.silent) this.#willing.delete(link);
      this.#noteCredit(link);
    }
    if (refused.length > 0) this.#actions.push({ type: "lost", link: event.link, ranges: refused });
  }

  /** The parts of `range` beside `held` that somebody may still process. */
  #unsettled(range: SeqRange, held: readonly SeqRange[]): SeqRange[] {
    const others = new RangeSet();
    others.addAll(held);
    if (range.first <= this.#floor) others.add(range.first, Math.min(range.last, this.#floor));
    return others
      .gaps(range.first, range.last)
      .flatMap(({ first, last }) => this.#settled.gaps(first, last));
  }

  #feed(first: number, last: number): void {
    this.#fed = last;
    const from = Math.max(first, this.#floor + 1);
    if (from > last) return;
    for (const gap of this.#settled.gaps(from, last)) {
      for (const { first: start, last: end } of this.#ahead.gaps(gap.first, gap.last)) {
        this.#fresh.set(start, end, first);
      }
    }
    this.#ahead.delete(from, last);
  }

  #join(event: Extract<DispatcherEvent, { readonly type: "joined" }>): void {
    const { receiver, held, done } = event;
    const link = newLink(event.link, receiver, event.prefetch);
    const before = [...this.#links.values()].filter((other) => other.receiver === receiver);
    const wasActive = before.some((other) => other === this.#active);
    const refused: SeqRange[] = [];
    const claims = [
      ...done.map((range) => ({ range, isDone: true })),
      ...held.map((range) => ({ range, isDone: false })),
    ];
    for (const { range, isDone } of claims) {
      const granted = this.#grant(range, before);
      const count = countAll(granted);
      for (const part of granted) {
        if (isDone) this.#settle(part, "processed", link);
        else this.#lease(link, part, part.value);
      }
      if (count < range.last - range.first + 1) refused.push(...this.#unsettled(range, granted));
    }
    for (const other of before) this.#forget(other);
    this.#awaited.delete(receiver);
    this.#links.set(link.id, link);
    if (wasActive || (this.#options.exclusive && this.#active === null)) this.#active = link;
    else if (this.#options.exclusive && link.leases.count > 0 && this.#active!.leases.count === 0) {
      // Who was active before a restart goes on with what it holds.
      this.#willing.delete(this.#active!);
      this.#active = link;
    }
    this.#noteCredit(link);
    this.#noteOrder();
    if (refused.length > 0) this.#actions.push({ type: "lost", link: link.id, ranges: refused });
  }

  /**
   * Takes what may be claimed out of the tables: what the receiver's own earlier links hold, and what a
   * process before this one may have sent and this one has not handed out. The value is the attempt.
   */
  #grant(range: SeqRange, before: readonly DispatcherLink[]): Segment<number>[] {
    const granted: Segment<number>[] = [];
    for (const other of before) {
      for (const { first, last, value } of other.leases.take(range.first, range.last)) {
        granted.push({ first, last, value: value.attempt });
      }
    }
    const last = Math.min(range.last, this.#seqBefore);
    if (last < range.first) return granted;
    for (const part of this.#restored.delete(range.first, last)) {
      for (const again of this.#ready.take(part.first, part.last)) {
        granted.push({ first: again.first, last: again.last, value: again.value + 1 });
      }
    }
    for (const part of this.#fresh.take(range.first, last)) {
      granted.push({ first: part.first, last: part.last, value: 1 });
    }
    const first = Math.max(range.first, this.#fed + 1);
    if (first > last) return granted;
    const open = this.#settled.gaps(first, last);
    for (const gap of open.flatMap((part) => this.#ahead.gaps(part.first, part.last))) {
      this.#ahead.add(gap.first, gap.last);
      granted.push({ ...gap, value: 1 });
    }
    return granted;
  }

  #lose(id: number): void {
    const link = this.#links.get(id);
    if (link === undefined || link.graceEndMs !== null) return;
    this.#willing.delete(link);
    if (link.leases.count === 0) {
      this.#leave(link);
      return;
    }
    link.graceEndMs = this.#nowMs + this.#options.graceMs;
    this.#dueMs = Math.min(this.#dueMs, link.graceEndMs);
    this.#noteOrder();
  }

  #leave(link: DispatcherLink | undefined): void {
    if (link === undefined) return;
    this.#forget(link);
    if (this.#options.exclusive && this.#active === null) {
      for (const other of this.#links.values()) {
        if (other.graceEndMs !== null) continue;
        this.#active = other;
        this.#noteCredit(other);
        break;
      }
    }
    this.#noteOrder();
  }

  /** Everything that the link holds goes back. */
  #forget(link: DispatcherLink): void {
    this.#links.delete(link.id);
    this.#willing.delete(link);
    if (this.#active === link) this.#active = null;
    for (const part of [...link.leases]) this.#giveBack(part);
    link.leases.clear();
  }

  /** A try that ended without a word: at once ready for another, unless it was the last. */
  #giveBack(part: Segment<Lease>): void {
    const { attempt } = part.value;
    if (attempt < this.#options.attemptsMax) this.#return(part, attempt);
    else this.#bury(part, "the lease ended, or the receiver was lost");
  }

  #return(range: SeqRange, attempts: number): void {
    this.#ready.set(range.first, range.last, attempts);
  }

  #retry(part: Segment<Lease>, delayMs: number | null): void {
    const { attempt } = part.value;
    if (attempt >= this.#options.attemptsMax) {
      this.#bury(part, "all attempts failed");
      return;
    }
    this.#rest(part, attempt, delayMs ?? backOffMs(this.#options, attempt, this.#random()));
  }

  #rest(range: SeqRange, attempts: number, delayMs: number): void {
    if (delayMs <= 0) {
      this.#return(range, attempts);
      return;
    }
    const dueMs = this.#nowMs + delayMs;
    this.#resting.set(range.first, range.last, { attempts, dueMs });
    this.#dueMs = Math.min(this.#dueMs, dueMs);
  }

  #bury(part: Segment<Lease>, reason: string): void {
    const { first, last, value } = part;
    if (this.#dead.size >= this.#options.deadLettersMax) {
      this.#actions.push({ type: "deadLettersFull", first, last });
      this.#rest(part, value.attempt - 1, this.#options.retryMsMax);
      return;
    }
    this.#dead.set(first, last, { attempts: value.attempt, reason, timeMs: this.#timeMs() });
    this.#settle(part, "dead");
  }

  #settle(
    { first, last }: SeqRange,
    outcome: "processed" | "dead" | "dropped",
    by: DispatcherLink | null = null,
  ): void {
    if (first === this.#floor + 1) {
      this.#floor = last;
      const next = this.#settled.lowest;
      if (next !== null && next.first === last + 1) {
        this.#floor = next.last;
        this.#settled.delete(next.first, next.last);
      }
    } else this.#settled.add(first, last);
    this.#actions.push({ type: "settled", outcome, first, last });
    // With receivers in turn the one that did it knows; there is no other that waits for it.
    if (outcome === "processed" && !this.#options.exclusive) return;
    for (const link of this.#links.values()) {
      if (link === by) continue;
      if (link.ordered !== true) continue;
      this.#actions.push({ type: "gone", link: link.id, ranges: [{ first, last }] });
    }
  }

  #extend(link: DispatcherLink, part: Segment<Lease>, leaseMs: number): void {
    const endMs = this.#nowMs + leaseMs;
    link.leases.set(part.first, part.last, { attempt: part.value.attempt, endMs });
    this.#dueMs = Math.min(this.#dueMs, endMs);
  }

  #lease(link: DispatcherLink, range: SeqRange, attempt: number): void {
    const endMs = this.#nowMs + this.#options.leaseMs;
    link.leases.set(range.first, range.last, { attempt, endMs });
    this.#dueMs = Math.min(this.#dueMs, endMs);
  }

  /** Rests, leases and grace periods that are over; and when the next one is. */
  #passTime(): void {
    const nowMs = this.#nowMs;
    let dueMs = Number.POSITIVE_INFINITY;
    if (this.#awaited.size > 0) {
      if (this.#awaitedUntilMs <= nowMs) this.#awaited.clear();
      else dueMs = this.#awaitedUntilMs;
    }
    for (const part of [...this.#resting]) {
      if (part.value.dueMs > nowMs) dueMs = Math.min(dueMs, part.value.dueMs);
      else {
        this.#resting.take(part.first, part.last);
        this.#return(part, part.value.attempts);
      }
    }
    for (const link of [...this.#links.values()]) {
      if (link.graceEndMs !== null && link.graceEndMs <= nowMs) this.#leave(link);
      else dueMs = Math.min(dueMs, link.graceEndMs ?? dueMs, this.#endLeases(link));
    }
    this.#dueMs = dueMs;
    // What was given back may rest: then that is due too.
    for (const { value } of this.#resting) this.#dueMs = Math.min(this.#dueMs, value.dueMs);
  }

  /** @returns when the next lease of the link ends (ms) */
  #endLeases(link: DispatcherLink): number {
    let dueMs = Number.POSITIVE_INFINITY;
    const ended: SeqRange[] = [];
    for (const part of [...link.leases]) {
      if (part.value.endMs > this.#nowMs) dueMs = Math.min(dueMs, part.value.endMs);
      else {
        link.leases.take(part.first, part.last);
        this.#giveBack(part);
        ended.push({ first: part.first, last: part.last });
      }
    }
    if (ended.length > 0) {
      link.silent = true;
      this.#willing.delete(link);
      this.#actions.push({ type: "lost", link: link.id, ranges: ended });
    }
    return dueMs;
  }

  #drop(count: number): void {
    let left = count;
    while (left > 0) {
      const tables = [this.#ready, this.#resting, this.#fresh];
      const lowest = tables
        .filter((table) => table.size > 0)
        .sort((a, b) => a.lowest!.first - b.lowest!.first)[0];
      if (lowest === undefined) return;
      const { first, last } = lowest.lowest!;
      const end = Math.min(last, first + left - 1);
      lowest.take(first, end);
      left -= end - first + 1;
      this.#settle({ first, last: end }, "dropped");
    }
  }

  #noteCredit(link: DispatcherLink): void {
    const may = !this.#options.exclusive || this.#active === link;
    if (may && link.graceEndMs === null && !link.silent && creditOf(link) > 0)
      this.#willing.add(link);
  }

  /** One receiver alone, or an exclusive one, keeps the order of seqs through all retries. */
  #noteOrder(): void {
    const { exclusive } = this.#options;
    const alone = this.#links.size === 1;
    for (const link of this.#links.values()) {
      const ordered = exclusive ? link === this.#active : alone;
      if (link.ordered === ordered) continue;
      link.ordered = ordered;
      const awaited = ordered ? this.#awaitedBy(link) : [];
      this.#actions.push({ type: "order", link: link.id, ordered, awaited });
    }
  }

  /** What comes to the link before, or between, what it holds. */
  #awaitedBy(link: DispatcherLink): SeqRange[] {
    const awaited = new RangeSet();
    awaited.addAll(this.#ready);
    awaited.addAll(this.#resting);
    const highest = link.leases.highest?.last ?? 0;
    awaited.addAll(this.#fresh.parts(1, highest));
    if (highest > this.#fed) {
      for (const { first, last } of this.#settled.gaps(this.#fed + 1, highest)) {
        awaited.addAll(this.#ahead.gaps(first, last));
      }
    }
    return [...awaited];
  }

  get #held(): boolean {
    return (
      this.#settled.size > RANGES_MAX ||
      this.#resting.size > RANGES_MAX ||
      this.#ready.size > RANGES_MAX
    );
  }

  /**
   * Deals out what is ready: the lowest seqs first, to the links in turn. Where there are fewer batches than
   * links with credit, batches are cut into even shares; else they stay whole.
   */
  #assign(): void {
    if (this.#awaited.size > 0) return;
    this.#assignAwaited();
    let left = 0;
    while (this.#willing.size > 0 && (this.#ready.size > 0 || this.#fresh.size > 0)) {
      if (left <= 0) left = this.#willing.size;
      const link: DispatcherLink = this.#willing.values().next().value!;
      this.#willing.delete(link);
      const isAgain = this.#ready.size > 0;
      if (!isAgain && this.#held) {
        this.#willing.add(link);
        return;
      }
      const granted = isAgain ? this.#takeReady(link, left) : this.#takeFresh(link, left);
      left -= 1;
      if (granted && creditOf(link) > 0) this.#willing.add(link);
    }
  }

  /**
   * A receiver that keeps order can do nothing with what it holds before a lower message comes again: that one
   * is sent beyond its credit, at most as much again.
   */
  #assignAwaited(): void {
    if (!this.#options.exclusive && this.#links.size > 1) return;
    for (const link of this.#links.values()) {
      if (link.ordered !== true || link.silent || link.graceEndMs !== null) continue;
      const held = link.leases.lowest;
      if (held === null || creditOf(link) > 0) continue;
      const most = { last: held.first - 1, count: link.prefetch };
      const again = this.#ready.lowest;
      if (again !== null && again.first < held.first) {
        const last = Math.min(again.last, most.last, again.first + most.count - 1);
        this.#ready.take(again.first, last);
        this.#send(link, { first: again.first, last }, again.value + 1);
        continue;
      }
      const fresh = this.#fresh.lowest;
      if (fresh === null || fresh.first > held.first) continue;
      const last = Math.min(fresh.last, most.last, fresh.first + most.count - 1);
      this.#fresh.take(fresh.first, last);
      this.#send(link, { first: fresh.first, last }, 1);
    }
  }

  #takeReady(link: DispatcherLink, shares: number): boolean {
    const { first, last, value } = this.#ready.lowest!;
    const share = Math.ceil(this.#ready.count / shares);
    const end = Math.min(last, first + Math.min(share, creditOf(link)) - 1);
    this.#ready.take(first, end);
    this.#send(link, { first, last: end }, value + 1);
    return true;
  }

  #takeFresh(link: DispatcherLink, shares: number): boolean {
    const { first, last } = this.#fresh.lowest!;
    const credit = creditOf(link);
    let count = last - first + 1;
    if (this.#fresh.size < shares) count = Math.ceil((count * this.#fresh.size) / shares);
    if (count > credit) {
      // Rather wait for more credit than cut a batch, unless little is to be gained by waiting.
      if (credit * 2 < link.prefetch && link.leases.count > 0) return false;
      count = credit;
    }
    const end = first + count - 1;
    this.#fresh.take(first, end);
    this.#send(link, { first, last: end }, 1);
    return true;
  }

  #send(link: DispatcherLink, range: SeqRange, attempt: number): void {
    if (attempt > 1 && this.#restored.size > 0) this.#restored.delete(range.first, range.last);
    this.#lease(link, range, attempt);
    this.#actions.push({ type: "send", link: link.id, ...range, attempt });
  }
}
