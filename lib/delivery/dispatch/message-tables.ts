import { FirstAttempts } from "../attempts/first-attempts.ts";
import type { Handed, Lease } from "../attempts/leases.ts";
import { cutAt, Suspects } from "../attempts/suspects.ts";
import { messageBytes } from "../consumers/consumer.ts";
import type { SeqRange } from "../range/range.ts";
import { RangeMap, type Segment } from "../range/range-map.ts";
import { RangeSet, rangeSet } from "../range/range-set.ts";
import { DeadLetterIndex } from "./dead-letter-index.ts";
import type { DispatcherEvent, DispatcherState } from "./dispatcher-events.ts";
import type { DispatcherStart } from "./dispatcher-start.ts";

/** Ranges that a table has room for, so that memory is bounded; see `isFull` and `rest` (count). */
const RANGES_MAX = 16_384;
/** Where too many rest, so large a part of them is woken early (part of 1). */
const WOKEN_PART = 1 / 16;
const NONE: Segment<number>[] = [];

/** Messages that nobody holds. */
export interface Unheld {
  /** How often they have been begun (count). */
  readonly attempts: number;
  /** Size of each; 0 where it is not known yet. */
  readonly bytesEach: number;
}

/** Given back, and resting until a time. */
export interface Rest extends Unheld {
  readonly dueMs: number;
}

/**
 * The messages of a stream that no receiver has, by what is to become of them: tables of ranges, so that a
 * step costs as much as it has ranges, not messages.
 *
 * Pure. Invariants: a seq is in at most one of fresh, ready, resting and settled; nothing at or below
 * `floor` is in any table but that of the dead; what is dead is settled too.
 */
