import { errnoOf } from "./native.ts";

/** Signals that come one after another while libzmq looks up once; more of them are a fault (count). */
const TRIES_MAX = 1_000;

/**
 * Calls libzmq again where a signal to the process ended the call before it did anything: that of a profiler, or of a
 * child process that has ended. zeromq.js does so itself for what it sends and receives, and not for what is asked of a socket.
 *
 * @param call changes nothing where it throws `EINTR`
 * @throws what the call throws otherwise
 */
export function uninterrupted<T>(call: () => T): T {
  for (let tries = 1; ; tries++) {
    try {
      return call();
    } catch (error) {
      if (errnoOf(error) !== "EINTR" || tries === TRIES_MAX) throw error;
    }
  }
}
