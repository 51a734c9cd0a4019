import { FirstAttempts } from "../attempts/first-attempts.ts";
import type { Handed, Lease } from "../attempts/leases.ts";
import { RestartClaims } from "../attempts/restart-claims.ts";
import { cutAt, Suspects } from "../attempts/suspects.ts";
import {
  type Rest,
  TABLE_RANGES_MAX,
  type Unheld,
  UnheldMessages,
} from "../attempts/unheld-messages.ts";
import { messageBytes } from "../consumers/consumer.ts";
import type { SeqRange } from "../range/range.ts";
import type { RangeMap, Segment } from "../range/range-map.ts";
import { RangeSet, rangeSet } from "../range/range-set.ts";
import { SettledSet } from "../range/settled-set.ts";
import { DeadLetterIndex } from "./dead-letter-index.ts";
import type { DispatcherEvent, DispatcherState } from "./dispatcher-events.ts";
import type { DispatcherStart } from "./dispatcher-start.ts";

const NONE: Segment<number>[] = [];

/**
 * The messages of a stream that no receiver has, by what is to become of them: tables of ranges, so that a
 * step costs as much as it has ranges, not messages.
 *
 * Pure. Invariants: a seq is in at most one of fresh, ready, resting and settled; nothing at or below
 * `floor` is in any table but that of the dead; what is dead is settled too.
 */
export class MessageTables {
  /** Fed and never handed out. */
  readonly fresh: RangeMap<Unheld>;
  /** To be handed out again. */
  readonly ready: RangeMap<Unheld>;
  readonly dead: DeadLetterIndex;
  /** What may kill receivers. */
  readonly suspects: Suspects;
  /** When what is not settled was begun for the first time. */
  readonly firsts: FirstAttempts;
  readonly #unheld = new UnheldMessages();
  readonly #settled: SettledSet;
  /** Beyond what was fed, and dealt with already: by a claim, or as a copy of a dead letter. */
  readonly #ahead = new RangeSet();
  readonly #claims: RestartClaims;
  #fed: number;

