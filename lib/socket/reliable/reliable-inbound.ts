import type { Clock } from "../../clock.ts";
import type { Codec } from "../../codec/codec.ts";
import type { SeqRange } from "../../delivery/range.ts";
import { BrokerlessError } from "../../errors.ts";
import { quiet, type WaitOptions, wait } from "../../wait.ts";
import { closedError } from "../inbox.ts";
import { type RunOptions, runEach } from "../run.ts";
import type { Schema } from "../schema.ts";
import { type Chunk, checkChunk, decodeItem, keepChunk, seqAt } from "./chunk.ts";
import { Consumer, type Source } from "./consumer.ts";
import { ReliableDelivery } from "./delivery.ts";
import { InHand, isSame } from "./in-hand.ts";
import type { ReceiverLinks } from "./receiver-links.ts";
import type { ReceiverStream } from "./receiver-stream.ts";
import { Run } from "./run-of-acks.ts";

/** What a {@link ReliableInbound} is made of. */
export interface ReliableInboundOptions {
  readonly codec: Codec<unknown>;
  readonly schema: Schema | null;
  readonly clock: Clock;
  readonly links: () => ReceiverLinks;
  readonly onRefused: (error: BrokerlessError) => void;
  /** A handler of `run` threw, and its message will be tried again. */
  readonly onRetry: (delivery: ReliableDelivery<unknown>, error: unknown) => void;
}

/** Values may be handed out for so long before timers and other sockets get their turn (milliseconds). */
const TURN_MS_MAX = 8;

/**
 * Received messages between the window of their stream and those who ask for them, and the answers back.
 *
 * Any number of consumers may ask at the same time: each message goes to one of them.
 */
export class ReliableInbound<T> {
  readonly #options: ReliableInboundOptions;
  #chunk: Chunk<T> | null = null;
  /** Those who wait, oldest first; called when there may be something. */
  #waiters: (() => void)[] = [];
  /** What was processed and the windows do not know yet. */
  readonly #run = new Run();
  /** What `receive` gave out last. */
  readonly #received = new InHand();
  #filling: Promise<void> | null = null;
  #yieldedMs = 0;
  #messages = 0;
  #refused = 0;
  #closed = false;

  constructor(options: ReliableInboundOptions) {
    this.#options = options;
  }

  get messages(): number {
    return this.#messages;
  }

  /** Messages that could not be read, or did not fit the schema (count). */
  get refused(): number {
    return this.#refused;
  }

  /** Messages that are decoded and that nobody has seen. */
  untouched(): { readonly stream: ReceiverStream; readonly range: SeqRange }[] {
    const chunk = this.#chunk;
    if (chunk === null || chunk.index >= chunk.values.length) return [];
    const range = { first: seqAt(chunk, chunk.index), last: chunk.last };
    return [{ stream: chunk.stream, range }];
  }

  /** There may be messages in the windows. */
  wake(): void {
    if (this.#waiters.length === 0) return;
    for (const waiter of this.#waiters.splice(0)) waiter();
  }

  /** A lease is over: what nobody has seen of it is not shown to anybody. */
  lost(stream: ReceiverStream, ranges: readonly SeqRange[]): void {
    const chunk = this.#chunk;
    if (chunk === null || chunk.stream !== stream) return;
    const isLost = (seq: number): boolean =>
      ranges.some(({ first, last }) => first <= seq && seq <= last);
    const lowest = ranges[0]?.first ?? Number.POSITIVE_INFINITY;
    this.#chunk = keepChunk(chunk, (seq) => {
      if (isLost(seq)) {
        // It was never in anybody's hands: should it come again, it is to be handed out.
        stream.window.step({ type: "rejected", first: seq, last: seq });
        return false;
      }
      if (!stream.window.ordered || seq < lowest) return true;
      // What is lost comes again, and goes first.
      const { attempt, batch } = chunk;
      stream.window.step({ type: "unread", first: seq, last: seq, attempt, batch });
      return false;
    });
  }

  /** @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason */
  receive(options: WaitOptions | undefined): Promise<T> {
    this.settle();
    return quiet(
      wait<T>("receive", options, ({ resolve, reject }) => {
        let cancelled = false;
        const ask = (): void => {
          if (cancelled) return;
          if (this.#closed) {
            reject(closedError());
            return;
          }
          const chunk = this.#current();
          if (chunk === null) return void this.#later(ask, reject);
          this.#received.give(chunk);
          resolve(chunk.values[chunk.index++]!);
        };
        ask();
        return () => {
          cancelled = true;
        };
      }),
    );
  }

  /** One value at a time, acknowledged when the next is asked for. Ends when the socket is closed. */
  values(): AsyncIterableIterator<T> {
    const run = this.#run;
    const links = this.#options.links();
    let stream: ReceiverStream | null = null;
    let seq = 0;
    let epoch = 0;
    return new Consumer<T, T>({
      source: this.#source,
      take: (chunk) => {
        const index = chunk.index++;
        stream = chunk.stream;
        seq = seqAt(chunk, index);
        epoch = chunk.epoch;
        return chunk.values[index]!;
      },
      answer: () => {
        if (stream === null) return;
        if (isSame(stream, seq, epoch)) run.add(links, stream, seq);
        stream = null;
      },
      idle: () => run.flush(),
      giveUp: () => {
        run.flush();
        const range = { first: seq, last: seq };
        if (stream !== null && isSame(stream, seq, epoch)) this.nack(stream, range, 0);
        stream = null;
      },
    });
  }

