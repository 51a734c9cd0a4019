/**
 * Longest stretch of work in one turn of the event loop, before timers and other sockets get their turn (milliseconds).
 */
export const TURN_MS_MAX = 8;

/** The package's port to time, so that tests can simulate it. */
export interface Clock {
  /** Monotonic time (milliseconds, with fractions). */
  nowMs(): number;
  /** The time of day (ms since 1970). */
  timeMs(): number;
  /** Calls back once, no earlier than after `delayMs`. @returns a function that cancels the call */
  after(delayMs: number, call: () => void): () => void;
}

/** Longest delay of a Node timer (milliseconds). */
const DELAY_MS_MAX = 2 ** 31 - 1;

/** The system's clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  timeMs: () => Date.now(),
  after(delayMs, call) {
    const timer = setTimeout(call, Math.min(Math.max(delayMs, 0), DELAY_MS_MAX)).unref();
    return () => clearTimeout(timer);
  },
};
