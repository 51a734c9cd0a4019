import { errnoOf } from "./native.ts";

/** Consecutive interruptions of one call after which it counts as a fault (count). */
const TRIES_MAX = 1_000;

/**
 * Repeats a call of libzmq that a signal to the process interrupted before it did anything: the
 * signal of a profiler, or of a child process that has ended. zeromq.js does so itself for sends
 * and receives, but not for reading the state of a socket.
 *
 * @param call changes nothing where it throws `EINTR`
 * @throws the other errors of the call
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
