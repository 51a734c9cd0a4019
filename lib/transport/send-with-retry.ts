import type { Channel } from "./channel.ts";
import { errnoOf, type NativeMessage } from "./native/native.ts";

/** Pauses between tries grow from one to so many milliseconds. */
const PAUSE_MS_MAX = 16;
/** Tries that only wait for the next turn of the event loop, before there are pauses (count). */
const TURNS = 4;

/**
 * Back-off of a send whose peer had no room. Pure.
 *
 * @param tries how often it was tried before this time (count)
 * @returns milliseconds; 0: until the next turn of the event loop
 */
export function pauseMs(tries: number): number {
  return tries < TURNS ? 0 : Math.min(PAUSE_MS_MAX, 2 ** Math.min(tries - TURNS, 10));
}

/** Calls back after a pause. */
export function afterPause(delayMs: number, call: () => void): void {
  if (delayMs === 0) setImmediate(call);
  else setTimeout(call, delayMs);
}

/**
 * Sends where the native socket says "not now" at once instead of waiting: a ROUTER whose peer is at its
 * high-water mark, an XPUB that must not drop. ZeroMQ does not tell when there is room for one peer
 * again, so it is tried again after short, growing pauses.
 *
 * Several sends may be under way, to different peers. The native socket has `sendTimeout` 0.
 *
 * @throws what the native socket throws, except for EAGAIN
 */
export async function sendWithRetry(channel: Channel, message: NativeMessage): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await channel.send(message);
      return;
    } catch (error) {
      if (errnoOf(error) !== "EAGAIN" || channel.closed) throw error;
    }
    await new Promise<void>((resolve) => afterPause(pauseMs(tries), resolve));
  }
}
