import { performance } from "node:perf_hooks";
import { BrokerlessError } from "../errors.ts";
import { quiet, type Settle, type WaitOptions, wait } from "../wait.ts";

/** Reads one frame and gives its values; an empty array for a frame that was refused. */
export type ReadValues<T> = () => Promise<T[]>;

/** Values may be handed out for so long before timers and other sockets get their turn (milliseconds). */
const TURN_MS_MAX = 8;
/** Values of a frame between two looks at the clock (count). A power of two. */
const LOOK_EVERY = 16;

/**
 * Received values, between the frames they came in and those who ask for them.
 *
 * Reads a frame only when somebody waits and nothing is left, so that a slow consumer holds back its
 * senders. Any number of consumers may ask at the same time: each value goes to one of them, in the
 * order of asking. A consumer that gives up takes nothing with it.
 */
export class Inbox<T> {
  readonly #read: ReadValues<T>;
  #values: T[] = [];
  #index = 0;
  /** Those who wait for one value or for all of a frame, oldest first. */
  readonly #waiters: Waiter<T>[] = [];
  #reading = false;
  #closed = false;
  #yieldedMs = 0;

  constructor(read: ReadValues<T>) {
    this.#read = read;
  }

  /** Values that were received and not yet asked for (count). */
  get count(): number {
    return this.#values.length - this.#index;
  }

  /** @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason */
  receive(options: WaitOptions | undefined): Promise<T> {
    if (this.#index < this.#values.length && !options?.signal?.aborted) {
      return this.#hand(this.#values[this.#index++]!);
    }
    return quiet(
      wait<T>("receive", options, ({ resolve, reject }) =>
        this.#enqueue({
          one: resolve,
          all: null,
          end: () => reject(closedError()),
          fail: reject,
        }),
      ),
    );
  }

  /** One value at a time. Ends when the socket is closed. */
  values(): AsyncIterableIterator<T> {
    return new Iteration<T>((next) => this.#nextValue(next));
  }

  /** All values of a frame at a time: the fast way. Ends when the socket is closed. */
  batches(): AsyncIterableIterator<T[]> {
    return new Iteration<T[]>((next) => this.#nextBatch(next));
  }

  /** Ends every iteration and rejects every waiting `receive`. */
  close(): void {
    this.#closed = true;
    this.#values = [];
    this.#index = 0;
    for (const waiter of this.#waiters.splice(0)) waiter.end();
  }

  #nextValue(next: Next<T>): Promise<IteratorResult<T, undefined>> {
    if (this.#index < this.#values.length) {
      return this.#hand({ done: false, value: this.#values[this.#index++]! });
    }
    return next.wait((settle) =>
      this.#enqueue({
        one: (value) => settle.resolve({ done: false, value }),
        all: null,
        end: () => settle.resolve(DONE),
        fail: settle.reject,
      }),
    );
  }

  #nextBatch(next: Next<T[]>): Promise<IteratorResult<T[], undefined>> {
    if (this.#index < this.#values.length) {
      return Promise.resolve({ done: false, value: this.#takeAll() });
    }
    return next.wait((settle) =>
      this.#enqueue({
        one: null,
        all: (value) => settle.resolve({ done: false, value }),
        end: () => settle.resolve(DONE),
        fail: settle.reject,
      }),
    );
  }

  /** At once, or in the next turn of the event loop where this one has lasted too long. */
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

  /** Reads until nobody waits. The only reader of the socket. */
  async #fill(): Promise<void> {
    this.#reading = true;
    try {
      while (this.#waiters.length > 0 && !this.#closed) {
        if (performance.now() - this.#yieldedMs > TURN_MS_MAX) {
          await new Promise((resolve) => setImmediate(resolve));
          this.#yieldedMs = performance.now();
        }
        const values = await this.#read();
        if (this.#closed) return;
        this.#values = values;
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
      if (waiter.one !== null) waiter.one(this.#values[this.#index++]!);
      else waiter.all(this.#takeAll());
    }
  }
}

type Waiter<T> = {
  readonly end: () => void;
  readonly fail: (error: unknown) => void;
} & (
  | { readonly one: (value: T) => void; readonly all: null }
  | { readonly one: null; readonly all: (values: T[]) => void }
);

type Result<V> = IteratorResult<V, undefined>;
const DONE: Result<never> = Object.freeze({ done: true, value: undefined });

/** What an iteration tells the inbox when it asks for more. */
interface Next<V> {
  readonly wait: (start: (settle: Settle<Result<V>>) => () => void) => Promise<Result<V>>;
}

/** Hand-written, because an async generator costs twice as much for each value. */
class Iteration<V> implements AsyncIterableIterator<V, undefined>, Next<V> {
  #returned = false;
  readonly #ask: (next: Next<V>) => Promise<Result<V>>;
  readonly #pending = new Set<() => void>();

  constructor(ask: (next: Next<V>) => Promise<Result<V>>) {
    this.#ask = ask;
  }

  next(): Promise<Result<V>> {
    if (this.#returned) return Promise.resolve(DONE);
    return this.#ask(this);
  }

  readonly wait = (start: (settle: Settle<Result<V>>) => () => void): Promise<Result<V>> =>
    new Promise((resolve, reject) => {
      let cancel = (): void => {};
      const stop = (): void => {
        cancel();
        resolve(DONE);
      };
      this.#pending.add(stop);
      cancel = start({
        resolve: (value) => {
          this.#pending.delete(stop);
          resolve(value);
        },
        reject: (reason) => {
          this.#pending.delete(stop);
          reject(reason);
        },
      });
    });

  /** `break`: leaves what was not handed out to the next consumer. */
  return(): Promise<Result<V>> {
    this.#returned = true;
    for (const stop of this.#pending) stop();
    this.#pending.clear();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** What a call gets whose socket was closed before or meanwhile. */
export function closedError(): BrokerlessError {
  return new BrokerlessError("BROKERLESS_CLOSED", "the socket is closed");
}
