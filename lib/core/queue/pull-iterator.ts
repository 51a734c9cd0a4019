import type { Settle } from "../../wait.ts";

type Result<V> = IteratorResult<V, undefined>;

/** What an iterator says at its end. */
export const DONE: Result<never> = Object.freeze({ done: true, value: undefined });

/** Where a {@link PullIterator} gets what it hands out. */
export interface PullSource<V> {
  /** The consumer asks for more. @returns null where it has to wait */
  readonly next: () => Promise<Result<V>> | null;
  /** Waits for what is next. @returns forgets that */
  readonly wait: (settle: Settle<Result<V>>) => () => void;
  /** The consumer ended without asking for more. Called once. */
  readonly giveUp?: (() => void) | undefined;
}

/**
 * A loop over what a socket receives. What was not handed out when it ends is left to others.
 *
 * Written by hand, since an async generator costs twice as much for each value.
 */
export class PullIterator<V> implements AsyncIterableIterator<V, undefined> {
  readonly #source: PullSource<V>;
  /** Each ends one call of `next`. */
  readonly #pending = new Set<() => void>();
  #returned = false;

  constructor(source: PullSource<V>) {
    this.#source = source;
  }

  next(): Promise<Result<V>> {
    if (this.#returned) return Promise.resolve(DONE);
    return this.#source.next() ?? this.#wait();
  }

  /** `break`: who waits gets the end. */
  return(): Promise<Result<V>> {
    if (!this.#returned) this.#source.giveUp?.();
    this.#returned = true;
    for (const stop of this.#pending) stop();
    this.#pending.clear();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #wait(): Promise<Result<V>> {
    return new Promise((resolve, reject) => {
      let cancel = (): void => {};
      const stop = (): void => {
        cancel();
        resolve(DONE);
      };
      this.#pending.add(stop);
      cancel = this.#source.wait({
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
  }
}
