/** Work goes on for so long in one turn of the event loop, before timers and other sockets get theirs (milliseconds). */
export const TURN_MS_MAX = 8;

/** Time as the package sees it: a port, so that tests play it. */
export interface Clock {
  /** A time that never goes back (milliseconds, with fractions). */
  nowMs(): number;
  /** The time of day (ms since 1970). */
  timeMs(): number;
  /** Calls back once, no earlier than after `delayMs`. @returns forgets it */
  after(delayMs: number, call: () => void): () => void;
}

/** Longest delay that a Node timer keeps (milliseconds). */
const DELAY_MS_MAX = 2 ** 31 - 1;

/** The time that everybody has. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  timeMs: () => Date.now(),
  after(delayMs, call) {
    const timer = setTimeout(call, Math.min(Math.max(delayMs, 0), DELAY_MS_MAX)).unref();
    return () => clearTimeout(timer);
  },
};
