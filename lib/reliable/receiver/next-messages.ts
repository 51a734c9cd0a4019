import type { Clock } from "../../clock.ts";
import type { Codec } from "../../codec/codec.ts";
import { TurnWatch } from "../../core/queue/turns.ts";
import type { Schema } from "../../core/schema.ts";
import { ERROR_TEXT_LENGTH_MAX } from "../../delivery/protocol/error-texts.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import type { RangeSet } from "../../delivery/range/range-set.ts";
import type { BrokerlessError } from "../../errors.ts";
import { handlerError } from "../../handler-error.ts";
import type { AckCoalescer } from "./ack-coalescer.ts";
import {
  checkDecoded,
  type DecodedBatch,
  decodeItem,
  keepDecoded,
  type MessageLimits,
  seqAt,
} from "./decoded-batch.ts";
import type { InFlightMessages } from "./sessions/in-flight-messages.ts";
import { isSame, type ReceiverStream } from "./sessions/receiver-stream.ts";
import type { Held } from "./unacked.ts";
import { UnreportedDeliveries } from "./unreported-deliveries.ts";

/** Dependencies of {@link NextMessages}. */
export interface NextMessagesOptions {
  readonly codec: Codec<unknown>;
  readonly limits: MessageLimits;
  readonly schema: Schema | null;
  readonly clock: Clock;
  readonly inFlight: InFlightMessages;
  /** Processed messages that are not yet reported to the windows. */
  readonly run: AckCoalescer;
  readonly onRefused: (error: BrokerlessError) => void;
}

/**
 * The next messages to deliver, decoded and checked, and the consumers that wait for them. Messages are taken from the
 * windows one range at a time, on demand.
 */
