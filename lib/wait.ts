import { BrokerlessError } from "./errors.ts";
import { lastLook } from "./last-look.ts";
import { onAbort } from "./on-abort.ts";
import { checkNames, expected } from "./options.ts";

/** How long a call may wait. */
export interface WaitOptions {
  /**
   * Gives up with `BROKERLESS_TIMEOUT` after so long (milliseconds, in parts of one too), when it has looked once more: what is there by
   * then is taken, also with 0. Default: waits for ever.
   */
  readonly timeoutMs?: number | undefined;
  /** Gives up with `signal.reason` when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

/** The names of {@link WaitOptions}. */
export const WAIT_OPTIONS: readonly string[] = ["timeoutMs", "signal"];

/** The two ends of a call that waits. */
export interface Settle<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

const NO_OPTIONS: WaitOptions = Object.freeze({});
/** Longest delay that a Node timer keeps (milliseconds); beyond it a timer fires at once. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/**
 * Lets nobody await `promise`: its rejection then harms no process. Whoever awaits it gets it as usual.
 *
 * For calls that may reject because of something that their caller did later, such as `close`.
 */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/**
 * A promise that a time limit or an abort can end; the time limit when what had arrived before is looked at.
 *
 * @param what what is awaited, for the error text
 * @param start begins the wait; returns how to forget it when time or the caller ends it first
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
 * @param known the names of all options of a call; without it others are left alone
 * @throws TypeError for options that are not a {@link WaitOptions}, or an unknown one
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
