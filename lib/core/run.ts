import { onAbort } from "../on-abort.ts";
import { checkNames, expected } from "../options.ts";
import { checkWaitOptions } from "../wait.ts";

/** Options of `run` and `serve`. */
export interface RunOptions {
  /**
   * Most handler calls under way at the same time (count).
   *
   * @defaultValue 1 for `run`, 64 for `serve`
   */
  readonly concurrency?: number | undefined;
  /**
   * Stops taking messages when it aborts. The handler calls under way finish first; then the call rejects with
   * `signal.reason`.
   */
  readonly signal?: AbortSignal | undefined;
}

/** The names of {@link RunOptions}. */
export const RUN_OPTIONS: readonly string[] = ["concurrency", "signal"];

/** Upper limit of `concurrency` (count). */
const CONCURRENCY_MAX = 100_000;

/**
 * Calls `handle` for every item, `concurrency` at a time.
 *
 * @returns resolves when the items end
 * @throws the first error of `handle`, or the signal's reason; in either case after all calls have ended
 */
export async function runEach<V>(
  items: AsyncIterator<V, undefined>,
  handle: (item: V) => unknown,
  options: RunOptions,
): Promise<void> {
  checkNames("run", options, RUN_OPTIONS);
  const concurrency = checkConcurrency(options.concurrency ?? 1);
  const { signal } = checkWaitOptions("run", { signal: options.signal });
  signal?.throwIfAborted();
  let failure: { readonly error: unknown } | null = null;
  const stop = (): void => void items.return?.();
  const unlisten = signal === undefined ? null : onAbort(signal, stop);
  const lane = async (): Promise<void> => {
    try {
      for (;;) {
        const { done, value } = await items.next();
        if (done === true) return;
        await handle(value);
      }
    } catch (error) {
      failure ??= { error };
      stop();
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  unlisten?.();
  if (failure !== null) throw (failure as { readonly error: unknown }).error;
  signal?.throwIfAborted();
}

/** @throws TypeError for a value that is not a function */
export function checkHandler(call: string, handler: unknown): void {
  if (typeof handler !== "function") throw expected(`${call}: handler`, "a function", handler);
}

/** @throws TypeError unless the value is a whole number in the allowed range */
export function checkConcurrency(value: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= CONCURRENCY_MAX) return value;
  throw expected("concurrency", `a whole number from 1 to ${CONCURRENCY_MAX}`, value);
}
