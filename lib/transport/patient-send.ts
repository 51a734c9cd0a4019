import type { Channel } from "./channel.ts";
import { errnoOf, type NativeMessage } from "./native.ts";

/** Pauses between tries grow from one to so many milliseconds. */
const PAUSE_MS_MAX = 16;
/** Tries that only wait for the next turn of the event loop, before there are pauses (count). */
const TURNS = 4;

/** When {@link patientSend} gives up. */
export interface Patience {
  /** How long to try (milliseconds). Default: for ever. */
  readonly waitMsMax?: number;
  /** Asked before each further try. Default: always. */
  readonly isWanted?: () => boolean;
}

/**
 * Sends where the native socket says "not now" at once instead of waiting: a ROUTER whose peer is at its
 * high-water mark, an XPUB that must not drop, a message that may be given up before ZeroMQ has it.
 * ZeroMQ does not tell when there is room for one peer again, so it is tried again after short, growing
 * pauses.
 *
 * Several sends may be under way, to different peers. The native socket has `sendTimeout` 0.
 *
 * @throws what the native socket throws, except for EAGAIN while patience lasts
 */
export async function patientSend(
  channel: Channel,
  message: NativeMessage,
  { waitMsMax = Number.POSITIVE_INFINITY, isWanted = () => true }: Patience = {},
): Promise<void> {
  let waitedMs = 0;
  for (let tries = 0; ; tries++) {
    // Makes ZeroMQ look first whether the peer is still there: a send alone looks only now and then.
    void channel.native.writable;
    try {
      await channel.send(message);
      return;
    } catch (error) {
      if (errnoOf(error) !== "EAGAIN" || channel.closed || waitedMs >= waitMsMax) throw error;
      waitedMs += await pause(tries);
      if (!isWanted()) throw error;
    }
  }
}

/** @returns how long it was, turns of the event loop not counted (milliseconds) */
async function pause(tries: number): Promise<number> {
  if (tries < TURNS) {
    await new Promise((resolve) => setImmediate(resolve));
    return 0;
  }
  const pauseMs = Math.min(PAUSE_MS_MAX, 2 ** (tries - TURNS));
  await new Promise((resolve) => setTimeout(resolve, pauseMs));
  return pauseMs;
}
