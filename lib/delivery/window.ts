import { type EpochStart, voidFrom } from "./epochs.ts";
import type { SeqRange } from "./range.ts";
import { RangeSet } from "./range-set.ts";
import { SaidAcks } from "./said-acks.ts";
import { WaitingItems } from "./waiting-items.ts";
import type { WindowEvent, WindowItem, WindowState } from "./window-events.ts";

/**
 * What a receiver holds of one stream, and what it has done.
 *
 * The memory of what is done is exact: it forgets a message only when the sender has said that it knows
 * durably, and so will never send it again. A duplicate therefore never reaches the application, and is
 * acknowledged at once.
 *
 * Pure: no clock, no socket, no disk. Invariants: a seq is waiting, in hand, or done, never two of them;
 * items are handed out in order of seq; while `ordered`, none is handed out before one that was given
 * back and is lower.
 *
 * @see docs/decisions/0040-link-protocol.md
 */
export class Window<P> {
  #epoch = 0;
  #epochs: readonly EpochStart[] = [];
  #floor = 0;
  #ordered = false;
  #isOpen = false;
  readonly #items = new WaitingItems<P>();
  readonly #inHand = new RangeSet();
  readonly #done = new RangeSet();
  /** Done and not yet told to the sender. */
  readonly #unsaid = new RangeSet();
  /** Given back by the application, and expected again. */
  readonly #returned = new RangeSet();
  /** Of these, what the sender of this session may not have heard of when it last told us what to await. */
  readonly #given = new RangeSet();
  /** In hand, and no longer ours: should they come again, the application has them already. */
  readonly #orphaned = new RangeSet();
  /** Of these, what comes again and goes first where order is kept, unless the application has done it. */
  readonly #missed = new RangeSet();
  /** Rejected by the application, and perhaps not known to the sender: not to be shown again. */
  readonly #rejected = new RangeSet();
  readonly #acks = new SaidAcks();
  #duplicates = 0;

  constructor(state: WindowState | null) {
    if (state === null) return;
    this.#epoch = state.epoch;
    this.#floor = state.floor;
    this.#done.addAll(state.done);
  }

  /** Whether the sender may be spoken to. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Messages waiting for the application (count). */
  get waitingCount(): number {
    return this.#items.count;
  }

  /** Messages that the application has and has not answered for (count). */
  get inHandCount(): number {
    return this.#inHand.count;
  }

  /** Messages that came again and were kept from the application (count). */
  get duplicates(): number {
    return this.#duplicates;
  }

  /** Messages in acks that are still to be said (count). */
  get unsaidCount(): number {
    return this.#unsaid.count;
  }

  /** The sender's, as of the newest session; 0 before the first. */
  get epoch(): number {
    return this.#epoch;
  }

  get ordered(): boolean {
    return this.#ordered;
  }

  /** Whether there is nothing to remember or to do. */
  get isEmpty(): boolean {
    return this.#items.count === 0 && this.#inHand.count === 0 && this.#done.count === 0;
  }

