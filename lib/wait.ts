import { BrokerlessError } from "./errors.ts";
import { lastLook } from "./last-look.ts";
import { onAbort } from "./on-abort.ts";
import { checkNames, expected } from "./options.ts";

/** Limits of a call that waits. */
export interface WaitOptions {
  /**
   * Time limit (milliseconds, fractions allowed). When it has passed, the call takes what has arrived by then; if
   * nothing has, it rejects with `BROKERLESS_TIMEOUT`. This holds for 0 too. Default: no limit.
   */
  readonly timeoutMs?: number | undefined;
  /** Ends the wait when it aborts: the call rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** The names of {@link WaitOptions}. */
export const WAIT_OPTIONS: readonly string[] = ["timeoutMs", "signal"];

/** The resolve and reject functions of a call that waits. */
export interface Settle<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

const NO_OPTIONS: WaitOptions = Object.freeze({});
/** Longest delay of a Node timer (milliseconds); with a longer one a timer fires at once. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/**
 * Marks a rejection of `promise` as handled, so that it does not end the process when no caller awaits it. A caller
 * that awaits it gets the rejection as usual.
 *
 * For calls that may reject because of a later action of their caller, such as `close`.
 */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/**
 * A promise that a time limit or an abort can end. At the time limit everything that had arrived before is read first.
 *
 * @param what the awaited event, for the error text
 * @param start begins the wait; returns a function that cancels it, called when a limit ends the wait
 * @throws TypeError at once for wrong options
 */
export function wait<T>(
  what: string,
  options: WaitOptions | undefined,
  start: (settle: Settle<T>) => () => void,
): Promise<T> {
  const { timeoutMs, signal } = checkWaitOptions(what, options);
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise<T>((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    let forget = (): void => {};
    let settled = false;
    let cancel = (): void => {};
    let unlisten = (): void => {};
    const end = (): void => {
      settled = true;
      clearTimeout(timer);
      forget();
      unlisten();
    };
    const giveUp = (reason: unknown): void => {
      end();
      cancel();
      reject(reason);
    };
    cancel = start({
      resolve: (value) => {
        end();
        resolve(value);
      },
      reject: (reason) => {
        end();
        reject(reason);
      },
    });
    if (settled) return;
    if (signal !== undefined) unlisten = onAbort(signal, () => giveUp(signal.reason));
    if (timeoutMs === undefined) return;
    const onLimit = (): void =>
      giveUp(new BrokerlessError("BROKERLESS_TIMEOUT", `${what}: not within ${timeoutMs} ms`));
    timer = setTimeout(() => {
      forget = lastLook(onLimit);
    }, timeoutMs);
  });
}

/**
 * @param known the names of all options of the call; without it, other names are ignored
 * @throws TypeError for a value that is not a {@link WaitOptions}, or has an unknown name
 */
export function checkWaitOptions(
  what: string,
  options: WaitOptions | undefined,
  known?: readonly string[],
): WaitOptions {
  if (options === undefined) return NO_OPTIONS;
  if (known !== undefined) checkNames(what, options, known);
  if (typeof options !== "object" || options === null) {
    throw expected(`${what}: options`, "an object", options);
  }
  const { timeoutMs, signal } = options;
  const limited = typeof timeoutMs === "number" && timeoutMs >= 0 && timeoutMs <= TIMEOUT_MS_MAX;
  if (timeoutMs !== undefined && !limited) {
    throw expected(`${what}: timeoutMs`, `a number from 0 to ${TIMEOUT_MS_MAX}`, timeoutMs);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw expected(`${what}: signal`, "an AbortSignal", signal);
  }
  return options;
}
