import type { Settle } from "../../wait.ts";

/** Calls of `send` that wait until their message is held or settled, by seq. */
export class Confirmations {
  readonly #waiters = new Map<number, Settle<void>>();

  /** Messages with waiting calls (count). */
  get count(): number {
    return this.#waiters.size;
  }

  /** Several calls may wait for one message. @param settle notified of its outcome */
  wait(seq: number, settle: Settle<void>): void {
    const before = this.#waiters.get(seq);
    this.#waiters.set(seq, before === undefined ? settle : both(before, settle));
  }

  /** Ends the waits for a range. @param error null: with success */
  settle(first: number, last: number, error: Error | null): void {
    const waiters = this.#waiters;
    if (waiters.size === 0) return;
    if (last - first > waiters.size) {
      for (const seq of [...waiters.keys()]) {
        if (seq >= first && seq <= last) this.#end(seq, error);
      }
    } else for (let seq = first; seq <= last; seq++) this.#end(seq, error);
  }

  #end(seq: number, error: Error | null): void {
    const waiter = this.#waiters.get(seq);
    if (waiter === undefined) return;
    this.#waiters.delete(seq);
    if (error === null) waiter.resolve();
    else waiter.reject(error);
  }

  /** Rejects every waiting call. */
  close(error: Error): void {
    for (const seq of [...this.#waiters.keys()]) this.#end(seq, error);
  }
}

function both(a: Settle<void>, b: Settle<void>): Settle<void> {
  return {
    resolve: (value) => {
      a.resolve(value);
      b.resolve(value);
    },
    reject: (reason) => {
      a.reject(reason);
      b.reject(reason);
    },
  };
}
