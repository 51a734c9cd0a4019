import type { Settle } from "../../wait.ts";

type Result<V> = IteratorResult<V, undefined>;

/** The result of an iterator at its end. */
export const DONE: Result<never> = Object.freeze({ done: true, value: undefined });

/** The source of a {@link PullIterator}. */
export interface PullSource<V> {
  /** Called when the consumer wants the next value. @returns null where it has to wait */
  readonly next: () => Promise<Result<V>> | null;
  /** Waits for the next value. @returns cancels the wait */
  readonly wait: (settle: Settle<Result<V>>) => () => void;
  /** Called once, when the consumer ends the loop. */
  readonly giveUp?: (() => void) | undefined;
}

/**
 * A loop over the messages that a socket receives. Messages not handed out when it ends are left to other consumers.
 *
 * Written by hand, since an async generator costs twice as much for each value.
 */
export class PullIterator<V> implements AsyncIterableIterator<V, undefined> {
  readonly #source: PullSource<V>;
  /** Functions that each end one call of `next`. */
  readonly #pending = new Set<() => void>();
  #returned = false;

  constructor(source: PullSource<V>) {
    this.#source = source;
  }

  next(): Promise<Result<V>> {
    if (this.#returned) return Promise.resolve(DONE);
    return this.#source.next() ?? this.#wait();
  }

  /** Called at a `break`: pending calls of `next` resolve with the end. */
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
