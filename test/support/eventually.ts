import "./plain-ok.ts";
import { setTimeout as delay } from "node:timers/promises";
import { WATCHDOG_MS } from "./watchdog.ts";

const PAUSE_MS = 2;

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

/** Lets everything run that is due in this turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
