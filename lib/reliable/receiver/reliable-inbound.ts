import type { Clock } from "../../clock.ts";
import type { Codec } from "../../codec/codec.ts";
import { DONE, PullIterator } from "../../core/queue/pull-iterator.ts";
import { closedError, type Message } from "../../core/queue/receive-queue.ts";
import { TurnWatch } from "../../core/queue/turns.ts";
import { type RunOptions, runEach } from "../../core/run.ts";
import type { Schema } from "../../core/schema.ts";
import { messageId } from "../../delivery/protocol/epochs.ts";
import { SAID_LENGTH_MAX } from "../../delivery/protocol/error-words.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import { RangeSet } from "../../delivery/range/range-set.ts";
import type { BrokerlessError } from "../../errors.ts";
import { handlerError } from "../../handler-error.ts";
import { checkWaitOptions, quiet, WAIT_OPTIONS, type WaitOptions, wait } from "../../wait.ts";
import { AckCoalescer } from "./ack-coalescer.ts";
import {
  checkDecoded,
  type DecodedBatch,
  decodeItem,
  headersAt,
  keepDecoded,
  type MessageLimits,
  seqAt,
} from "./decoded-batch.ts";
import { type Delivery, ReliableDelivery } from "./delivery.ts";
import { HandOvers } from "./hand-overs.ts";
import type { InFlightMessages, Nack } from "./sessions/in-flight-messages.ts";
import { isSame, type ReceiverStream } from "./sessions/receiver-stream.ts";
import { type Held, Unacked } from "./unacked.ts";

/** Dependencies of {@link ReliableInbound}. */
export interface ReliableInboundOptions {
  readonly codec: Codec<unknown>;
  readonly limits: MessageLimits;
  readonly schema: Schema | null;
  readonly clock: Clock;
  readonly inFlight: InFlightMessages;
  readonly onRefused: (error: BrokerlessError) => void;
  /** A handler of `run` threw, and its message will be tried again. */
  readonly onRetry: (delivery: ReliableDelivery<unknown>, error: unknown) => void;
}

/** What a loop does with messages. */
interface Loop<T, V> {
  readonly take: (chunk: DecodedBatch<T>) => V;
  /** The consumer asks for more: it has finished with what it was given. */
  readonly settle?: () => void;
  /** There is nothing more for now. */
  readonly idle?: () => void;
  /** The consumer ended without asking for more. */
  readonly giveUp?: () => void;
}

/** What somebody who is still at work holds of a stream. */
type Holder = (stream: ReceiverStream) => readonly SeqRange[];

/** A message with its headers, and what else is known of it. */
export type DeliveredMessage<T> = Message<T> & Delivery;

/** Said of what a loop leaves: it does not say why. */
const AT_ONCE: Nack = Object.freeze({ word: 0, text: "" });

const SECOND_CALLER =
  "receive: another call is waiting. With acknowledgements a call acknowledges what the call before gave, so there can be one caller; use a loop for each (for await, deliveries()), or run({ concurrency })";

/**
 * Received messages between the window of their stream and those who ask for them, and their acknowledgements back.
 *
 * Any number of loops may ask at the same time: each message goes to one of them, and its loop acknowledges it. Calls
 * of `receive` have nothing to tell one caller from another by: there is one at a time.
 */
