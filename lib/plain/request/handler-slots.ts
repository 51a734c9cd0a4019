import { checkConcurrency, checkHandler, RUN_OPTIONS, type RunOptions } from "../../core/run.ts";
import { onAbort } from "../../on-abort.ts";
import { checkNames } from "../../options.ts";
import { checkWaitOptions } from "../../wait.ts";

/** Default of `concurrency` in `serve` (count). */
const CONCURRENCY = 64;

/**
 * One call of `serve`: a handler, and the number of requests it may have at a time.
 *
 * Ends when it was stopped and the last handler call under way has ended.
 */
export class HandlerSlots<H> {
  readonly handler: H;
  /** Resolves at the end; rejects with the signal's reason where the signal ended it. */
  readonly ended: Promise<void>;
  readonly #concurrency: number;
  #settle: () => void = () => {};
  #unlisten: () => void = () => {};
  #active = 0;
  #stopped = false;

  /** @throws TypeError for wrong options; the signal's reason when it has aborted */
  constructor(handler: H, options: RunOptions) {
    checkHandler("serve", handler);
    checkNames("serve", options, RUN_OPTIONS);
    this.handler = handler;
    this.#concurrency = checkConcurrency(options.concurrency ?? CONCURRENCY);
    const { signal } = checkWaitOptions("serve", { signal: options.signal });
    signal?.throwIfAborted();
    this.ended = new Promise((resolve, reject) => {
      this.#settle = () => (signal?.aborted ? reject(signal.reason) : resolve());
    });
    if (signal !== undefined) this.#unlisten = onAbort(signal, this.stop);
  }

  /** Whether it has a free slot. */
  get free(): boolean {
    return !this.#stopped && this.#active < this.#concurrency;
  }

  begin(): void {
    this.#active += 1;
  }

  end(): void {
    this.#active -= 1;
    if (this.#stopped && this.#active === 0) this.#settle();
  }

  /** Accepts no more requests. */
  readonly stop = (): void => {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#unlisten();
    if (this.#active === 0) this.#settle();
  };
}
