import { type WaitOptions, wait } from "../../wait.ts";

/** One call of `drain`. */
interface Drain<P> {
  readonly isOver: (progress: P) => boolean;
  readonly resolve: () => void;
}

/** The calls of `drain` that wait, each for a condition of its own. */
export class DrainTracker<P = void> {
  readonly #drains = new Set<Drain<P>>();
  #closed = false;

  /**
   * @param isOver asked at each {@link check}, and not before
   * @returns resolves when it is over, or the tracker is closed; rejects as `wait` does
   */
  until(isOver: (progress: P) => boolean, options: WaitOptions | undefined): Promise<void> {
    return wait<void>("drain", options, ({ resolve }) => {
      const drain = { isOver, resolve };
      if (this.#closed) resolve();
      else this.#drains.add(drain);
      return () => this.#drains.delete(drain);
    });
  }

  /** Something has changed. */
  check(progress: P): void {
    for (const drain of this.#drains) if (drain.isOver(progress)) this.#end(drain);
  }

  /** Resolves every pending drain, and those to come. */
  close(): void {
    this.#closed = true;
    for (const drain of this.#drains) this.#end(drain);
  }

  #end(drain: Drain<P>): void {
    this.#drains.delete(drain);
    drain.resolve();
  }
}
