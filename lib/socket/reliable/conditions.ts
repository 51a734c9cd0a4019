import { type WaitOptions, wait } from "../../wait.ts";

interface Waiting {
  readonly isDone: () => boolean;
  readonly resolve: () => void;
}

/** Calls that wait until something is true. */
export class Conditions {
  readonly #waiting: Waiting[] = [];
  #closed = false;

  /** @returns resolves when `isDone` is true at a `check`, or all is closed; rejects as `wait` does */
  until(isDone: () => boolean, options: WaitOptions | undefined): Promise<void> {
    if (isDone() || this.#closed) return Promise.resolve();
    return wait<void>("drain", options, ({ resolve }) => {
      const waiting = { isDone, resolve };
      this.#waiting.push(waiting);
      return () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      };
    });
  }

  /** Something has changed. */
  check(): void {
    for (const waiting of this.#waiting.filter(({ isDone }) => isDone())) {
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      waiting.resolve();
    }
  }

  /** Ends every wait. */
  close(): void {
    this.#closed = true;
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }
}
