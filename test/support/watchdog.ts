/** Far longer than anything that a test waits for, on the busiest machine: only a hang reaches it (milliseconds). */
export const WATCHDOG_MS = 300_000;
