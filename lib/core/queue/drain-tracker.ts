import type { BrokerlessError } from "../../errors.ts";
import { type Settle, type WaitOptions, wait } from "../../wait.ts";
import { closedError } from "./receive-queue.ts";

/** One call of `drain`. */
interface Drain<P> extends Settle<void> {
  readonly isOver: (progress: P) => boolean;
}

/** The pending calls of `drain`, each with a condition of its own. */
export class DrainTracker<P = void> {
  readonly #drains = new Set<Drain<P>>();
  #closed: (() => BrokerlessError) | null = null;

  /**
   * Waits until a condition holds.
   *
   * @param isOver called at each {@link check}, and not before
   * @returns resolves when it returns true; rejects with `BROKERLESS_CLOSED` where the tracker is closed first, and as
   * `wait` does
   */
  until(isOver: (progress: P) => boolean, options: WaitOptions | undefined): Promise<void> {
    return wait<void>("drain", options, ({ resolve, reject }) => {
      const drain = { isOver, resolve: () => resolve(), reject };
      if (this.#closed !== null) reject(this.#closed());
      else this.#drains.add(drain);
      return () => this.#drains.delete(drain);
    });
  }

  /** Checks every condition. To be called after each change. */
  check(progress: P): void {
    for (const drain of this.#drains) {
      if (!drain.isOver(progress)) continue;
      this.#drains.delete(drain);
      drain.resolve();
    }
  }

  /** Rejects every pending drain, and every later one: their conditions will never hold. @param error what with */
  close(error: () => BrokerlessError = closedError): void {
    this.#closed = error;
    for (const drain of this.#drains) drain.reject(error());
    this.#drains.clear();
  }
}
