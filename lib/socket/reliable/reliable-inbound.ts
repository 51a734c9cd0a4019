import type { Codec } from "../../codec/codec.ts";
import type { SeqRange } from "../../delivery/range.ts";
import { BrokerlessError } from "../../errors.ts";
import { quiet, type Settle, type WaitOptions, wait } from "../../wait.ts";
import { closedError } from "../inbox.ts";
import { type RunOptions, runEach } from "../run.ts";
import { filterIncoming, type Schema } from "../schema.ts";
import { type Chunk, decodeItem, seqAt } from "./chunk.ts";
import { ReliableDelivery } from "./delivery.ts";
import type { ReceiverLinks } from "./receiver-links.ts";
import type { ReceiverStream } from "./receiver-stream.ts";
import { Run } from "./run-of-acks.ts";

/** What a {@link ReliableInbound} is made of. */
export interface ReliableInboundOptions {
  readonly codec: Codec<unknown>;
  readonly schema: Schema | null;
  readonly links: () => ReceiverLinks;
  readonly onRefused: (error: BrokerlessError) => void;
  /** A handler of `run` threw, and its message will be tried again. */
  readonly onRetry: (delivery: ReliableDelivery<unknown>, error: unknown) => void;
}

type Result<V> = IteratorResult<V, undefined>;
const DONE: Result<never> = Object.freeze({ done: true, value: undefined });
/** Values may be handed out for so long before timers and other sockets get their turn (milliseconds). */
const TURN_MS_MAX = 8;
/** Messages that a consumer takes out of the window at a time, when it wants them one by one (count). */
const TAKE_MAX = Number.MAX_SAFE_INTEGER;

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
  #received: { readonly stream: ReceiverStream; readonly seq: number } | null = null;
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
    const kept: T[] = [];
    const seqs: number[] = [];
    for (let index = chunk.index; index < chunk.values.length; index++) {
      const seq = seqAt(chunk, index);
      if (isLost(seq)) {
        // It was never in anybody's hands: should it come again, it is to be handed out.
        stream.window.step({ type: "rejected", first: seq, last: seq });
        continue;
      }
      if (stream.window.ordered && seq > lowest) {
        // What is lost comes again, and goes first.
        const { attempt, batch } = chunk;
        stream.window.step({ type: "unread", first: seq, last: seq, attempt, batch });
        continue;
      }
      kept.push(chunk.values[index]!);
      seqs.push(seq);
    }
    this.#chunk = { ...chunk, values: kept, seqs, index: 0 };
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
          const index = chunk.index++;
          const seq = seqAt(chunk, index);
          this.#received = { stream: chunk.stream, seq };
          resolve(chunk.values[index]!);
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
    return new Consumer<T, T>({
      source: this.#source,
      take: (chunk) => {
        const index = chunk.index++;
        stream = chunk.stream;
        seq = seqAt(chunk, index);
        return chunk.values[index]!;
      },
      answer: () => {
        if (stream === null) return;
        run.add(links, stream, seq);
        stream = null;
      },
      idle: () => run.flush(),
      giveUp: () => {
        run.flush();
        if (stream !== null) this.nack(stream, { first: seq, last: seq }, 0);
        stream = null;
      },
    });
  }

  /** All values of a batch at a time, acknowledged when the next is asked for. */
  batches(): AsyncIterableIterator<T[]> {
    const links = this.#options.links();
    let held: { readonly stream: ReceiverStream; readonly range: SeqRange } | null = null;
    return new Consumer<T, T[]>({
      source: this.#source,
      take: (chunk) => {
        const { stream, index, values } = chunk;
        held = { stream, range: { first: seqAt(chunk, index), last: chunk.last } };
        chunk.index = values.length;
        return index === 0 ? values : values.slice(index);
      },
      answer: () => {
        if (held !== null) links.done(held.stream, held.range.first, held.range.last);
        held = null;
      },
      idle: () => {},
      giveUp: () => {
        if (held !== null) this.nack(held.stream, held.range, 0);
        held = null;
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
      answer: () => {},
      idle: () => {},
      giveUp: () => {},
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
    const received = this.#received;
    this.#received = null;
    if (received !== null) this.#run.add(this.#options.links(), received.stream, received.seq);
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
      if (performance.now() - this.#yieldedMs > TURN_MS_MAX) {
        this.#filling = new Promise((resolve) => setImmediate(resolve));
        void this.#filling.then(this.#filled);
        return null;
      }
      if (!this.#fill()) return null;
    }
  }

  readonly #filled = (): void => {
    this.#filling = null;
    this.#yieldedMs = performance.now();
    this.wake();
  };

  /** @returns whether something was taken out of a window */
  #fill(): boolean {
    const { codec, schema } = this.#options;
    const links = this.#options.links();
    const next = links.next(TAKE_MAX);
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
    const values: T[] = [];
    const seqs: number[] = [];
    for (let index = 0; index < chunk.values.length; index++) {
      const seq = seqAt(chunk, index);
      let reason: string | null = null;
      const [value] = await filterIncoming<T>(schema, [chunk.values[index]], (error) => {
        reason = error.message;
      });
      if (reason !== null) this.#reject(chunk.stream, seq, reason);
      else {
        values.push(value as T);
        seqs.push(seq);
      }
    }
    this.#messages += values.length;
    this.#chunk = { ...chunk, values, seqs };
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

/** Where a {@link Consumer} gets messages. */
interface Source<T> {
  current(): Chunk<T> | null;
  later(ask: () => void, reject: (error: unknown) => void): void;
  isClosed(): boolean;
}

/** What a {@link Consumer} does with messages. */
interface ConsumerOptions<T, V> {
  readonly source: Source<T>;
  readonly take: (chunk: Chunk<T>) => V;
  /** The consumer asks for more: it has finished with what it was given. */
  readonly answer: () => void;
  /** There is nothing more for now. */
  readonly idle: () => void;
  /** The consumer ended without asking for more. */
  readonly giveUp: () => void;
}

/** Hand-written, because an async generator costs twice as much for each value. */
class Consumer<T, V> implements AsyncIterableIterator<V, undefined> {
  readonly #options: ConsumerOptions<T, V>;
  readonly #pending = new Set<Settle<Result<V>>>();
  #returned = false;

  constructor(options: ConsumerOptions<T, V>) {
    this.#options = options;
  }

  next(): Promise<Result<V>> {
    const { answer, source, take } = this.#options;
    answer();
    if (this.#returned || source.isClosed()) {
      this.#options.idle();
      return Promise.resolve(DONE);
    }
    const chunk = source.current();
    if (chunk !== null) return Promise.resolve({ done: false, value: take(chunk) });
    this.#options.idle();
    return this.#wait();
  }

  return(): Promise<Result<V>> {
    if (!this.#returned) this.#options.giveUp();
    this.#returned = true;
    for (const { resolve } of this.#pending) resolve(DONE);
    this.#pending.clear();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #wait(): Promise<Result<V>> {
    return new Promise((resolve, reject) => {
      const { source, take } = this.#options;
      const settle = { resolve, reject };
      this.#pending.add(settle);
      const ask = (): void => {
        if (!this.#pending.has(settle)) return;
        if (source.isClosed()) {
          end(DONE);
          return;
        }
        const chunk = source.current();
        if (chunk === null) source.later(ask, () => end(DONE));
        else end({ done: false, value: take(chunk) });
      };
      const end = (result: Result<V>): void => {
        this.#pending.delete(settle);
        resolve(result);
      };
      source.later(ask, () => end(DONE));
    });
  }
}