export class ReliableInbound<T> {
  readonly #options: ReliableInboundOptions;
  #chunk: DecodedBatch<T> | null = null;
  /** Values of the chunk before this index may be handed out without another look; 0 when anything changes. */
  #freeEnd = 0;
  /** Those who wait, oldest first; called when there may be something. They return whether they wait no more. */
  readonly #waiters: (() => boolean)[] = [];
  /** What was processed and the windows do not know yet. */
  readonly #run = new AckCoalescer();
  /** What `receive` gave out last. */
  readonly #received = new Unacked();
  /** Loops and handlers, which hold messages without a delivery of the application's own. */
  readonly #holders = new Set<Holder>([(stream) => this.#received.of(stream)]);
  /** A call of `receive` waits, or its caller cannot have seen it: who calls now is another one. */
  #isReceiving = false;
  /** Deliveries were shown again: one of the former may be acknowledged while the message is in `#chunk`. */
  #hasShownAgain = false;
  /** What is being checked, and will be in `#chunk`. */
  #checked: Held | null = null;
  /** What the senders are to hear of what is handed out. */
  readonly #handOvers: HandOvers = new HandOvers(
    () => this.#chunk,
    (handed) => this.#sayBegun(handed),
  );
  /** Nothing is handed out: the event loop turns, or what is next is being checked. */
  #filling: Promise<void> | null = null;
  readonly #turns: TurnWatch;
  #messages = 0;
  #refused = 0;
  #closed = false;

  constructor(options: ReliableInboundOptions) {
    this.#options = options;
    this.#turns = new TurnWatch(options.clock);
  }

  get messageCount(): number {
    return this.#messages;
  }

  /** Messages that could not be read, or did not fit the schema (count). */
  get refused(): number {
    return this.#refused;
  }

  /** Messages that are decoded and that nobody has seen. */
  untouched(): Held[] {
    const chunk = this.#chunk;
    if (this.#checked !== null) return [this.#checked];
    if (chunk === null || chunk.index >= chunk.values.length) return [];
    const range = { first: seqAt(chunk, chunk.index), last: chunk.last };
    return [{ stream: chunk.stream, range }];
  }

  /**
   * There may be messages in the windows. Those who wait are served one after another: each may keep the thread before
   * the next is served.
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
   * A lease is over: what nobody has seen of it is not shown to anybody. What comes again is kept for a loop or a
   * handler that is still at work on it; a delivery that its application may have dropped is shown anew.
   *
   * @see docs/decisions/0054-calls-of-a-receiver.md
   */
  lost(stream: ReceiverStream, ranges: readonly SeqRange[]): void {
    const held = new RangeSet();
    for (const holder of this.#holders) held.addAll(holder(stream));
    for (const range of ranges) {
      for (const { first, last } of held.gaps(range.first, range.last)) {
        stream.window.step({ type: "rejected", first, last });
        this.#hasShownAgain = true;
      }
    }
    const chunk = this.#chunk;
    if (chunk === null || chunk.stream !== stream) return;
    const isLost = (seq: number): boolean =>
      ranges.some(({ first, last }) => first <= seq && seq <= last);
    const lowest = ranges[0]?.first ?? Number.POSITIVE_INFINITY;
    const kept = keepDecoded(chunk, (seq) => {
      if (isLost(seq)) {
        // It was never in anybody's hands: should it come again, it is to be handed out.
        stream.window.step({ type: "rejected", first: seq, last: seq });
        return false;
      }
      if (!stream.window.ordered || seq < lowest) return true;
      // What is lost comes again, and goes first.
      const { attempt, guarded, batch } = chunk;
      stream.window.step({ type: "unread", first: seq, last: seq, attempt, guarded, batch });
      return false;
    });
    this.#take(kept);
  }

  /**
   * One message; what the call before gave is acknowledged. Two callers at a time would acknowledge each other's.
   *
   * @throws TypeError while another call waits
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason
   */
  receive(options: WaitOptions | undefined): Promise<T> {
    try {
      checkWaitOptions("receive", options, WAIT_OPTIONS);
    } catch (error) {
      return quiet(Promise.reject(error));
    }
    if (this.#isReceiving) return quiet(Promise.reject(new TypeError(SECOND_CALLER)));
    this.settle();
    this.#isReceiving = true;
    return quiet(this.#receiveNext(options).finally(this.#onReceived));
  }

  readonly #onReceived = (): void => {
    this.#isReceiving = false;
  };

  #receiveNext(options: WaitOptions | undefined): Promise<T> {
    return wait<T>("receive", options, ({ resolve, reject }) => {
      const take = (chunk: DecodedBatch<T> | null): void => {
        if (chunk === null) {
          reject(closedError());
          return;
        }
        this.#received.give(chunk);
        resolve(chunk.values[chunk.index++]!);
      };
      const chunk = this.#next();
      if (chunk === null && !this.#closed) return this.#whenNext(take);
      take(chunk);
      return () => {};
    });
  }

  /** One value at a time, acknowledged when the next is asked for. Ends when the socket is closed. */
  values(): AsyncIterableIterator<T> {
    return this.#inTurn((chunk, index) => chunk.values[index]!);
  }

  /** The same, with what is known of each message. */
  messages(): AsyncIterableIterator<DeliveredMessage<T>> {
    return this.#inTurn((chunk, index) => {
      const { stream, attempt } = chunk;
      const seq = seqAt(chunk, index);
      const id = messageId(stream.id, stream.window.epochs, seq);
      return { value: chunk.values[index]!, headers: headersAt(chunk, seq), seq, attempt, id };
    });
  }

  #inTurn<V>(take: (chunk: DecodedBatch<T>, index: number) => V): AsyncIterableIterator<V> {
    const run = this.#run;
    const inFlight = this.#options.inFlight;
    let stream: ReceiverStream | null = null;
    let seq = 0;
    let epoch = 0;
    const holder: Holder = (of) => (of === stream ? [{ first: seq, last: seq }] : []);
    this.#holders.add(holder);
    return this.#iterate<V>({
      take: (chunk) => {
        const index = chunk.index++;
        stream = chunk.stream;
        seq = seqAt(chunk, index);
        epoch = chunk.epoch;
        return take(chunk, index);
      },
      settle: () => {
        if (stream === null) return;
        if (isSame(stream, seq, epoch)) run.add(inFlight, stream, seq);
        stream = null;
      },
      idle: () => run.flush(),
      giveUp: () => {
        run.flush();
        const range = { first: seq, last: seq };
        if (stream !== null && isSame(stream, seq, epoch)) this.nack(stream, range, AT_ONCE);
        stream = null;
        this.#holders.delete(holder);
      },
    });
  }

  /** All values of a batch at a time, acknowledged when the next is asked for. */
  batches(): AsyncIterableIterator<T[]> {
    const inFlight = this.#options.inFlight;
    const held = new Unacked();
    const holder: Holder = (stream) => held.of(stream);
    this.#holders.add(holder);
    return this.#iterate<T[]>({
      take: (chunk) => {
        const { index, values } = chunk;
        held.giveRest(chunk);
        chunk.index = values.length;
        return index === 0 ? values : values.slice(index);
      },
      settle: () => {
        const done = held.take();
        if (done !== null) inFlight.done(done.stream, done.range.first, done.range.last);
      },
      giveUp: () => {
        const left = held.take();
        if (left !== null) this.nack(left.stream, left.range, AT_ONCE);
        this.#holders.delete(holder);
      },
    });
  }

  /** One message at a time, which the caller acknowledges. */
  deliveries(): AsyncIterableIterator<ReliableDelivery<T>> {
    return this.#iterate<ReliableDelivery<T>>({ take: (chunk) => this.#deliver(chunk) });
  }

  #deliver(chunk: DecodedBatch<T>): ReliableDelivery<T> {
    const index = chunk.index++;
    const { stream, epoch, attempt } = chunk;
    const seq = seqAt(chunk, index);
    const headers = headersAt(chunk, seq);
    const inFlight = this.#options.inFlight;
    const place = { inFlight, inbound: this, stream, epoch, seq, attempt, headers };
    return new ReliableDelivery(chunk.values[index]!, place);
  }

  /** Calls `handler` for every message; what it throws is a reason to try again later. */
  async run(
    handler: (value: T, delivery: ReliableDelivery<T>) => unknown,
    options: RunOptions,
  ): Promise<void> {
    const running = new Set<ReliableDelivery<T>>();
    const holder: Holder = (stream) =>
      [...running]
        .filter((delivery) => delivery.isOf(stream))
        .map(({ seq }) => ({ first: seq, last: seq }));
    const each = async (delivery: ReliableDelivery<T>): Promise<void> => {
      try {
        const working = handler(delivery.value, delivery);
        // No lease ends within a turn: who ends in the one that it began in need not be known.
        if (typeof working === "object" || delivery.storing !== null) running.add(delivery);
        await working;
        // Where its effect was not stored, that the handler has ended is no acknowledgement.
        if (delivery.storing !== null) await delivery.storing;
        delivery.ack();
      } catch (error) {
        if (delivery.isAcknowledged) return;
        // Who throws nothing has failed too.
        delivery.nack({ error: error === undefined ? String(error) : error });
        this.#options.onRetry(delivery, error);
      } finally {
        if (running.size > 0) running.delete(delivery);
      }
    };
    this.#holders.add(holder);
    try {
      await runEach(this.deliveries(), each, options);
    } finally {
      this.#holders.delete(holder);
    }
  }

  /** What `receive` gave out last counts as processed. */
  settle(): void {
    const held = this.#received.take();
    if (held !== null) this.#run.add(this.#options.inFlight, held.stream, held.range.first);
    this.#run.flush();
  }

  /**
   * Gives messages back, to be tried again. Where order is kept, what nobody has seen yet goes back into the
   * window, behind them.
   */
  nack(stream: ReceiverStream, range: SeqRange, said: Nack): void {
    this.#run.flush();
    const chunk = this.#chunk;
    if (stream.window.ordered && chunk !== null && chunk.stream === stream) {
      const { index, last, attempt, guarded, batch, values } = chunk;
      this.#take(null);
      if (index < values.length) {
        const first = seqAt(chunk, index);
        stream.window.step({ type: "unread", first, last, attempt, guarded, batch });
      }
    }
    this.#options.inFlight.nack(stream, range, said);
  }

  /** Ends every iteration. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#freeEnd = 0;
    this.#run.flush();
    this.wake();
  }

  /** What nobody has seen goes back to its sender. */
  giveBack(): void {
    this.#handOvers.say();
    for (const { stream, range } of this.untouched()) this.#options.inFlight.release(stream, range);
    this.#take(null);
  }

  #iterate<V>({ take, settle, idle, giveUp }: Loop<T, V>): AsyncIterableIterator<V> {
    return new PullIterator<V>({
      next: () => {
        settle?.();
        const chunk = this.#next();
        if (chunk !== null) return Promise.resolve({ done: false, value: take(chunk) });
        idle?.();
        return this.#closed ? Promise.resolve(DONE) : null;
      },
      wait: ({ resolve }) =>
        this.#whenNext((chunk) =>
          resolve(chunk === null ? DONE : { done: false, value: take(chunk) }),
        ),
      giveUp,
    });
  }

  #next(): DecodedBatch<T> | null {
    const chunk = this.#chunk;
    if (chunk !== null && chunk.index < this.#freeEnd) return chunk;
    return this.#closed ? null : this.#current();
  }

  /** @param take called once, with null when the socket is closed. @returns forgets it */
  #whenNext(take: (chunk: DecodedBatch<T> | null) => void): () => void {
    let isCancelled = false;
    this.#waiters.push(() => {
      if (isCancelled) return true;
      const chunk = this.#next();
      if (chunk === null && !this.#closed) return false;
      take(chunk);
      return true;
    });
    return () => {
      isCancelled = true;
    };
  }

  /** The decoded messages that are next; null where nothing has arrived, is still being checked, or has to wait a turn. */
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
        this.#handOvers.given();
        this.#freeEnd = this.#hasShownAgain ? 0 : this.#freeFrom(chunk.index + 1, chunk);
        return chunk;
      }
      if (!this.#fill()) return null;
    }
    return null;
  }

  /** @returns the index before which the values of a chunk may be handed out without another look */
  #freeFrom(index: number, { values }: DecodedBatch<T>): number {
    return index + this.#turns.takeFree(values.length - index);
  }

  /** Timers and other sockets get their turn, and what was done and begun is said, before more is handed out. */
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
    const { codec, schema, limits } = this.#options;
    const inFlight = this.#options.inFlight;
    if (this.#handOvers.isMuch(() => inFlight.isWatched)) this.#sayMuch();
    else this.#run.flush();
    const next = inFlight.next(Number.POSITIVE_INFINITY);
    if (next === null) return false;
    const { stream, item } = next;
    const { values, seqs, headers, bad } = decodeItem(item, codec, limits);
    for (const { seq, error } of bad) this.#reject(stream, seq, error);
    const { first, last, attempt, guarded, batch } = item;
    const { epoch } = stream.window;
    const place = { epoch, attempt, guarded, first, last, index: 0 };
    const chunk = { stream, batch, headers, ...place };
    if (schema === null) {
      this.#messages += values.length;
      this.#take({ ...chunk, values: values as T[], seqs });
      return true;
    }
    const checking = this.#check(schema, { ...chunk, values, seqs });
    this.#checked = { stream, range: { first, last } };
    this.#filling = checking;
    void checking.then(this.#filled);
    return true;
  }

  /** The next messages to be handed out. */
  #take(chunk: DecodedBatch<T> | null): void {
    this.#freeEnd = 0;
    this.#handOvers.changed(chunk);
    this.#chunk = chunk;
  }

  /** The senders hear what the application still has in its hands. */
  #sayBegun(handed: readonly Held[]): void {
    this.#freeEnd = 0;
    this.#run.flush();
    const inFlight = this.#options.inFlight;
    for (const { stream, range } of handed) inFlight.begun(stream, range);
  }

  /** Much was handed out in one turn: should this process die in it, little is to be suspected. */
  #sayMuch(): void {
    const inFlight = this.#options.inFlight;
    const stream = this.#chunk?.stream;
    this.#handOvers.say();
    if (stream !== undefined && !inFlight.acks.hasInbox) void inFlight.acks.now(stream);
  }

  /** Values that do not fit the schema become dead letters of their sender. */
  async #check(schema: Schema, chunk: DecodedBatch<unknown>): Promise<void> {
    const checked = await checkDecoded<T>(schema, chunk, (seq, error) => {
      this.#reject(chunk.stream, seq, error);
    });
    this.#messages += checked.values.length;
    this.#checked = null;
    this.#take(checked);
  }

  #reject(stream: ReceiverStream, seq: number, error: BrokerlessError): void {
    this.#refused += 1;
    const said = { reason: error.message, error: handlerError(error, SAID_LENGTH_MAX) };
    this.#options.inFlight.reject(stream, seq, said);
    this.#options.onRefused(error);
  }
}

/** Passes over the next values of a chunk that were acknowledged by a delivery of before. */
function skipAcknowledged(chunk: DecodedBatch<unknown>): void {
  const { stream, values, epoch } = chunk;
  while (chunk.index < values.length) {
    const seq = seqAt(chunk, chunk.index);
    if (stream.window.holds(seq) || !isSame(stream, seq, epoch)) return;
    chunk.index += 1;
  }
}
