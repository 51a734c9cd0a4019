import { DONE, PullIterator } from "../../core/queue/pull-iterator.ts";
import type { Message } from "../../core/queue/receive-queue.ts";
import { type RunOptions, runEach } from "../../core/run.ts";
import { messageId } from "../../delivery/protocol/incarnations.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import { RangeSet } from "../../delivery/range/range-set.ts";
import type { WaitOptions } from "../../wait.ts";
import { AckCoalescer } from "./ack-coalescer.ts";
import { type DecodedBatch, headersAt, seqAt } from "./decoded-batch.ts";
import { type Delivery, ReliableDelivery } from "./delivery.ts";
import { NextMessages, type NextMessagesOptions } from "./next-messages.ts";
import { ReceiveCalls } from "./receive-calls.ts";
import type { Nack } from "./sessions/in-flight-messages.ts";
import { isSame, type ReceiverStream } from "./sessions/receiver-stream.ts";
import { Unacked } from "./unacked.ts";

/** Dependencies of {@link ReliableInbound}. */
export interface ReliableInboundOptions extends Omit<NextMessagesOptions, "run"> {
  /** A handler of `run` threw, and its message will be tried again. */
  readonly onRetry: (delivery: ReliableDelivery<unknown>, error: unknown) => void;
}

/** The callbacks of an iteration over messages. */
interface Loop<T, V> {
  readonly take: (chunk: DecodedBatch<T>) => V;
  /** The consumer asks for more: the messages it got are processed. */
  readonly settle?: () => void;
  /** There is nothing more for now. */
  readonly idle?: () => void;
  /** The consumer ended without asking for more. */
  readonly giveUp?: () => void;
}

/** Returns the messages of a stream on which a consumer is still working. */
type Holder = (stream: ReceiverStream) => readonly SeqRange[];

/** A message with its headers, attempt, seq and id. */
export type DeliveredMessage<T> = Message<T> & Delivery;

/** Nack of messages left by a loop: to be tried again at once, without an error. */
const AT_ONCE: Nack = Object.freeze({ argument: 0, text: "" });

/**
 * Connects the windows of the streams to the consumers: passes received messages on, and their acknowledgements back.
 *
 * Any number of loops may run at the same time: each message goes to one of them, and is acknowledged by it.
 */
export class ReliableInbound<T> {
  readonly #options: ReliableInboundOptions;
  /** Processed messages that are not yet reported to the windows. */
  readonly #run = new AckCoalescer();
  /** The next messages to deliver, and the waiting consumers. */
  readonly next: NextMessages<T>;
  readonly #calls: ReceiveCalls<T>;
  /** Loops and handlers, which hold messages without a delivery object of the application. */
  readonly #holders: Set<Holder>;

  constructor(options: ReliableInboundOptions) {
    this.#options = options;
    const run = this.#run;
    const next = new NextMessages<T>({ ...options, run });
    const calls = new ReceiveCalls<T>({ next, inFlight: options.inFlight, run });
    this.next = next;
    this.#calls = calls;
    this.#holders = new Set([(stream) => calls.of(stream)]);
  }