  /** All values of a batch at a time, acknowledged when the next is asked for. */
  batches(): AsyncIterableIterator<T[]> {
    const links = this.#options.links();
    const held = new InHand();
    return new Consumer<T, T[]>({
      source: this.#source,
      take: (chunk) => {
        const { index, values } = chunk;
        held.giveRest(chunk);
        chunk.index = values.length;
        return index === 0 ? values : values.slice(index);
      },
      answer: () => {
        const done = held.take();
        if (done !== null) links.done(done.stream, done.range.first, done.range.last);
      },
      giveUp: () => {
        const left = held.take();
        if (left !== null) this.nack(left.stream, left.range, 0);
      },
    });
  }

  /** One message at a time, which the caller answers for. */
  deliveries(): AsyncIterableIterator<ReliableDelivery<T>> {
    const links = this.#options.links();
    return new Consumer<T, ReliableDelivery<T>>({
      source: this.#source,
      take: (chunk) => {
        const index = chunk.index++;
        const { stream, epoch, attempt } = chunk;
        const seq = seqAt(chunk, index);
        const place = { links, inbound: this, stream, epoch, seq, attempt };
        return new ReliableDelivery(chunk.values[index]!, place);
      },
    });
  }

  /** Calls `handler` for every message; what it throws is a reason to try again later. */
  run(
    handler: (value: T, delivery: ReliableDelivery<T>) => unknown,
    options: RunOptions,
  ): Promise<void> {
    const each = async (delivery: ReliableDelivery<T>): Promise<void> => {
      try {
        await handler(delivery.value, delivery);
        delivery.ack();
      } catch (error) {
        if (delivery.isAnswered) return;
        delivery.nack();
        this.#options.onRetry(delivery, error);
      }
    };
    return runEach(this.deliveries(), each, options);
  }

  /** What `receive` gave out last counts as processed. */
  settle(): void {
    const held = this.#received.take();
    if (held !== null) this.#run.add(this.#options.links(), held.stream, held.range.first);
    this.#run.flush();
  }

  /**
   * Gives messages back, to be tried again. Where order is kept, what nobody has seen yet goes back into the
   * window, behind them.
   *
   * @param word ms, or `WORD_NONE`
   */
  nack(stream: ReceiverStream, range: SeqRange, word: number): void {
    this.#run.flush();
    const chunk = this.#chunk;
    if (stream.window.ordered && chunk !== null && chunk.stream === stream) {
      const { index, last, attempt, batch, values } = chunk;
      this.#chunk = null;
      if (index < values.length) {
        stream.window.step({ type: "unread", first: seqAt(chunk, index), last, attempt, batch });
      }
    }
    this.#options.links().nack(stream, range, word);
  }

  /** Ends every iteration. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#run.flush();
    this.wake();
  }

  /** What nobody has seen goes back to its sender. */
  giveBack(): void {
    for (const { stream, range } of this.untouched()) this.#options.links().release(stream, range);
    this.#chunk = null;
  }

  readonly #source: Source<T> = {
    current: () => this.#current(),
    later: (ask, reject) => this.#later(ask, reject),
    isClosed: () => this.#closed,
  };

  /** The decoded messages that are next; null where nothing has arrived, or is still being checked. */
  #current(): Chunk<T> | null {
    for (;;) {
      const chunk = this.#chunk;
      if (chunk !== null && chunk.index < chunk.values.length) return chunk;
      if (this.#filling !== null) return null;
      if (this.#options.clock.nowMs() - this.#yieldedMs > TURN_MS_MAX) {
        this.#filling = new Promise((resolve) => setImmediate(resolve));
        void this.#filling.then(this.#filled);
        return null;
      }
      if (!this.#fill()) return null;
    }
  }

  readonly #filled = (): void => {
    this.#filling = null;
    this.#yieldedMs = this.#options.clock.nowMs();
    this.wake();
  };

  /** @returns whether something was taken out of a window */
  #fill(): boolean {
    const { codec, schema } = this.#options;
    const links = this.#options.links();
    const next = links.next(Number.POSITIVE_INFINITY);
    if (next === null) return false;
    const { stream, item } = next;
    const { values, seqs, bad } = decodeItem(item, codec);
    for (const { seq, reason } of bad) this.#reject(stream, seq, `codec ${codec.name}: ${reason}`);
    const { first, last, attempt, batch } = item;
    const chunk = { stream, batch, epoch: batch.epoch, attempt, first, last, index: 0 };
    if (schema === null) {
      this.#messages += values.length;
      this.#chunk = { ...chunk, values: values as T[], seqs };
      return true;
    }
    const checking = this.#check(schema, { ...chunk, values, seqs });
    this.#filling = checking;
    void checking.then(this.#filled);
    return true;
  }

  /** Values that do not fit the schema become dead letters of their sender. */
  async #check(schema: Schema, chunk: Chunk<unknown>): Promise<void> {
    const checked = await checkChunk<T>(schema, chunk, (seq, reason) => {
      this.#reject(chunk.stream, seq, reason);
    });
    this.#messages += checked.values.length;
    this.#chunk = checked;
  }

  #reject(stream: ReceiverStream, seq: number, reason: string): void {
    this.#refused += 1;
    this.#options.links().reject(stream, seq, reason);
    this.#options.onRefused(new BrokerlessError("BROKERLESS_SCHEMA", reason));
  }

  #later(ask: () => void, reject: (error: unknown) => void): void {
    if (this.#closed) reject(closedError());
    else this.#waiters.push(ask);
  }
}
