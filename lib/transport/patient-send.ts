import type { Channel } from "./channel.ts";
import { errnoOf, type NativeMessage } from "./native.ts";

/** Pauses between tries grow from one to so many milliseconds. */
const PAUSE_MS_MAX = 16;
/** Tries that only wait for the next turn of the event loop, before there are pauses (count). */
const TURNS = 4;

/**
 * Sends where the native socket says "not now" at once instead of waiting: a ROUTER whose peer is at its
 * high-water mark, an XPUB that must not drop. ZeroMQ does not tell when there is room for one peer
 * again, so it is tried again after short, growing pauses.
 *
 * Several sends may be under way, to different peers. The native socket has `sendTimeout` 0.
 *
 * @param waitMsMax how long to try (milliseconds)
 * @throws what the native socket throws, except for EAGAIN before `waitMsMax`
 */
export async function patientSend(
  channel: Channel,
  message: NativeMessage,
  waitMsMax: number = Number.POSITIVE_INFINITY,
): Promise<void> {
  let waitedMs = 0;
  for (let tries = 0; ; tries++) {
    try {
      await channel.send(message);
      return;
    } catch (error) {
      if (errnoOf(error) !== "EAGAIN" || channel.closed || waitedMs >= waitMsMax) throw error;
    }
    if (tries < TURNS) await new Promise((resolve) => setImmediate(resolve));
    else {
      const pauseMs = Math.min(PAUSE_MS_MAX, 2 ** (tries - TURNS));
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      waitedMs += pauseMs;
    }
  }
}
