import type { Incarnation } from "../protocol/incarnations.ts";
import type { SeqRange } from "../range/range.ts";
import { RangeSet, rangeSet, without } from "../range/range-set.ts";
import { AckLedger } from "./ack-ledger.ts";
import { OrderGate } from "./order-gate.ts";
import { StreamHistory } from "./stream-history.ts";
import { type BatchMeasure, WaitingItems } from "./waiting-items.ts";
import type { WindowEvent, WindowItem, WindowState } from "./window-events.ts";

/** Limit on ranges done or rejected that the sender has not reported as stored: then nothing is delivered (count). */
const REMEMBERED_MAX = 65_536;
const NEW_STREAM: WindowState = { incarnations: [], floor: 0, done: [] };
const NOTHING: BatchMeasure<unknown> = { keyOf: () => 0, bytesOf: () => 0 };

/**
 * The messages of one stream at a receiver: waiting for the application, in flight, and done.
 *
 * The memory of done messages is exact: a message is forgotten only when the sender has reported that it has
 * stored the ack, or settled everything up to a floor that includes the message, and so will never send it again. A
 * duplicate therefore never reaches the application, and is acknowledged at once.
 *
 * Pure: no clock, no socket, no disk. Invariants: a seq is waiting, in flight, or done, never two of them;
 * items are delivered in order of seq; while `ordered`, no message is delivered before a lower one that was
 * given back.
 *
 * @see docs/decisions/0040-link-protocol.md
 */
export class Window<P> {
  readonly #history: StreamHistory;
  readonly #ledger: AckLedger;
  readonly #order = new OrderGate();
  readonly #items: WaitingItems<P>;
  /** In flight: delivered to the application, not yet settled by it, and leased to this receiver. */
  readonly #unacked = new RangeSet();
  /** In flight, but the lease has ended: if the sender sends them again, the application already has them. */
  readonly #orphaned = new RangeSet();
  /** Rejected by the application; the sender may not know it yet. Never delivered again. */
  readonly #rejected = new RangeSet();
  /** Ranges invalidated when the newest session began. */
  readonly #void = new RangeSet();
  #isOpen = false;

  /** @param measure default: batches have a size of 0 */
  constructor(state: WindowState | null, measure: BatchMeasure<P> = NOTHING) {
    const { incarnations, floor, done } = state ?? NEW_STREAM;
    this.#ledger = new AckLedger(floor, done);
    const highest = this.#ledger.done().at(-1)?.last ?? 0;
    this.#history = new StreamHistory(incarnations, Math.max(floor, highest));
    this.#items = new WaitingItems(measure);
  }

  /** Whether a session is open, so that messages can be sent to the sender. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Messages waiting for the application (count). */
  get waitingCount(): number {
    return this.#items.count;
  }

  /** Batches of which at least one message waits for the application (bytes). */
  get waitingBytes(): number {
    return this.#items.bytes;
  }

  /** Messages in flight and still leased (count). */
  get unackedCount(): number {
    return this.#unacked.count;
  }

  /** Messages received again and not delivered, since they were done (count). */
  get duplicates(): number {
    return this.#ledger.duplicates;
  }

  /** Messages to acknowledge in acks that are not yet sent (count). */
  get unsentCount(): number {
    return this.#ledger.unsentCount;
  }

  /** The lives of the stream, as of the newest session; oldest first. */
  get incarnations(): readonly Incarnation[] {
    return this.#history.incarnations;
  }

  /**
   * How often the history diverged at a seq that was already known here (count). A seq identifies a message only
   * together with this number.
   */
  get historyVersion(): number {
    return this.#history.historyVersion;
  }

  get ordered(): boolean {
    return this.#order.isOrdered;
  }

  /** Ranges done whose acks the sender may not have stored (count). */
  get doneSize(): number {
    return this.#ledger.size;
  }