  /**
   * Of a range that was handed out from a batch of `epoch`, what still means the same messages: behind the start of
   * a newer epoch are others now. Null where nothing is left.
   */
  valid({ first, last }: SeqRange, epoch: number): SeqRange | null {
    if (epoch === this.#epoch) return { first, last };
    const end = Math.min(last, voidFrom(this.#epochs, epoch) - 1);
    return end < first ? null : { first, last: end };
  }

  /** What must be saved so that nothing done is done again after a restart. */
  state(): WindowState {
    return { epoch: this.#epoch, floor: this.#floor, done: [...this.#done] };
  }

  /** Held but for the application's hands: what the sender must go on keeping for us. */
  waiting(): SeqRange[] {
    return this.#items.ranges();
  }

  /** In the application's hands. */
  inHand(): SeqRange[] {
    return [...this.#inHand];
  }

  /**
   * What a new session claims: everything held, and what is done that the sender may not know. It counts
   * as the session's first ack.
   *
   * @param rangesMax ranges that fit the message (count); what does not fit comes again as a duplicate
   */
  claim(rangesMax: number): { readonly held: SeqRange[]; readonly done: SeqRange[] } {
    const held = new RangeSet();
    held.addAll(this.waiting());
    held.addAll(this.#inHand);
    held.addAll(this.#rejected);
    const claimed = [...held].slice(0, rangesMax);
    const done = [...this.#done].slice(0, rangesMax - claimed.length);
    this.#unsaid.clear();
    this.#given.clear();
    this.#missed.clear();
    this.#acks.add(done);
    return { held: claimed, done };
  }

  /** Takes one event into account; what is to be said afterwards is in `unsaidCount`. */
  step(event: WindowEvent<P>): void {
    switch (event.type) {
      case "opened":
        this.#open(event);
        return;
      case "closed":
        this.#isOpen = false;
        return;
      case "data":
        this.#take(event);
        return;
      case "news":
        this.#raiseFloor(event.floor);
        for (const { first, last } of this.#acks.known(event.acks)) this.#done.delete(first, last);
        return;
      case "order":
        this.#ordered = event.ordered;
        this.#returned.clear();
        this.#missed.clear();
        // What is done need not come first: should it come at all, it is only acknowledged.
        for (const { first, last } of event.awaited) {
          this.#returned.addAll(this.#done.gaps(first, last));
        }
        if (event.ordered) this.#returned.addAll(this.#given);
        else this.#given.clear();
        return;
      case "lost":
        for (const { first, last } of event.ranges) this.#lose(first, last);
        return;
      case "gone":
        for (const { first, last } of event.ranges) this.#arrived(first, last);
        return;
      case "done":
        this.#finish(event);
        return;
      case "unread":
        for (const part of this.#inHand.delete(event.first, event.last)) {
          this.#items.insert({ ...event, first: part.first, last: part.last });
        }
        return;
      case "returned":
        this.#giveUp(event);
        for (const part of this.#inHand.delete(event.first, event.last)) {
          if (!this.#ordered) continue;
          this.#returned.add(part.first, part.last);
          this.#given.add(part.first, part.last);
        }
        return;
      case "rejected":
        this.#giveUp(event);
        this.#rejected.addAll(this.#inHand.delete(event.first, event.last));
        return;
    }
  }

  /**
   * Hands the lowest messages to the application: a batch's, or one.
   *
   * @param countMax most messages (count)
   * @returns null when there are none, or a lower one is expected again first
   */
  next(countMax: number): WindowItem<P> | null {
    const lowest = this.#items.first;
    if (lowest === null) return null;
    const awaited = this.#returned.lowest?.first ?? Number.POSITIVE_INFINITY;
    if (awaited <= lowest) return null;
    const item = this.#items.take({ count: countMax, last: awaited - 1 })!;
    this.#inHand.add(item.first, item.last);
    return item;
  }

  /** What of a range was rejected, and has to be rejected again should the sender ask. */
  rejectedOf(first: number, last: number): SeqRange[] {
    return this.#rejected.parts(first, last);
  }

  /** Whether the application still has the right to answer for a message. */
  holds(seq: number): boolean {
    return this.#inHand.has(seq);
  }

  /** The parts of a range that the application still has the right to answer for. */
  heldOf(first: number, last: number): SeqRange[] {
    return this.#inHand.parts(first, last);
  }

  /** @returns everything that waits for the application, which gives it up */
  release(): SeqRange[] {
    const ranges = this.waiting();
    this.#items.clear();
    return ranges;
  }

  /**
   * What is to be said in the session's next ack; then it counts as said.
   *
   * @param rangesMax ranges that fit the message (count)
   */
  takeAck(rangesMax: number): SeqRange[] {
    const ranges: SeqRange[] = [];
    for (const range of this.#unsaid) {
      if (ranges.length === rangesMax) break;
      ranges.push(range);
    }
    if (ranges.length === 0) return ranges;
    for (const { first, last } of ranges) this.#unsaid.delete(first, last);
    this.#acks.add(ranges);
    return ranges;
  }

  #open(event: Extract<WindowEvent<P>, { readonly type: "opened" }>): void {
    // An older epoch is a copy from before: what was known since does not hold from its own start on.
    const known = event.epoch < this.#epoch ? event.epoch - 1 : this.#epoch;
    const from = voidFrom(event.epochs, known);
    for (const set of [this.#done, this.#unsaid, this.#inHand, this.#orphaned, this.#rejected]) {
      set.delete(from, Number.MAX_SAFE_INTEGER);
    }
    this.#items.drop(from, Number.MAX_SAFE_INTEGER);
    this.#epoch = event.epoch;
    this.#epochs = event.epochs;
    this.#raiseFloor(event.floor);
    this.#isOpen = true;
    this.#acks.clear();
    this.#unsaid.clear();
  }

  #raiseFloor(floor: number): void {
    if (floor <= this.#floor) return;
    this.#floor = floor;
    this.#done.delete(1, floor);
    this.#rejected.delete(1, floor);
  }

  #take(event: Extract<WindowEvent<P>, { readonly type: "data" }>): void {
    const { first, last } = event;
    this.#arrived(first, last);
    for (const part of this.#orphaned.delete(first, last)) this.#inHand.add(part.first, part.last);
    for (const part of this.#done.parts(first, last)) {
      this.#unsaid.add(part.first, part.last);
      this.#duplicates += part.last - part.first + 1;
    }
    const unseen = this.#done
      .gaps(first, last)
      .flatMap((gap) => this.#inHand.gaps(gap.first, gap.last))
      .flatMap((gap) => this.#rejected.gaps(gap.first, gap.last))
      .flatMap((gap) => this.#items.gaps(gap));
    for (const part of unseen) this.#items.insert({ ...event, first: part.first, last: part.last });
  }

  #arrived(first: number, last: number): void {
    this.#returned.delete(first, last);
    this.#given.delete(first, last);
    this.#missed.delete(first, last);
  }

  /** The application is not interested any more in what is no longer ours. */
  #giveUp({ first, last }: SeqRange): void {
    this.#orphaned.delete(first, last);
    this.#returned.addAll(this.#missed.delete(first, last));
  }

  #lose(first: number, last: number): void {
    // An ack that was refused does not become known: what it said must be remembered further.
    this.#acks.refuse(first, last);
    const before = this.#ordered ? new RangeSet() : null;
    before?.addAll(this.waiting());
    this.#items.drop(first, last);
    for (const part of before?.parts(first, last) ?? []) this.#returned.add(part.first, part.last);
    for (const part of this.#inHand.delete(first, last)) {
      this.#orphaned.add(part.first, part.last);
      if (this.#ordered) this.#missed.add(part.first, part.last);
    }
  }

  /** Also what is no longer ours is remembered as done: should it come again, it has been done. */
  #finish({ first, last }: SeqRange): void {
    const held = this.#inHand.delete(first, last);
    this.#orphaned.delete(first, last);
    this.#arrived(first, last);
    this.#done.add(first, last);
    for (const part of held) this.#unsaid.add(part.first, part.last);
  }
}
