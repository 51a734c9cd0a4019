import type { Channel } from "./channel.ts";
import { errnoOf } from "./native/errno.ts";
import type { NativeMessage } from "./native/native.ts";

/** Upper limit of the pauses between attempts, which grow from one millisecond (milliseconds). */
const PAUSE_MS_MAX = 16;
/** Attempts that only wait for the next turn of the event loop, before there are pauses (count). */
const TURNS = 4;

/**
 * Back-off of a send whose peer had no room. Pure.
 *
 * @param tries earlier attempts (count)
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
 * Sends with retries on a native socket that fails at once instead of waiting: a ROUTER whose peer
 * is at its high-water mark, an XPUB that must not drop. ZeroMQ does not report when there is room
 * for one peer again, so the send is retried after short, growing pauses.
 *
 * Several sends, to different peers, may be in progress. The native socket has `sendTimeout` 0.
 *
 * @throws the errors of the native socket, except for EAGAIN
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
