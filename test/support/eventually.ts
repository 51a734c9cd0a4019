import "./plain-ok.ts";
import { setTimeout as delay } from "node:timers/promises";
import { WATCHDOG_MS } from "./watchdog.ts";

/** Between two looks of {@link eventually} (milliseconds): no result depends on it. */
const PAUSE_MS = 2;
/** Between two actions of {@link repeatUntil} (milliseconds): no result depends on it. */
const REPEAT_MS = 10;

/**
 * Waits until `check` no longer throws.
 *
 * @param watchdogMs only a hang reaches it (milliseconds)
 * @returns what `check` returned
 * @throws what `check` threw last, when it never succeeds
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  watchdogMs: number = WATCHDOG_MS,
): Promise<T> {
  const deadlineMs = performance.now() + watchdogMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
    }
    await delay(PAUSE_MS);
  }
}

/**
 * Does something again and again until something else has happened: for what may be lost on its way, such as a message
 * that another peer has got. It polls: the pause between two actions spares the processor, and decides nothing.
 *
 * @param action done at least once, and awaited before the next time
 * @throws what `action` throws, and what `until` is rejected with
 */
export async function repeatUntil(action: () => unknown, until: Promise<unknown>): Promise<void> {
  let isOver = false;
  const over = until.finally(() => {
    isOver = true;
  });
  over.catch(() => {}); // rethrown below, when the action under way has ended
  do {
    await action();
    await Promise.race([over, delay(REPEAT_MS)]);
  } while (!isOver);
  await over;
}

/** Lets everything run that is due in this turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
