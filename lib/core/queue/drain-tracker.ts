import { type Settle, type WaitOptions, wait } from "../../wait.ts";
import { closedError } from "./receive-queue.ts";

/** One call of `drain`. */
interface Drain<P> extends Settle<void> {
  readonly isOver: (progress: P) => boolean;
}

/** The calls of `drain` that wait, each for a condition of its own. */
export class DrainTracker<P = void> {
  readonly #drains = new Set<Drain<P>>();
  #closed = false;

  /**
   * @param isOver asked at each {@link check}, and not before
   * @returns resolves when it is over; rejects with `BROKERLESS_CLOSED` where the tracker is closed first, and as `wait`
   * does
   */
  until(isOver: (progress: P) => boolean, options: WaitOptions | undefined): Promise<void> {
    return wait<void>("drain", options, ({ resolve, reject }) => {
      const drain = { isOver, resolve: () => resolve(), reject };
      if (this.#closed) reject(closedError());
      else this.#drains.add(drain);
      return () => this.#drains.delete(drain);
    });
  }

  /** Something has changed. */
  check(progress: P): void {
    for (const drain of this.#drains) {
      if (!drain.isOver(progress)) continue;
      this.#drains.delete(drain);
      drain.resolve();
    }
  }

  /** Rejects every pending drain, and those to come: what they wait for will not be. */
  close(): void {
    this.#closed = true;
    for (const drain of this.#drains) drain.reject(closedError());
    this.#drains.clear();
  }
}