  /**
   * Whether the memory is full, so that nothing more is delivered until the sender reports what it has stored. Without
   * this limit, a sender that reports nothing and leaves gaps between messages would make the memory grow indefinitely.
   */
  get isSaturated(): boolean {
    return this.#ledger.size + this.#rejected.size >= REMEMBERED_MAX;
  }

  /** Whether no message is waiting or in flight, and no rejection may have to be repeated. */
  get isIdle(): boolean {
    const held = this.#items.count + this.#unacked.count + this.#orphaned.count;
    return held + this.#rejected.count === 0;
  }

  /**
   * The part of a range delivered in a version of the history that still identifies the same messages: from the seq at
   * which the history has diverged since, seqs belong to other messages. Null where nothing is left.
   */
  valid(range: SeqRange, historyVersion: number): SeqRange | null {
    return this.#history.valid(range, historyVersion);
  }

  /** The seq of the message that `next` would return, if it is guarded; otherwise 0. */
  get guardedNext(): number {
    if (!this.#items.isGuarded || this.isSaturated) return 0;
    const seq = this.#items.first!;
    return this.#order.awaitedFirst <= seq ? 0 : seq;
  }

  /** The state to save, so that nothing done is done again after a restart. */
  state(): WindowState {
    const { floor } = this.#ledger;
    return { incarnations: this.#history.incarnations, floor, done: this.#ledger.done() };
  }

  /** Ranges known here that belong to another history than that of the newest session. Returned once. */
  takeVoid(): SeqRange[] {
    const ranges = [...this.#void].map(({ first, last }) => ({ first, last }));
    this.#void.clear();
    return ranges;
  }

  /** Messages waiting for the application. Heartbeats extend their leases. */
  waiting(): SeqRange[] {
    return this.#items.ranges();
  }

  /** Messages in flight and still leased. */
  unacked(): SeqRange[] {
    return [...this.#unacked];
  }

  /**
   * The claim of a new session: everything held, and everything done whose acks the sender may not have stored.
   * It counts as the session's first ack.
   *
   * @param rangesMax ranges that fit the message (count); messages that do not fit are sent again, as duplicates
   */
  claim(rangesMax: number): { readonly held: SeqRange[]; readonly done: SeqRange[] } {
    const held = new RangeSet();
    held.addAll(this.waiting());
    held.addAll(this.#unacked);
    held.addAll(this.#rejected);
    const claimed = [...held].slice(0, rangesMax);
    this.#order.claimed();
    return { held: claimed, done: this.#ledger.claim(rangesMax - claimed.length) };
  }

  /** Applies one event. Afterwards `unsentCount` is the number of messages to acknowledge. */
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
      case "progress":
        this.#raiseFloor(event.floor);
        this.#ledger.confirm(event.acks);
        return;
      case "ordering":
        // Nothing waits for messages that are done: if they are sent again, they are only acknowledged.
        this.#order.set(
          event.ordered,
          event.awaited.flatMap((range) => this.#ledger.gaps(range)),
        );
        return;
      case "revoked":
        this.#lose(event.ranges);
        return;
      case "settled":
        for (const { first, last } of event.ranges) this.#order.arrived(first, last);
        return;
      case "go":
        return;
      case "done":
        this.#finish(event);
        return;
      case "unread":
        for (const part of this.#unacked.delete(event.first, event.last)) {
          this.#items.insert({ ...event, first: part.first, last: part.last });
        }
        return;
      case "returned":
        this.#giveUp(event);
        for (const part of this.#unacked.delete(event.first, event.last))
          this.#order.returned(part);
        return;
      case "abandoned":
        this.#giveUp(event);
        return;
      case "rejected":
        this.#giveUp(event);
        this.#rejected.addAll(this.#unacked.delete(event.first, event.last));
        return;
    }
  }

  /**
   * Takes the lowest messages for delivery: those of one batch, or a single one if it is guarded.
   *
   * @param countMax most messages (count)
   * @returns null if there are none, a lower one is awaited first, or the window is saturated
   */
  next(countMax: number): WindowItem<P> | null {
    const lowest = this.#items.first;
    if (lowest === null || this.isSaturated) return null;
    const awaited = this.#order.awaitedFirst;
    if (awaited <= lowest) return null;
    const count = this.#items.isGuarded ? 1 : countMax;
    const item = this.#items.take({ count, last: awaited - 1 })!;
    this.#unacked.add(item.first, item.last);
    return item;
  }

  /** The rejected parts of a range: to be rejected again if the sender sends them again. */
  rejectedOf(first: number, last: number): SeqRange[] {
    return this.#rejected.parts(first, last);
  }

  /** Whether a message is in flight and still leased, so that the application may settle it. */
  holds(seq: number): boolean {
    return this.#unacked.has(seq);
  }

  /** The parts of a range that are in flight and still leased. */
  heldOf(first: number, last: number): SeqRange[] {
    return this.#unacked.parts(first, last);
  }

  /** Removes all messages that wait for the application. @returns their ranges */
  release(): SeqRange[] {
    const ranges = this.waiting();
    this.#items.clear();
    return ranges;
  }

  /**
   * Takes the ranges of the session's next ack, which count as sent from now on.
   *
   * @param rangesMax ranges that fit the message (count)
   */
  takeAck(rangesMax: number): SeqRange[] {
    return this.#ledger.takeAck(rangesMax);
  }

  #open(event: Extract<WindowEvent<P>, { readonly type: "opened" }>): void {
    const divergedAt = this.#history.open(event.incarnations);
    if (divergedAt !== null) this.#cut(divergedAt);
    this.#raiseFloor(event.floor);
    this.#isOpen = true;
    this.#ledger.open();
  }

  /** The sender has another history from `seq` on: everything known there is about other messages, and invalidated. */
  #cut(seq: number): void {
    for (const set of [this.#unacked, this.#orphaned, this.#rejected]) {
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
    for (const part of this.#orphaned.delete(first, last)) this.#unacked.add(part.first, part.last);
    this.#ledger.arrived(event);
    const unseen = this.#ledger
      .gaps(event)
      .flatMap((gap) => this.#unacked.gaps(gap.first, gap.last))
      .flatMap((gap) => this.#rejected.gaps(gap.first, gap.last))
      .flatMap((gap) => this.#items.gaps(gap));
    for (const part of unseen) this.#items.insert({ ...event, first: part.first, last: part.last });
  }

  /** The application gave up a range. Messages in it whose lease has ended are no longer in flight. */
  #giveUp({ first, last }: SeqRange): void {
    this.#orphaned.delete(first, last);
    this.#order.givenUp({ first, last });
  }

  #lose(ranges: readonly SeqRange[]): void {
    // A refused ack is never confirmed as stored: its messages must be remembered further.
    this.#ledger.refuse(ranges);
    const before = this.#order.isOrdered ? rangeSet(this.waiting()) : null;
    this.#items.dropAll(ranges);
    for (const { first, last } of ranges) {
      if (before !== null) this.#order.lostWaiting(before.parts(first, last));
      for (const part of this.#unacked.delete(first, last)) {
        this.#orphaned.add(part.first, part.last);
        this.#order.lostInHand(part);
      }
    }
  }

  /** Messages whose lease has ended are remembered as done too: if they are sent again, they are duplicates. */
  #finish({ first, last }: SeqRange): void {
    const held = this.#unacked.delete(first, last);
    this.#orphaned.delete(first, last);
    this.#order.arrived(first, last);
    this.#ledger.add({ first, last });
    for (const part of held) this.#ledger.schedule(part);
    if ((this.#items.first ?? Number.POSITIVE_INFINITY) > last) return;
    // A delivery that lost its lease is acknowledged while the message waits again.
    const waiting = without([{ first, last }], this.#items.gaps({ first, last }));
    if (waiting.length > 0) this.#items.dropAll(waiting);
    for (const part of waiting) this.#ledger.schedule(part);
  }
}