export class MessageTables {
  /** Fed and never handed out; each batch has a value of its own. */
  readonly fresh: RangeMap<Unheld> = new RangeMap();
  /** To be handed out again. */
  readonly ready: RangeMap<Unheld> = new RangeMap(
    (a, b) => a.attempts === b.attempts && a.bytesEach === b.bytesEach,
  );
  readonly dead: DeadLetterIndex;
  /** What may kill receivers. */
  readonly suspects: Suspects;
  /** When what is not settled was begun for the first time. */
  readonly firsts: FirstAttempts;
  readonly #resting = new RangeMap<Rest>(
    (a, b) => a.attempts === b.attempts && a.dueMs === b.dueMs && a.bytesEach === b.bytesEach,
  );
  readonly #settled = new RangeSet();
  /** Beyond what was fed, and dealt with already: by a claim, or as a copy of a dead letter. */
  readonly #ahead = new RangeSet();
  /** Of the ready and resting ones, those that a process before this one may have handed out: who holds them may claim them. */
  readonly #restored = new RangeSet();
  /** What was in somebody's hands when a process before this one died, and has had no answer since. */
  readonly #unanswered = new RangeSet();
  /** What was in somebody's hands when a process before this one died, until it is clear who claims it. */
  readonly #leasedBefore: RangeSet;
  readonly #seqBefore: number;
  #floor: number;
  #fed: number;

  /** @param seqBefore the last seq that a process before this one can have sent */
  constructor(
    state: DispatcherState,
    { seqBefore, nowMs, timeMs }: Pick<DispatcherStart, "seqBefore" | "nowMs" | "timeMs">,
  ) {
    this.#seqBefore = seqBefore;
    this.#floor = state.floor;
    this.#fed = state.floor;
    this.#settled.addAll(state.settled);
    this.#raiseFloor();
    this.dead = new DeadLetterIndex(state.dead);
    this.suspects = new Suspects(state.suspects);
    this.firsts = new FirstAttempts(timeMs);
    for (const { value, ...segment } of state.firsts) {
      for (const range of this.#unsettledOf(segment)) this.firsts.restore(range, value);
    }
    this.#leasedBefore = rangeSet(state.leased);
    for (const segment of state.attempts) {
      for (const range of this.#unsettledOf(segment)) this.#restore(range, segment.value);
    }
    for (const segment of state.leased) {
      for (const part of this.#unsettledOf(segment)) {
        this.#unanswered.add(part.first, part.last);
        // What was not begun yet has not been tried.
        for (const { range, isInside } of cutAt(part, this.suspects.begunOf(part))) {
          this.#restore(range, isInside ? segment.value : segment.value - 1);
        }
      }
    }
    for (const segment of state.rests) {
      const { attempts, restMs } = segment.value;
      for (const { first, last } of this.#unsettledOf(segment)) {
        this.#resting.set(first, last, { attempts, bytesEach: 0, dueMs: nowMs + restMs });
        this.#ahead.add(first, last);
        // Its rest may have been over, and it sent again, before that was saved.
        this.#restored.add(first, last);
      }
    }
  }

  /** Every seq up to this one is settled. */
  get floor(): number {
    return this.#floor;
  }

  /** All that will not be sent again (count). */
  get settledCount(): number {
    return this.#floor + this.#settled.count;
  }

  /** The last seq that was fed. */
  get fed(): number {
    return this.#fed;
  }

  /**
   * Whether messages that a process before this one had handed out when it died have had no answer since: one of
   * them may be why it died.
   */
  get savesBeforeSending(): boolean {
    return this.#unanswered.size > 0;
  }

  /** Whether so much is remembered that who holds much already may get nothing new. */
  get isFull(): boolean {
    return this.#settled.size > RANGES_MAX || this.ready.size > RANGES_MAX;
  }

  /** Ranges that are gone through where all is saved (count). */
  get size(): number {
    return this.#settled.size + this.ready.size + this.#resting.size + this.firsts.size;
  }

  /**
   * What of the tables must outlive the process. The dead are those of the table itself, to be read at once.
   *
   * @param leased what is handed out, in order
   */
  state(leased: readonly Segment<number>[], nowMs: number): Omit<DispatcherState, "receivers"> {
    const attempts = [...this.ready].flatMap(({ value, ...part }) =>
      cutAt(part, this.#leasedBefore)
        .filter(({ isInside }) => !isInside)
        .map(({ range }) => ({ ...range, value: value.attempts })),
    );
    const rests = [...this.#resting].map(({ first, last, value }) => {
      const restMs = Math.max(0, Math.ceil(value.dueMs - nowMs));
      return { first, last, value: { attempts: value.attempts, restMs } };
    });
    return {
      floor: this.#floor,
      settled: [...this.#settled],
      attempts: this.#joined(attempts),
      leased: this.#joined(leased),
      suspects: this.suspects.state(),
      firsts: this.firsts.state(),
      rests,
      dead: this.dead,
    };
  }

  /**
   * The next batch is at hand.
   *
   * @param bytes its length
   * @returns the part of it that was dealt with before, and the size of its messages (bytes)
   */
  feed({ first, last }: SeqRange, bytes: number): Segment<number>[] {
    this.#fed = last;
    const from = Math.max(first, this.#floor + 1);
    if (from > last) return NONE;
    const bytesEach = messageBytes(bytes, last - first + 1);
    const batch: Unheld = { attempts: 0, bytesEach };
    for (const gap of this.#settled.gaps(from, last)) {
      for (const { first: start, last: end } of this.#ahead.gaps(gap.first, gap.last)) {
        this.fresh.set(start, end, batch);
      }
    }
    return this.#ahead.delete(from, last).map((part) => {
      setSize(this.ready, part, bytesEach);
      setSize(this.#resting, part, bytesEach);
      return { ...part, value: bytesEach };
    });
  }

  /** A range that was taken out of its table will never be sent again. */
  settle({ first, last }: SeqRange): void {
    this.answered({ first, last });
    this.suspects.answered({ first, last });
    this.firsts.forget({ first, last });
    if (first !== this.#floor + 1) {
      this.#settled.add(first, last);
      return;
    }
    this.#floor = last;
    this.#raiseFloor();
  }

  /** Handlers have begun what was handed out. */
  begin(parts: readonly Segment<Handed>[]): void {
    for (const part of parts) this.firsts.begin(part, this.suspects.begunOf(part));
    this.suspects.begin(parts);
  }

  /** Of what is handed out, what was said to be begun is not begun after all. */
  takeBack({ value, ...part }: Segment<Handed>): void {
    for (const range of this.suspects.ended(part)) {
      if (value.attempt <= 1) this.firsts.forget(range);
    }
  }

  /** The handler of a range gave an answer: whatever it said before, it had begun. */
  tried(part: Segment<Handed>): void {
    this.firsts.begin(part, this.suspects.begunOf(part));
    this.answered(part);
    this.suspects.answered(part);
  }

  /** A receiver said something of a range, and lived. */
  answered({ first, last }: SeqRange): void {
    if (this.#unanswered.size > 0) this.#unanswered.delete(first, last);
  }

  /** Dead letters are forgotten; or copies of some come into the journal, or do not after all. */
  note(event: Extract<DispatcherEvent, { type: "purged" | "copying" | "notCopied" }>): void {
    if (event.type === "purged") for (const range of event.ranges) this.dead.delete(range);
    else if (event.type === "copying") this.#ahead.add(event.first, event.last);
    else this.#ahead.delete(event.first, event.last);
  }

  /** The parts of `range` beside `held` that somebody may still process. */
  unsettled(range: SeqRange, held: readonly SeqRange[]): SeqRange[] {
    const others = new RangeSet();
    others.addAll(held);
    if (range.first <= this.#floor) others.add(range.first, Math.min(range.last, this.#floor));
    return others
      .gaps(range.first, range.last)
      .flatMap(({ first, last }) => this.#settled.gaps(first, last));
  }

  /** The parts of a range that will never be sent again. */
  settledOf({ first, last }: SeqRange): SeqRange[] {
    const above = this.#settled.parts(Math.max(first, this.#floor + 1), last);
    if (first > this.#floor) return above;
    return [{ first, last: Math.min(last, this.#floor) }, ...above];
  }

  /**
   * Takes out what a process before this one may have handed out, and this one has not.
   *
   * @returns what may be claimed
   */
  takeClaimed(range: SeqRange): Segment<Handed>[] {
    const granted: Segment<Handed>[] = [];
    const last = Math.min(range.last, this.#seqBefore);
    if (last < range.first) return granted;
    for (const part of this.#restored.delete(range.first, last)) {
      for (const again of this.ready.take(part.first, part.last)) {
        granted.push(...this.#claimed(again));
      }
      for (const again of this.#resting.take(part.first, part.last)) {
        granted.push(...this.#claimed(again));
      }
    }
    for (const part of this.fresh.take(range.first, last)) granted.push(handed(part));
    // What is settled below the floor is in no table, and may not have been fed again.
    const first = Math.max(range.first, Math.max(this.#fed, this.#floor) + 1);
    if (first > last) return granted;
    const open = this.#settled.gaps(first, last);
    for (const gap of open.flatMap((part) => this.#ahead.gaps(part.first, part.last))) {
      this.#ahead.add(gap.first, gap.last);
      granted.push({ ...gap, value: { attempt: 1, bytesEach: 0 } });
    }
    return granted;
  }

  /** What was in somebody's hands when a process before this one died, and may yet be claimed: how often begun. */
  unclaimed(): Segment<number>[] {
    return [...this.#leasedBefore]
      .flatMap(({ first, last }) => this.ready.parts(first, last))
      .flatMap((part) => this.#claimed(part))
      .map(({ first, last, value }) => ({ first, last, value: value.attempt }));
  }

  /**
   * Takes out, once, what was in somebody's hands when a process before this one died, and nobody claimed.
   *
   * @returns it as it was held
   */
  takeUnclaimed(): Segment<Lease>[] {
    const before = [...this.#leasedBefore];
    this.#leasedBefore.clear();
    return before
      .flatMap(({ first, last }) => this.ready.take(first, last))
      .flatMap((part) => this.#claimed(part))
      .map(({ value, ...range }) => ({ ...range, value: { ...value, endMs: 0 } }));
  }

  /** A range is handed out again: nobody may claim it from before any more. */
  handedOut({ first, last }: SeqRange): void {
    if (this.#restored.size > 0) this.#restored.delete(first, last);
  }

  /** A range may be tried again at `dueMs`; where too many rest, the rests that end first end now. */
  rest(range: SeqRange, rest: Rest): void {
    this.#resting.set(range.first, range.last, rest);
    if (this.#resting.size <= RANGES_MAX) return;
    const dues = [...this.#resting].map(({ value }) => value.dueMs).sort((a, b) => a - b);
    this.wake(dues[Math.floor(RANGES_MAX * WOKEN_PART)]!);
  }

  /** Makes ready what has rested long enough. @returns when the next rest ends (ms) */
  wake(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { first, last, value } of [...this.#resting]) {
      if (value.dueMs > nowMs) nextMs = Math.min(nextMs, value.dueMs);
      else {
        this.#resting.take(first, last);
        const { attempts, bytesEach } = value;
        this.ready.set(first, last, { attempts, bytesEach });
      }
    }
    return nextMs;
  }

  /** Whether nobody has the lowest message that is not settled. */
  get isOldestFree(): boolean {
    const first = this.#floor + 1;
    return [this.ready, this.#resting, this.fresh].some((table) => table.lowest?.first === first);
  }

  /** Takes out the oldest messages of those that nobody has. @returns at most `count` of them */
  takeOldest(count: number): SeqRange[] {
    const taken: SeqRange[] = [];
    for (let left = count; left > 0; ) {
      const lowest = [this.ready, this.#resting, this.fresh]
        .filter((table) => table.size > 0)
        .sort((a, b) => a.lowest!.first - b.lowest!.first)[0];
      if (lowest === undefined) break;
      const { first, last } = lowest.lowest!;
      const end = Math.min(last, first + left - 1);
      lowest.take(first, end);
      taken.push({ first, last: end });
      left -= end - first + 1;
    }
    return taken;
  }

  /** Takes out what nobody holds of a range that cannot be read; where it was to be fed next, it counts as fed. */
  takeMissing({ first, last }: SeqRange): SeqRange[] {
    const tables = [this.ready, this.#resting, this.fresh];
    const taken: SeqRange[] = tables.flatMap((table) => table.take(first, last) as SeqRange[]);
    if (first > this.#fed + 1 || last <= this.#fed) return taken;
    const from = Math.max(this.#fed, this.#floor) + 1;
    for (const open of from <= last ? this.#settled.gaps(from, last) : []) {
      taken.push(...this.#ahead.gaps(open.first, open.last));
    }
    if (from <= last) this.#ahead.delete(from, last);
    this.#fed = last;
    return taken;
  }

  /** What is still to be handed out up to `highest`, and what is to be handed out again. */
  outstanding(highest: number): SeqRange[] {
    const outstanding = new RangeSet();
    outstanding.addAll(this.ready);
    outstanding.addAll(this.#resting);
    outstanding.addAll(this.fresh.parts(1, highest));
    const from = Math.max(this.#fed, this.#floor) + 1;
    if (highest >= from) {
      for (const { first, last } of this.#settled.gaps(from, highest)) {
        outstanding.addAll(this.#ahead.gaps(first, last));
      }
    }
    return [...outstanding];
  }

  /** What was handed out before, and is begun no more often than that, or not begun yet. */
  #restore({ first, last }: SeqRange, attempts: number): void {
    this.ready.set(first, last, { attempts, bytesEach: 0 });
    this.#ahead.add(first, last);
    this.#restored.add(first, last);
  }

  /** What was counted as begun already is not counted again. */
  #claimed(again: Segment<Unheld>): Segment<Handed>[] {
    const { attempts, bytesEach } = again.value;
    return cutAt(again, this.suspects.begunOf(again)).map(({ range, isInside }) => {
      return { ...range, value: { attempt: isInside ? attempts : attempts + 1, bytesEach } };
    });
  }

  /** The parts of a saved range that are not settled. */
  #unsettledOf({ first, last }: SeqRange): SeqRange[] {
    return this.#settled.gaps(Math.max(first, this.#floor + 1), last);
  }

  /** Ranges with equal values between which all is settled, as one: so what is acknowledged here and there costs nothing. */
  #joined(ranges: readonly Segment<number>[]): Segment<number>[] {
    const joined: Segment<number>[] = [];
    for (const range of ranges) {
      const before = joined.at(-1);
      const isNext =
        before?.value === range.value &&
        this.#settled.gaps(before.last + 1, range.first - 1).length === 0;
      if (isNext) joined[joined.length - 1] = { ...range, first: before.first };
      else joined.push(range);
    }
    return joined;
  }

  #raiseFloor(): void {
    const next = this.#settled.lowest;
    if (next === null || next.first !== this.#floor + 1) return;
    this.#floor = next.last;
    this.#settled.delete(next.first, next.last);
  }
}

/** The size of messages that were dealt with before they were at hand. */
function setSize<V extends Unheld>(
  table: RangeMap<V>,
  { first, last }: SeqRange,
  bytesEach: number,
): void {
  for (const part of table.take(first, last)) {
    table.set(part.first, part.last, { ...part.value, bytesEach });
  }
}

/** Messages as they are when they have been handed out once more. */
function handed({ first, last, value }: Segment<Unheld>): Segment<Handed> {
  const { attempts, bytesEach } = value;
  return { first, last, value: { attempt: attempts + 1, bytesEach } };
}
