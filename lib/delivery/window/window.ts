import type { Epoch } from "../protocol/epochs.ts";
import type { SeqRange } from "../range/range.ts";
import { RangeSet, rangeSet, without } from "../range/range-set.ts";
import { AckLedger } from "./ack-ledger.ts";
import { OrderGate } from "./order-gate.ts";
import { StreamHistory } from "./stream-history.ts";
import { type BatchMeasure, WaitingItems } from "./waiting-items.ts";
import type { WindowEvent, WindowItem, WindowState } from "./window-events.ts";

/** Ranges that are done or rejected, and not known to the sender, beyond which nothing is handed out (count). */
const REMEMBERED_MAX = 65_536;
const NEW_STREAM: WindowState = { epochs: [], floor: 0, done: [] };
const NOTHING: BatchMeasure<unknown> = { keyOf: () => 0, bytesOf: () => 0 };

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
  readonly #history: StreamHistory;
  readonly #ledger: AckLedger;
  readonly #order = new OrderGate();
  readonly #items: WaitingItems<P>;
  readonly #inHand = new RangeSet();
  /** In hand, and no longer ours: should they come again, the application has them already. */
  readonly #orphaned = new RangeSet();
  /** Rejected by the application, and perhaps not known to the sender: not to be shown again. */
  readonly #rejected = new RangeSet();
  /** What was known and is void since the newest session. */
  readonly #void = new RangeSet();
  #isOpen = false;

  /** @param measure default: batches take nothing */
  constructor(state: WindowState | null, measure: BatchMeasure<P> = NOTHING) {
    const { epochs, floor, done } = state ?? NEW_STREAM;
    this.#ledger = new AckLedger(floor, done);
    const highest = this.#ledger.done().at(-1)?.last ?? 0;
    this.#history = new StreamHistory(epochs, Math.max(floor, highest));
    this.#items = new WaitingItems(measure);
  }

  /** Whether the sender may be spoken to. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Messages waiting for the application (count). */
  get waitingCount(): number {
    return this.#items.count;
  }

  /** Batches of which something waits for the application (bytes). */
  get waitingBytes(): number {
    return this.#items.bytes;
  }

  /** Messages that the application has and has not answered for (count). */
  get inHandCount(): number {
    return this.#inHand.count;
  }

  /** Messages that came again and were kept from the application (count). */
  get duplicates(): number {
    return this.#ledger.duplicates;
  }

  /** Messages in acks that are still to be said (count). */
  get unsaidCount(): number {
    return this.#ledger.unsaidCount;
  }

  /** The lives of the stream, as of the newest session; oldest first. */
  get epochs(): readonly Epoch[] {
    return this.#history.epochs;
  }

  /** How often history parted below a seq that is known here: a seq means a message only together with it. */
  get epoch(): number {
    return this.#history.epoch;
  }

  get ordered(): boolean {
    return this.#order.isOrdered;
  }

  /** Ranges that are done, and perhaps not known to the sender (count). */
  get doneSize(): number {
    return this.#ledger.size;
  }

  /**
   * Whether so much is to be remembered that nothing more is handed out before the sender says what it knows: one that
   * says nothing, and sends what leaves gaps, would have it grow without end.
   */
  get isSaturated(): boolean {
    return this.#ledger.size + this.#rejected.size >= REMEMBERED_MAX;
  }

  /** Whether nothing is held, nothing is in the application's hands, and nothing has to be said again. */
  get isIdle(): boolean {
    const held = this.#items.count + this.#inHand.count + this.#orphaned.count;
    return held + this.#rejected.count === 0;
  }

  /**
   * Of a range that was handed out in `epoch`, what still means the same messages: behind the place where history
   * parted since are others now. Null where nothing is left.
   */
  valid(range: SeqRange, epoch: number): SeqRange | null {
    return this.#history.valid(range, epoch);
  }

  /** The message that `next` would give, where it is guarded; else 0. */
  get guardedNext(): number {
    if (!this.#items.isGuarded || this.isSaturated) return 0;
    const seq = this.#items.first!;
    return this.#order.awaitedFirst <= seq ? 0 : seq;
  }

  /** What must be saved so that nothing done is done again after a restart. */
  state(): WindowState {
    const { floor } = this.#ledger;
    return { epochs: this.#history.epochs, floor, done: this.#ledger.done() };
  }

  /** What was known, and is of another history than that of the newest session; told once. */
  takeVoid(): SeqRange[] {
    const ranges = [...this.#void].map(({ first, last }) => ({ first, last }));
    this.#void.clear();
    return ranges;
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
    this.#order.claimed();
    return { held: claimed, done: this.#ledger.claim(rangesMax - claimed.length) };
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
        this.#ledger.confirm(event.acks);
        return;
      case "order":
        // What is done need not come first: should it come at all, it is only acknowledged.
        this.#order.set(
          event.ordered,
          event.awaited.flatMap((range) => this.#ledger.gaps(range)),
        );
        return;
      case "lost":
        this.#lose(event.ranges);
        return;
      case "gone":
        for (const { first, last } of event.ranges) this.#order.arrived(first, last);
        return;
      case "go":
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
        for (const part of this.#inHand.delete(event.first, event.last)) this.#order.returned(part);
        return;
      case "rejected":
        this.#giveUp(event);
        this.#rejected.addAll(this.#inHand.delete(event.first, event.last));
        return;
    }
  }

  /**
   * Hands the lowest messages to the application: a batch's, or one where it is guarded.
   *
   * @param countMax most messages (count)
   * @returns null when there are none, or a lower one is expected again first
   */
  next(countMax: number): WindowItem<P> | null {
    const lowest = this.#items.first;
    if (lowest === null || this.isSaturated) return null;
    const awaited = this.#order.awaitedFirst;
    if (awaited <= lowest) return null;
    const count = this.#items.isGuarded ? 1 : countMax;
    const item = this.#items.take({ count, last: awaited - 1 })!;
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
    return this.#ledger.takeAck(rangesMax);
  }

  #open(event: Extract<WindowEvent<P>, { readonly type: "opened" }>): void {
    const parting = this.#history.open(event.epochs);
    if (parting !== null) this.#cut(parting);
    this.#raiseFloor(event.floor);
    this.#isOpen = true;
    this.#ledger.open();
  }

  /** From `seq` on the sender's history is another one: what is known there is not of its messages. */
  #cut(seq: number): void {
    for (const set of [this.#inHand, this.#orphaned, this.#rejected]) {
      this.#void.addAll(set.delete(seq, Number.MAX_SAFE_INTEGER));
    }
    this.#void.addAll(this.#ledger.cut(seq));
    this.#void.addAll(this.#order.cut(seq));
    this.#void.addAll(this.#items.ranges().filter(({ last }) => last >= seq));
    this.#void.delete(1, seq - 1);
    this.#items.drop(seq, Number.MAX_SAFE_INTEGER);
  }

  #raiseFloor(floor: number): void {
    if (!this.#ledger.raiseFloor(floor)) return;
    this.#history.reached(floor);
    this.#rejected.delete(1, floor);
  }

  #take(event: Extract<WindowEvent<P>, { readonly type: "data" }>): void {
    const { first, last } = event;
    this.#history.reached(last);
    this.#order.arrived(first, last);
    for (const part of this.#orphaned.delete(first, last)) this.#inHand.add(part.first, part.last);
    this.#ledger.arrived(event);
    const unseen = this.#ledger
      .gaps(event)
      .flatMap((gap) => this.#inHand.gaps(gap.first, gap.last))
      .flatMap((gap) => this.#rejected.gaps(gap.first, gap.last))
      .flatMap((gap) => this.#items.gaps(gap));
    for (const part of unseen) this.#items.insert({ ...event, first: part.first, last: part.last });
  }

  /** The application is not interested any more in what is no longer ours. */
  #giveUp({ first, last }: SeqRange): void {
    this.#orphaned.delete(first, last);
    this.#order.givenUp({ first, last });
  }

  #lose(ranges: readonly SeqRange[]): void {
    // An ack that was refused does not become known: what it said must be remembered further.
    this.#ledger.refuse(ranges);
    const before = this.#order.isOrdered ? rangeSet(this.waiting()) : null;
    this.#items.dropAll(ranges);
    for (const { first, last } of ranges) {
      if (before !== null) this.#order.lostWaiting(before.parts(first, last));
      for (const part of this.#inHand.delete(first, last)) {
        this.#orphaned.add(part.first, part.last);
        this.#order.lostInHand(part);
      }
    }
  }

  /** Also what is no longer ours is remembered as done: should it come again, it has been done. */
  #finish({ first, last }: SeqRange): void {
    const held = this.#inHand.delete(first, last);
    this.#orphaned.delete(first, last);
    this.#order.arrived(first, last);
    this.#ledger.add({ first, last });
    for (const part of held) this.#ledger.say(part);
    if ((this.#items.first ?? Number.POSITIVE_INFINITY) > last) return;
    // A delivery that lost its lease is acknowledged while the message waits again.
    const waiting = without([{ first, last }], this.#items.gaps({ first, last }));
    if (waiting.length > 0) this.#items.dropAll(waiting);
    for (const part of waiting) this.#ledger.say(part);
  }
}