  /** @param seqBefore the last seq that a process before this one can have sent */
  constructor(
    state: DispatcherState,
    { seqBefore, nowMs, timeMs }: Pick<DispatcherStart, "seqBefore" | "nowMs" | "timeMs">,
  ) {
    this.fresh = this.#unheld.fresh;
    this.ready = this.#unheld.ready;
    this.#settled = new SettledSet(state.floor, state.settled);
    this.#claims = new RestartClaims(state.leased, seqBefore);
    this.#fed = state.floor;
    this.dead = new DeadLetterIndex(state.dead);
    this.suspects = new Suspects(state.suspects);
    this.firsts = new FirstAttempts(timeMs);
    for (const { value, ...segment } of state.firsts) {
      for (const range of this.#settled.gaps(segment)) this.firsts.restore(range, value);
    }
    for (const segment of state.attempts) {
      for (const range of this.#settled.gaps(segment)) {
        this.#restore(range, segment.value);
        this.#claims.restore(range, false);
      }
    }
    for (const segment of state.leased) {
      for (const part of this.#settled.gaps(segment)) {
        this.#claims.restore(part, true);
        // What was not begun yet has not been tried.
        for (const { range, isInside } of cutAt(part, this.suspects.begunOf(part))) {
          this.#restore(range, isInside ? segment.value : segment.value - 1);
        }
      }
    }
    for (const segment of state.rests) {
      const { attempts, restMs } = segment.value;
      for (const range of this.#settled.gaps(segment)) {
        this.#unheld.restore(range, { attempts, bytesEach: 0, dueMs: nowMs + restMs });
        this.#ahead.add(range.first, range.last);
        // Its rest may have been over, and it sent again, before that was saved.
        this.#claims.restore(range, false);
      }
    }
  }

  /** Every seq up to this one is settled. */
  get floor(): number {
    return this.#settled.floor;
  }

  /** All that will not be sent again (count). */
  get settledCount(): number {
    return this.#settled.count;
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
    return this.#claims.isUnheard;
  }

  /** Whether so much is remembered that who holds much already may get nothing new. */
  get isFull(): boolean {
    return this.#settled.size > TABLE_RANGES_MAX || this.ready.size > TABLE_RANGES_MAX;
  }

  /** Ranges that are gone through where all is saved (count). */
  get size(): number {
    return this.#settled.size + this.#unheld.size + this.firsts.size;
  }

  /**
   * What of the tables must outlive the process. The dead are those of the table itself, to be read at once.
   *
   * @param leased what is handed out, in order
   */
  state(leased: readonly Segment<number>[], nowMs: number): Omit<DispatcherState, "receivers"> {
    const attempts = [...this.ready].flatMap(({ value, ...part }) =>
      cutAt(part, this.#claims.leased)
        .filter(({ isInside }) => !isInside)
        .map(({ range }) => ({ ...range, value: value.attempts })),
    );
    const rests = this.#unheld.resting().map(({ first, last, value }) => {
      const restMs = Math.max(0, Math.ceil(value.dueMs - nowMs));
      return { first, last, value: { attempts: value.attempts, restMs } };
    });
    return {
      floor: this.#settled.floor,
      settled: this.#settled.above(),
      attempts: this.#settled.join(attempts),
      leased: this.#settled.join(leased),
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
    const from = Math.max(first, this.floor + 1);
    if (from > last) return NONE;
    const bytesEach = messageBytes(bytes, last - first + 1);
    const batch: Unheld = { attempts: 0, bytesEach };
    for (const { first: start, last: end } of this.#open({ first: from, last })) {
      this.fresh.set(start, end, batch);
    }
    return this.#ahead.delete(from, last).map((part) => {
      this.#unheld.sized(part, bytesEach);
      return { ...part, value: bytesEach };
    });
  }

  /** A range that was taken out of its table will never be sent again. */
  settle({ first, last }: SeqRange): void {
    this.answered({ first, last });
    this.suspects.answered({ first, last });
    this.firsts.forget({ first, last });
    this.#settled.add({ first, last });
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
    this.#claims.heard({ first, last });
  }

  /** Dead letters are forgotten; or copies of some come into the journal, or do not after all. */
  note(event: Extract<DispatcherEvent, { type: "purged" | "copying" | "notCopied" }>): void {
    if (event.type === "purged") for (const range of event.ranges) this.dead.delete(range);
    else if (event.type === "copying") this.#ahead.add(event.first, event.last);
    else this.#ahead.delete(event.first, event.last);
  }

  /** The parts of `range` beside `held` that somebody may still process. */
  unsettled(range: SeqRange, held: readonly SeqRange[]): SeqRange[] {
    const { first, last } = range;
    return rangeSet(held)
      .gaps(first, last)
      .flatMap((part) => this.#settled.gaps(part));
  }

  /** The parts of a range that will never be sent again. */
  settledOf(range: SeqRange): SeqRange[] {
    return this.#settled.parts(range);
  }

  /**
   * Takes out what a process before this one may have handed out, and this one has not.
   *
   * @returns what may be claimed
   */
  takeClaimed(range: SeqRange): Segment<Handed>[] {
    const granted: Segment<Handed>[] = [];
    const sent = this.#claims.sentOf(range);
    if (sent === null) return granted;
    for (const part of this.#claims.take(sent)) {
      for (const again of this.#unheld.takeAgain(part)) granted.push(...this.#claimed(again));
    }
    for (const part of this.fresh.take(sent.first, sent.last)) granted.push(handed(part));
    const first = Math.max(sent.first, this.#fed + 1);
    for (const gap of first > sent.last ? [] : this.#open({ first, last: sent.last })) {
      this.#ahead.add(gap.first, gap.last);
      granted.push({ ...gap, value: { attempt: 1, bytesEach: 0 } });
    }
    return granted;
  }

  /** What was in somebody's hands when a process before this one died, and may yet be claimed: how often begun. */
  unclaimed(): Segment<number>[] {
    return [...this.#claims.leased]
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
    return this.#claims
      .takeLeased()
      .flatMap(({ first, last }) => this.ready.take(first, last))
      .flatMap((part) => this.#claimed(part))
      .map(({ value, ...range }) => ({ ...range, value: { ...value, endMs: 0 } }));
  }

  /** A range is handed out again: nobody may claim it from before any more. */
  handedOut(range: SeqRange): void {
    this.#claims.handedOut(range);
  }

  /** A range may be tried again at `dueMs`; where too many rest, the rests that end first end now. */
  rest(range: SeqRange, rest: Rest): void {
    this.#unheld.rest(range, rest);
  }

  /** Makes ready what has rested long enough. @returns when the next rest ends (ms) */
  wake(nowMs: number): number {
    return this.#unheld.wake(nowMs);
  }

  /** Whether nobody has the lowest message that is not settled. */
  get isOldestFree(): boolean {
    return this.#unheld.first === this.floor + 1;
  }

  /** Takes out the oldest messages of those that nobody has. @returns at most `count` of them */
  takeOldest(count: number): SeqRange[] {
    return this.#unheld.takeOldest(count);
  }

  /** Takes out what nobody holds of a range that cannot be read; where it was to be fed next, it counts as fed. */
  takeMissing({ first, last }: SeqRange): SeqRange[] {
    const taken = this.#unheld.take({ first, last });
    if (first > this.#fed + 1 || last <= this.#fed) return taken;
    const from = Math.max(this.#fed, this.floor) + 1;
    if (from <= last) {
      taken.push(...this.#open({ first: from, last }));
      this.#ahead.delete(from, last);
    }
    this.#fed = last;
    return taken;
  }

  /** What is still to be handed out up to `highest`, and what is to be handed out again. */
  outstanding(highest: number): SeqRange[] {
    const outstanding = rangeSet(this.#unheld.upTo(highest));
    if (highest > this.#fed) {
      outstanding.addAll(this.#open({ first: this.#fed + 1, last: highest }));
    }
    return [...outstanding];
  }

  /** What was handed out before, and is begun no more often than that, or not begun yet. */
  #restore({ first, last }: SeqRange, attempts: number): void {
    this.ready.set(first, last, { attempts, bytesEach: 0 });
    this.#ahead.add(first, last);
  }

  /** The parts of a range that is not fed yet with which nothing was done. */
  #open(range: SeqRange): SeqRange[] {
    return this.#settled.gaps(range).flatMap(({ first, last }) => this.#ahead.gaps(first, last));
  }

  /** What was counted as begun already is not counted again. */
  #claimed(again: Segment<Unheld>): Segment<Handed>[] {
    const { attempts, bytesEach } = again.value;
    return cutAt(again, this.suspects.begunOf(again)).map(({ range, isInside }) => {
      return { ...range, value: { attempt: isInside ? attempts : attempts + 1, bytesEach } };
    });
  }
}

/** Messages as they are when they have been handed out once more. */
function handed({ first, last, value }: Segment<Unheld>): Segment<Handed> {
  const { attempts, bytesEach } = value;
  return { first, last, value: { attempt: attempts + 1, bytesEach } };
}
