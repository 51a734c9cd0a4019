import { FirstAttempts } from "../attempts/first-attempts.ts";
import type { Dispatched, Lease } from "../attempts/leases.ts";
import { RestartClaims } from "../attempts/restart-claims.ts";
import { cutAt, Suspects } from "../attempts/suspects.ts";
import {
  type BackingOff,
  TABLE_RANGES_MAX,
  type Unheld,
  UnheldMessages,
} from "../attempts/unheld-messages.ts";
import { messageBytes } from "../consumers/consumer.ts";
import type { SeqRange } from "../range/range.ts";
import type { RangeMap, ValuedRange } from "../range/range-map.ts";
import { RangeSet, rangeSet } from "../range/range-set.ts";
import { SettledSet } from "../range/settled-set.ts";
import { DeadLetterIndex } from "./dead-letter-index.ts";
import type { DispatcherEvent, DispatcherState } from "./dispatcher-events.ts";
import type { DispatcherStart } from "./dispatcher-start.ts";

const NONE: ValuedRange<number>[] = [];

/**
 * The messages of a stream that no receiver holds, by their state: tables of ranges, so that the cost of a
 * step depends on the number of ranges, not of messages.
 *
 * Pure except for the clock that it is given. Invariants: a seq is in at most one of fresh, ready, backing off and
 * settled; nothing at or below `floor` is in any table except that of the dead letters; a dead letter is settled too.
 */
export class MessageTables {
  /** Fed and never dispatched. */
  readonly fresh: RangeMap<Unheld>;
  /** To be dispatched again. */
  readonly ready: RangeMap<Unheld>;
  readonly dead: DeadLetterIndex;
  /** Messages that may kill receivers. */
  readonly suspects: Suspects;
  /** Times of the first attempts of unsettled messages. */
  readonly firsts: FirstAttempts;
  readonly #unheld = new UnheldMessages();
  readonly #settled: SettledSet;
  /** Not fed yet, and not to become fresh: in another table already, claimed, or the copy of a dead letter. */
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
    for (const { value, ...valued } of state.firsts) {
      for (const range of this.#settled.gaps(valued)) this.firsts.restore(range, value);
    }
    for (const valued of state.attempts) {
      for (const range of this.#settled.gaps(valued)) {
        this.#restore(range, valued.value);
        this.#claims.restore(range, false);
      }
    }
    for (const valued of state.leased) {
      for (const part of this.#settled.gaps(valued)) {
        this.#claims.restore(part, true);
        // A message that was not begun has had no attempt.
        for (const { range, isInside } of cutAt(part, this.suspects.begunOf(part))) {
          this.#restore(range, isInside ? valued.value : valued.value - 1);
        }
      }
    }
    for (const valued of state.backOffs) {
      const { attempts, backOffMs } = valued.value;
      for (const range of this.#settled.gaps(valued)) {
        this.#unheld.restore(range, { attempts, bytesEach: 0, dueMs: nowMs + backOffMs });
        this.#ahead.add(range.first, range.last);
        // Its back-off may have ended, and it may have been sent again, after this was saved.
        this.#claims.restore(range, false);
      }
    }
  }

  /** Every seq up to this one is settled. */
  get floor(): number {
    return this.#settled.floor;
  }

  /** Messages that will not be sent again (count). */
  get settledCount(): number {
    return this.#settled.count;
  }

  /** The last seq that was fed. */
  get fed(): number {
    return this.#fed;
  }

  /**
   * Whether some messages that were leased when an earlier process ended have not been settled or returned since: one
   * of them may be the reason why it ended.
   */
  get savesBeforeSending(): boolean {
    return this.#claims.isUnheard;
  }

  /** Whether the tables are so long that receivers holding many messages already must get no fresh ones. */
  get isFull(): boolean {
    return this.#settled.size > TABLE_RANGES_MAX || this.ready.size > TABLE_RANGES_MAX;
  }

  /** Ranges that `state` visits, except those of the dead letters (count). */
  get size(): number {
    return this.#settled.size + this.#unheld.size + this.firsts.size;
  }

