import type { Settle } from "../../wait.ts";
import type { Chunk } from "./chunk.ts";

type Result<V> = IteratorResult<V, undefined>;
const DONE: Result<never> = Object.freeze({ done: true, value: undefined });

/** Where a {@link Consumer} gets messages. */
export interface Source<T> {
  current(): Chunk<T> | null;
  later(ask: () => void, reject: (error: unknown) => void): void;
  isClosed(): boolean;
}

/** What a {@link Consumer} does with messages. */
export interface ConsumerOptions<T, V> {
  readonly source: Source<T>;
  readonly take: (chunk: Chunk<T>) => V;
  /** The consumer asks for more: it has finished with what it was given. */
  readonly answer?: () => void;
  /** There is nothing more for now. */
  readonly idle?: () => void;
  /** The consumer ended without asking for more. */
  readonly giveUp?: () => void;
}

/** Hand-written, because an async generator costs twice as much for each value. */
export class Consumer<T, V> implements AsyncIterableIterator<V, undefined> {
  readonly #options: ConsumerOptions<T, V>;
  readonly #pending = new Set<Settle<Result<V>>>();
  #returned = false;

  constructor(options: ConsumerOptions<T, V>) {
    this.#options = options;
  }

  next(): Promise<Result<V>> {
    const { answer, source, take } = this.#options;
    answer?.();
    if (this.#returned || source.isClosed()) {
      this.#options.idle?.();
      return Promise.resolve(DONE);
    }
    const chunk = source.current();
    if (chunk !== null) return Promise.resolve({ done: false, value: take(chunk) });
    this.#options.idle?.();
    return this.#wait();
  }

  return(): Promise<Result<V>> {
    if (!this.#returned) this.#options.giveUp?.();
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