export class NextMessages<T> {
  readonly #options: NextMessagesOptions;
  #chunk: DecodedBatch<T> | null = null;
  /** Values of the chunk before this index may be delivered without further checks; 0 after any change. */
  #freeEnd = 0;
  /** Waiting consumers, oldest first; called when there may be messages. Each returns whether it is served. */
  readonly #waiters: (() => boolean)[] = [];
  /** Messages were delivered again: an earlier delivery may be acknowledged while its message is in `#chunk`. */
  #hasShownAgain = false;
  /** Messages that are being checked, and will be in `#chunk`. */
  #checked: Held | null = null;
  /** Reports to the senders which delivered messages are in flight. */
  readonly #unreported: UnreportedDeliveries = new UnreportedDeliveries(
    () => this.#chunk,
    (delivered) => this.#reportBegun(delivered),
  );
  /** Set while nothing is delivered: until the event loop turns, or the next messages are checked. */
  #filling: Promise<void> | null = null;
  readonly #turns: TurnWatch;
  #count = 0;
  #refused = 0;
  #closed = false;

  constructor(options: NextMessagesOptions) {
    this.#options = options;
    this.#turns = new TurnWatch(options.clock);
  }

  /** Messages decoded and accepted (count). */
  get count(): number {
    return this.#count;
  }

  /** Messages that could not be decoded, or did not fit the schema (count). */
  get refused(): number {
    return this.#refused;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Messages that are decoded and not delivered. */
  untouched(): Held[] {
    const chunk = this.#chunk;
    if (this.#checked !== null) return [this.#checked];
    if (chunk === null || chunk.index >= chunk.values.length) return [];
    const range = { first: seqAt(chunk, chunk.index), last: chunk.last };
    return [{ stream: chunk.stream, range }];
  }

  /** The chunk with the next message at `index`, which the caller increments; null: none now, or closed. */
  take(): DecodedBatch<T> | null {
    const chunk = this.#chunk;
    if (chunk !== null && chunk.index < this.#freeEnd) return chunk;
    return this.#closed ? null : this.#current();
  }

  /** @param take called once, with null when the socket is closed. @returns cancels the wait */
  whenNext(take: (chunk: DecodedBatch<T> | null) => void): () => void {
    let isCancelled = false;
    this.#waiters.push(() => {
      if (isCancelled) return true;
      const chunk = this.take();
      if (chunk === null && !this.#closed) return false;
      take(chunk);
      return true;
    });
    return () => {
      isCancelled = true;
    };
  }

  /**
   * There may be messages in the windows. Waiting consumers are served one after another: each may keep the thread
   * before the next is served.
   */
  readonly wake = (): void => {
    let isServed = false;
    while (this.#waiters.length > 0 && (this.#closed || !isServed)) {
      const waiter = this.#waiters.shift()!;
      isServed = waiter();
      if (isServed) continue;
      this.#waiters.unshift(waiter);
      if (!this.#closed) return;
    }
    if (this.#waiters.length > 0) queueMicrotask(this.wake);
  };

  /**
   * A lease has ended: its undelivered messages are dropped. If messages arrive again, they are kept for a consumer
   * that is still working on them; those that no consumer works on are delivered again.
   *
   * @param held messages on which consumers are working
   */
  revoked(stream: ReceiverStream, ranges: readonly SeqRange[], held: RangeSet): void {
    for (const range of ranges) {
      for (const { first, last } of held.gaps(range.first, range.last)) {
        stream.window.step({ type: "abandoned", first, last });
        this.#hasShownAgain = true;
      }
    }
    const chunk = this.#chunk;
    if (chunk === null || chunk.stream !== stream) return;
    const isRevoked = (seq: number): boolean =>
      ranges.some(({ first, last }) => first <= seq && seq <= last);
    const lowest = ranges[0]?.first ?? Number.POSITIVE_INFINITY;
    const kept = keepDecoded(chunk, (seq) => {
      if (isRevoked(seq)) {
        // It was never delivered: if it arrives again, it is to be delivered.
        stream.window.step({ type: "abandoned", first: seq, last: seq });
        return false;
      }
      if (!stream.window.ordered || seq < lowest) return true;
      // The revoked messages come again, and have to be delivered first.
      const { attempt, guarded, batch } = chunk;
      stream.window.step({ type: "unread", first: seq, last: seq, attempt, guarded, batch });
      return false;
    });
    this.#replace(kept);
  }

  /** If order is kept, undelivered messages go back into the window, behind the messages that are given back. */
  putBehind(stream: ReceiverStream): void {
    const chunk = this.#chunk;
    if (!stream.window.ordered || chunk === null || chunk.stream !== stream) return;
    const { index, last, attempt, guarded, batch, values } = chunk;
    this.#replace(null);
    if (index >= values.length) return;
    const first = seqAt(chunk, index);
    stream.window.step({ type: "unread", first, last, attempt, guarded, batch });
  }

  /** Delivers nothing more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#freeEnd = 0;
    this.#options.run.flush();
    this.wake();
  }

  /** Gives undelivered messages back to their senders. */
  giveBack(): void {
    this.#unreported.send();
    const { inFlight } = this.#options;
    for (const { stream, range } of this.untouched()) inFlight.release(stream, range);
    this.#replace(null);
  }

  /** The decoded messages to deliver next; null if none arrived, or they wait for a check or the next turn. */
  #current(): DecodedBatch<T> | null {
    while (this.#filling === null) {
      const chunk = this.#chunk;
      if (chunk !== null && this.#hasShownAgain) skipAcknowledged(chunk);
      const isThere = chunk !== null && chunk.index < chunk.values.length;
      if (isThere ? this.#turns.isOverForNext() : this.#turns.isOver()) {
        this.#turn();
        return null;
      }
      if (isThere) {
        this.#unreported.delivered();
        this.#freeEnd = this.#hasShownAgain ? 0 : this.#freeFrom(chunk.index + 1, chunk);
        return chunk;
      }
      if (!this.#fill()) return null;
    }
    return null;
  }

  /** @returns the index before which the values of a chunk may be delivered without further checks */
  #freeFrom(index: number, { values }: DecodedBatch<T>): number {
    return index + this.#turns.takeFree(values.length - index);
  }

  /** Lets timers and other sockets have their turn, and reports are sent, before more is delivered. */
  #turn(): void {
    this.#filling = new Promise((resolve) => setImmediate(resolve));
    void this.#filling.then(() => {
      this.#turns.turned();
      this.#filled();
    });
  }

  readonly #filled = (): void => {
    this.#filling = null;
    this.wake();
  };

  /** @returns whether something was taken out of a window */
  #fill(): boolean {
    const { codec, schema, limits, inFlight, run } = this.#options;
    if (this.#unreported.isMuch(() => inFlight.isWatched)) this.#reportMany();
    else run.flush();
    const next = inFlight.next(Number.POSITIVE_INFINITY);
    if (next === null) return false;
    const { stream, item } = next;
    const { values, seqs, headers, bad } = decodeItem(item, codec, limits);
    for (const { seq, error } of bad) this.#reject(stream, seq, error);
    const { first, last, attempt, guarded, batch } = item;
    const { historyVersion } = stream.window;
    const place = { historyVersion, attempt, guarded, first, last, index: 0 };
    const chunk = { stream, batch, headers, ...place };
    if (schema === null) {
      this.#count += values.length;
      this.#replace({ ...chunk, values: values as T[], seqs });
      return true;
    }
    const checking = this.#check(schema, { ...chunk, values, seqs });
    this.#checked = { stream, range: { first, last } };
    this.#filling = checking;
    void checking.then(this.#filled);
    return true;
  }

  /** Sets the next messages to deliver. */
  #replace(chunk: DecodedBatch<T> | null): void {
    this.#freeEnd = 0;
    this.#unreported.changed(chunk);
    this.#chunk = chunk;
  }

  /** Reports to the senders which delivered messages are still in flight. */
  #reportBegun(delivered: readonly Held[]): void {
    this.#freeEnd = 0;
    const { inFlight, run } = this.#options;
    run.flush();
    for (const { stream, range } of delivered) inFlight.begun(stream, range);
  }

  /** Many messages were delivered in one turn: reports them, so that few are suspected if this process dies in it. */
  #reportMany(): void {
    const { inFlight } = this.#options;
    const stream = this.#chunk?.stream;
    this.#unreported.send();
    if (stream !== undefined && !inFlight.acks.hasInbox) void inFlight.acks.now(stream);
  }

  /** Checks values against the schema; those that do not fit become dead letters at their sender. */
  async #check(schema: Schema, chunk: DecodedBatch<unknown>): Promise<void> {
    const checked = await checkDecoded<T>(schema, chunk, (seq, error) => {
      this.#reject(chunk.stream, seq, error);
    });
    this.#count += checked.values.length;
    this.#checked = null;
    this.#replace(checked);
  }

  #reject(stream: ReceiverStream, seq: number, error: BrokerlessError): void {
    this.#refused += 1;
    const said = { reason: error.message, error: handlerError(error, ERROR_TEXT_LENGTH_MAX) };
    this.#options.inFlight.reject(stream, seq, said);
    this.#options.onRefused(error);
  }
}

/** Skips the next values of a chunk that were acknowledged by an earlier delivery. */
function skipAcknowledged(chunk: DecodedBatch<unknown>): void {
  const { stream, values, historyVersion } = chunk;
  while (chunk.index < values.length) {
    const seq = seqAt(chunk, chunk.index);
    if (stream.window.holds(seq) || !isSame(stream, seq, historyVersion)) return;
    chunk.index += 1;
  }
}