  /**
   * The state of the tables that must outlive the process. Its dead letters are the table itself, to be read
   * immediately.
   *
   * @param leased leased ranges with their attempts, in order
   */
  state(leased: readonly ValuedRange<number>[], nowMs: number): Omit<DispatcherState, "receivers"> {
    const attempts = [...this.ready].flatMap(({ value, ...part }) =>
      cutAt(part, this.#claims.leased)
        .filter(({ isInside }) => !isInside)
        .map(({ range }) => ({ ...range, value: value.attempts })),
    );
    const backOffs = this.#unheld.backingOff().map(({ first, last, value }) => {
      const backOffMs = Math.max(0, Math.ceil(value.dueMs - nowMs));
      return { first, last, value: { attempts: value.attempts, backOffMs } };
    });
    return {
      floor: this.#settled.floor,
      settled: this.#settled.above(),
      attempts: this.#settled.join(attempts),
      leased: this.#settled.join(leased),
      suspects: this.suspects.state(),
      firsts: this.firsts.state(),
      backOffs,
      dead: this.dead,
    };
  }

  /**
   * The next batch is available.
   *
   * @param bytes its length
   * @returns the parts of it that do not become fresh, with the size of their messages (bytes)
   */
  feed({ first, last }: SeqRange, bytes: number): ValuedRange<number>[] {
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

  /** A range, already removed from its table, will never be sent again. */
  settle({ first, last }: SeqRange): void {
    this.survived({ first, last });
    this.suspects.clear({ first, last });
    this.firsts.forget({ first, last });
    this.#settled.add({ first, last });
  }

  /** Handlers have begun leased messages. */
  begin(parts: readonly ValuedRange<Dispatched>[]): void {
    for (const part of parts) this.firsts.begin(part, this.suspects.begunOf(part));
    this.suspects.begin(parts);
  }

  /** Leased messages that were reported as begun are not begun after all. */
  takeBack({ value, ...part }: ValuedRange<Dispatched>): void {
    for (const range of this.suspects.ended(part)) {
      if (value.attempt <= 1) this.firsts.forget(range);
    }
  }

  /** A handler failed with or rejected a range, so it had begun, whether this was reported before or not. */
  tried(part: ValuedRange<Dispatched>): void {
    this.firsts.begin(part, this.suspects.begunOf(part));
    this.survived(part);
    this.suspects.clear(part);
  }

  /** A receiver settled or returned a range, so it has survived it. */
  survived({ first, last }: SeqRange): void {
    this.#claims.heard({ first, last });
  }

  /** Dead letters are purged, or copies of some are being written to the journal, or could not be stored. */
  note(event: Extract<DispatcherEvent, { type: "purged" | "copying" | "notCopied" }>): void {
    if (event.type === "purged") for (const range of event.ranges) this.dead.delete(range);
    else if (event.type === "copying") this.#ahead.add(event.first, event.last);
    else this.#ahead.delete(event.first, event.last);
  }

  /** The unsettled parts of `range` that are not in `held`. */
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
   * Removes the messages of a range that an earlier process may have dispatched, and this one has not.
   *
   * @returns the parts granted to the receiver that claims them
   */
  takeClaimed(range: SeqRange): ValuedRange<Dispatched>[] {
    const granted: ValuedRange<Dispatched>[] = [];
    const sent = this.#claims.sentOf(range);
    if (sent === null) return granted;
    for (const part of this.#claims.take(sent)) {
      for (const again of this.#unheld.takeAgain(part)) granted.push(...this.#claimed(again));
    }
    for (const part of this.fresh.take(sent.first, sent.last)) granted.push(dispatchedAgain(part));
    const first = Math.max(sent.first, this.#fed + 1);
    for (const gap of first > sent.last ? [] : this.#open({ first, last: sent.last })) {
      this.#ahead.add(gap.first, gap.last);
      granted.push({ ...gap, value: { attempt: 1, bytesEach: 0 } });
    }
    return granted;
  }

  /** Messages leased when an earlier process ended that may still be claimed, with their attempts (count). */
  unclaimed(): ValuedRange<number>[] {
    return [...this.#claims.leased]
      .flatMap(({ first, last }) => this.ready.parts(first, last))
      .flatMap((part) => this.#claimed(part))
      .map(({ first, last, value }) => ({ first, last, value: value.attempt }));
  }

  /**
   * Removes, once, the messages leased when an earlier process ended that no receiver has claimed.
   *
   * @returns their leases
   */
  takeUnclaimed(): ValuedRange<Lease>[] {
    return this.#claims
      .takeLeased()
      .flatMap(({ first, last }) => this.ready.take(first, last))
      .flatMap((part) => this.#claimed(part))
      .map(({ value, ...range }) => ({ ...range, value: { ...value, endMs: 0 } }));
  }

  /** A range is dispatched again: it can no longer be claimed by receivers of an earlier process. */
  dispatched(range: SeqRange): void {
    this.#claims.dispatched(range);
  }

  /** A range is in back-off until `dueMs`. If there are too many such ranges, the back-offs that end first end now. */
  backOff(range: SeqRange, backOff: BackingOff): void {
    this.#unheld.backOff(range, backOff);
  }

  /** Makes messages ready whose back-off has ended. @returns when the next back-off ends (ms) */
  wake(nowMs: number): number {
    return this.#unheld.wake(nowMs);
  }

  /** Whether no receiver holds the lowest unsettled message. */
  get isOldestFree(): boolean {
    return this.#unheld.first === this.floor + 1;
  }

  /** Removes the oldest messages that no receiver holds. @returns at most `count` of them */
  takeOldest(count: number): SeqRange[] {
    return this.#unheld.takeOldest(count);
  }

  /** Removes the unheld messages of a range that cannot be read. If the range was to be fed next, it counts as fed. */
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

  /** Messages up to `highest` that are to be dispatched for the first time, and all that are to be dispatched again. */
  outstanding(highest: number): SeqRange[] {
    const outstanding = rangeSet(this.#unheld.upTo(highest));
    if (highest > this.#fed) {
      outstanding.addAll(this.#open({ first: this.#fed + 1, last: highest }));
    }
    return [...outstanding];
  }

  /** A range that an earlier process dispatched, with the attempts it has had (count). */
  #restore({ first, last }: SeqRange, attempts: number): void {
    this.ready.set(first, last, { attempts, bytesEach: 0 });
    this.#ahead.add(first, last);
  }

  /** The parts of a range not fed yet that are neither settled nor in `#ahead`. */
  #open(range: SeqRange): SeqRange[] {
    return this.#settled.gaps(range).flatMap(({ first, last }) => this.#ahead.gaps(first, last));
  }

  /** Messages as leases that continue their attempt: those that had begun are not counted once more. */
  #claimed(again: ValuedRange<Unheld>): ValuedRange<Dispatched>[] {
    const { attempts, bytesEach } = again.value;
    return cutAt(again, this.suspects.begunOf(again)).map(({ range, isInside }) => {
      return { ...range, value: { attempt: isInside ? attempts : attempts + 1, bytesEach } };
    });
  }
}

/** Messages as they are when dispatched once more. */
function dispatchedAgain({ first, last, value }: ValuedRange<Unheld>): ValuedRange<Dispatched> {
  const { attempts, bytesEach } = value;
  return { first, last, value: { attempt: attempts + 1, bytesEach } };
}