  /**
   * A lease has ended: its undelivered messages are dropped. Messages that arrive again are kept for a loop or a
   * handler still working on them; those of deliveries that the application may have abandoned are delivered again.
   *
   * @see docs/decisions/0054-calls-of-a-receiver.md
   */
  revoked(stream: ReceiverStream, ranges: readonly SeqRange[]): void {
    const held = new RangeSet();
    for (const holder of this.#holders) held.addAll(holder(stream));
    this.next.revoked(stream, ranges, held);
  }

  /**
   * Receives one message; acknowledges that of the previous call.
   *
   * @throws TypeError while another call waits
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason
   */
  receive(options: WaitOptions | undefined): Promise<T> {
    return this.#calls.receive(options);
  }

  /** Iterates over values; each is acknowledged when the next is requested. Ends when the socket is closed. */
  values(): AsyncIterableIterator<T> {
    return this.#inTurn((chunk, index) => chunk.values[index]!);
  }

  /** As `values`, with the headers, attempt, seq and id of each message. */
  messages(): AsyncIterableIterator<DeliveredMessage<T>> {
    return this.#inTurn((chunk, index) => {
      const { stream, attempt } = chunk;
      const seq = seqAt(chunk, index);
      const id = messageId(stream.id, stream.window.incarnations, seq);
      return { value: chunk.values[index]!, headers: headersAt(chunk, seq), seq, attempt, id };
    });
  }

  #inTurn<V>(take: (chunk: DecodedBatch<T>, index: number) => V): AsyncIterableIterator<V> {
    const run = this.#run;
    const inFlight = this.#options.inFlight;
    let stream: ReceiverStream | null = null;
    let seq = 0;
    let historyVersion = 0;
    const holder: Holder = (of) => (of === stream ? [{ first: seq, last: seq }] : []);
    this.#holders.add(holder);
    return this.#iterate<V>({
      take: (chunk) => {
        const index = chunk.index++;
        stream = chunk.stream;
        seq = seqAt(chunk, index);
        historyVersion = chunk.historyVersion;
        return take(chunk, index);
      },
      settle: () => {
        if (stream === null) return;
        if (isSame(stream, seq, historyVersion)) run.add(inFlight, stream, seq);
        stream = null;
      },
      idle: () => run.flush(),
      giveUp: () => {
        run.flush();
        const range = { first: seq, last: seq };
        if (stream !== null && isSame(stream, seq, historyVersion))
          this.nack(stream, range, AT_ONCE);
        stream = null;
        this.#holders.delete(holder);
      },
    });
  }

  /** Iterates over the values of one batch at a time; acknowledged when the next is requested. */
  batches(): AsyncIterableIterator<T[]> {
    const inFlight = this.#options.inFlight;
    const held = new Unacked();
    const holder: Holder = (stream) => held.of(stream);
    this.#holders.add(holder);
    return this.#iterate<T[]>({
      take: (chunk) => {
        const { index, values } = chunk;
        held.giveRemainder(chunk);
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

  /** Iterates over messages that the caller acknowledges. */
  deliveries(): AsyncIterableIterator<ReliableDelivery<T>> {
    return this.#iterate<ReliableDelivery<T>>({ take: (chunk) => this.#deliver(chunk) });
  }

  #deliver(chunk: DecodedBatch<T>): ReliableDelivery<T> {
    const index = chunk.index++;
    const { stream, historyVersion, attempt } = chunk;
    const seq = seqAt(chunk, index);
    const headers = headersAt(chunk, seq);
    const inFlight = this.#options.inFlight;
    const place = { inFlight, inbound: this, stream, historyVersion, seq, attempt, headers };
    return new ReliableDelivery(chunk.values[index]!, place);
  }

  /** Calls `handler` for every message; if it throws, the message is tried again later. */
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
        // No lease ends within a turn, so a handler that ends in the turn in which it began need not be registered.
        if (typeof working === "object" || delivery.storing !== null) running.add(delivery);
        await working;
        // If the effect was not stored, the end of the handler does not acknowledge the message.
        if (delivery.storing !== null) await delivery.storing;
        delivery.ack();
      } catch (error) {
        if (delivery.isAcknowledged) return;
        // A handler that throws `undefined` has failed too.
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

  /** The message that `receive` returned last counts as processed. */
  settle(): void {
    this.#calls.settle();
  }

  /** Gives messages back, to be tried again. */
  nack(stream: ReceiverStream, range: SeqRange, said: Nack): void {
    this.#run.flush();
    this.next.putBehind(stream);
    this.#options.inFlight.nack(stream, range, said);
  }

  /** Ends every iteration. */
  close(): void {
    this.next.close();
  }

  #iterate<V>({ take, settle, idle, giveUp }: Loop<T, V>): AsyncIterableIterator<V> {
    return new PullIterator<V>({
      next: () => {
        settle?.();
        const chunk = this.next.take();
        if (chunk !== null) return Promise.resolve({ done: false, value: take(chunk) });
        idle?.();
        return this.next.isClosed ? Promise.resolve(DONE) : null;
      },
      wait: ({ resolve }) =>
        this.next.whenNext((chunk) =>
          resolve(chunk === null ? DONE : { done: false, value: take(chunk) }),
        ),
      giveUp,
    });
  }
}
