import { performance } from "node:perf_hooks";
import { type MessageHeaders, NO_HEADERS } from "../../batch/headers.ts";
import { TURN_MS_MAX } from "../../clock.ts";
import { BrokerlessError } from "../../errors.ts";
import { checkWaitOptions, quiet, WAIT_OPTIONS, type WaitOptions, wait } from "../../wait.ts";
import { DONE, PullIterator } from "./pull-iterator.ts";

/** The values of a frame, and the headers of each; null where none of them has any. */
export interface Received<T> {
  readonly values: T[];
  readonly headers: readonly MessageHeaders[] | null;
}

/** A received message: its value, and its headers. */
export interface Message<T> {
  /** The value that was sent. */
  readonly value: T;
  /** The headers, from names to texts, as they were sent; empty where there were none. Frozen. */
  readonly headers: MessageHeaders;
}

/** Reads one frame; the result of a refused frame has no values. */
export type ReadValues<T> = () => Promise<Received<T>>;

/** Values of a frame between two looks at the clock (count). A power of two. */
const LOOK_EVERY = 16;

/**
 * Received values, between the frames they came in and the calls that take them.
 *
 * Reads a frame only when a consumer waits and no value is left, so that a slow consumer holds back its senders. Any
 * number of consumers may wait at the same time: each value goes to one of them, in the order of their calls. A
 * consumer that stops waiting takes no value.
 */
export class ReceiveQueue<T> {
  readonly #read: ReadValues<T>;
  #values: T[] = [];
  /** The headers of `#values`; null where none has any. */
  #headers: readonly MessageHeaders[] | null = null;
  #index = 0;
  /** Consumers that wait for one value or for all of a frame, oldest first. */
  readonly #waiters: Waiter<T>[] = [];
  #reading = false;
  #closed = false;
  #yieldedMs = 0;

  constructor(read: ReadValues<T>) {
    this.#read = read;
  }

  /** Values that were received and not yet taken (count). */
  get count(): number {
    return this.#values.length - this.#index;
  }

  /** @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason */
  receive(options: WaitOptions | undefined): Promise<T> {
    try {
      if (options !== undefined) checkWaitOptions("receive", options, WAIT_OPTIONS);
    } catch (error) {
      return quiet(Promise.reject(error));
    }
    if (this.#index < this.#values.length && !options?.signal?.aborted) {
      return this.#hand(this.#values[this.#index++]!);
    }
    return quiet(
      wait<T>("receive", options, ({ resolve, reject }) =>
        this.#enqueue({
          one: (index) => resolve(this.#values[index]!),
          all: null,
          end: () => reject(closedError()),
          fail: reject,
        }),
      ),
    );
  }

  /** One value at a time. Ends when the socket is closed. */
  values(): AsyncIterableIterator<T> {
    return new PullIterator<T>({
      next: () => this.#nextValue(),
      wait: ({ resolve, reject }) =>
        this.#enqueue({
          one: (index) => resolve({ done: false, value: this.#values[index]! }),
          all: null,
          end: () => resolve(DONE),
          fail: reject,
        }),
    });
  }

  /** One value at a time, with its headers. Ends when the socket is closed. */
  messages(): AsyncIterableIterator<Message<T>> {
    return new PullIterator<Message<T>>({
      next: () => this.#nextMessage(),
      wait: ({ resolve, reject }) =>
        this.#enqueue({
          one: (index) => resolve({ done: false, value: this.#message(index) }),
          all: null,
          end: () => resolve(DONE),
          fail: reject,
        }),
    });
  }

  /** All values of a frame at a time: the fast way. Ends when the socket is closed. */
  batches(): AsyncIterableIterator<T[]> {
    return new PullIterator<T[]>({
      next: () => this.#nextBatch(),
      wait: ({ resolve, reject }) =>
        this.#enqueue({
          one: null,
          all: (value) => resolve({ done: false, value }),
          end: () => resolve(DONE),
          fail: reject,
        }),
    });
  }

  /** Ends every iteration and rejects every waiting `receive`. */
  close(): void {
    this.#closed = true;
    this.#values = [];
    this.#index = 0;
    for (const waiter of this.#waiters.splice(0)) waiter.end();
  }

  #nextValue(): Promise<IteratorResult<T, undefined>> | null {
    if (this.#index === this.#values.length) return null;
    return this.#hand({ done: false, value: this.#values[this.#index++]! });
  }

  #nextMessage(): Promise<IteratorResult<Message<T>, undefined>> | null {
    if (this.#index === this.#values.length) return null;
    return this.#hand({ done: false, value: this.#message(this.#index++) });
  }

  #message(index: number): Message<T> {
    return { value: this.#values[index]!, headers: this.#headers?.[index] ?? NO_HEADERS };
  }

  #nextBatch(): Promise<IteratorResult<T[], undefined>> | null {
    if (this.#index === this.#values.length) return null;
    return Promise.resolve({ done: false, value: this.#takeAll() });
  }

  /** Resolves at once, or in the next turn of the event loop where this one has lasted too long. */
  #hand<R>(result: R): Promise<R> {
    if ((this.#index & (LOOK_EVERY - 1)) !== 0) return Promise.resolve(result);
    const nowMs = performance.now();
    if (nowMs - this.#yieldedMs <= TURN_MS_MAX) return Promise.resolve(result);
    this.#yieldedMs = nowMs;
    return new Promise((resolve) => setImmediate(resolve, result));
  }

  #takeAll(): T[] {
    const values = this.#index === 0 ? this.#values : this.#values.slice(this.#index);
    this.#values = [];
    this.#index = 0;
    return values;
  }

  #enqueue(waiter: Waiter<T>): () => void {
    if (this.#closed) {
      waiter.end();
      return () => {};
    }
    this.#waiters.push(waiter);
    if (!this.#reading) void this.#fill();
    return () => {
      const at = this.#waiters.indexOf(waiter);
      if (at >= 0) this.#waiters.splice(at, 1);
    };
  }

  /** Reads until no consumer waits. The only reader of the socket. */
  async #fill(): Promise<void> {
    this.#reading = true;
    try {
      while (this.#waiters.length > 0 && !this.#closed) {
        if (performance.now() - this.#yieldedMs > TURN_MS_MAX) {
          await new Promise((resolve) => setImmediate(resolve));
          this.#yieldedMs = performance.now();
        }
        const { values, headers } = await this.#read();
        if (this.#closed) return;
        this.#values = values;
        this.#headers = headers;
        this.#index = 0;
        this.#serve();
      }
    } catch (error) {
      if (!this.#closed) for (const waiter of this.#waiters.splice(0)) waiter.fail(error);
    } finally {
      this.#reading = false;
    }
  }

  #serve(): void {
    while (this.#waiters.length > 0 && this.#index < this.#values.length) {
      const waiter = this.#waiters.shift()!;
      if (waiter.one !== null) waiter.one(this.#index++);
      else waiter.all(this.#takeAll());
    }
  }
}

type Waiter<T> = {
  readonly end: () => void;
  readonly fail: (error: unknown) => void;
} /** Told where in the frame its value is. */ & (
  | { readonly one: (index: number) => void; readonly all: null }
  | { readonly one: null; readonly all: (values: T[]) => void }
);

/** The error of a call whose socket was closed before or during the call. */
export function closedError(): BrokerlessError {
  return new BrokerlessError("BROKERLESS_CLOSED", "the socket is closed");
}
