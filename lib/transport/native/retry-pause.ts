/** First pause (milliseconds). */
const PAUSE_MS = 100;
/** Longest pause, to which up to as much is added at random: 2 s, as with libzmq (milliseconds). */
const PAUSE_MS_MAX = 1_000;

/**
 * How long to wait before an address is dialled, or a name resolved, once more: twice as long each time, and jittered.
 *
 * @param tries those that have failed since the last success (count)
 * @returns milliseconds
 */
export function retryPauseMs(tries: number): number {
  return Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** tries) * (1 + Math.random());
}
