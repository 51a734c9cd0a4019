import type { Observer, Socket } from "zeromq";

/** Consecutive interruptions of one call after which it counts as a fault (count). */
const TRIES_MAX = 1_000;
/** Attempts to start a monitor whose name is still taken (count), and the pause between two (milliseconds). */
const NAME_TRIES_MAX = 100;
const NAME_PAUSE_MS = 1;

/** The errno name in a zeromq error, such as `EADDRINUSE`; empty where there is none. */
export function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/**
 * Repeats a call of libzmq that a signal to the process interrupted: the signal of a profiler, or
 * of a child process that has ended. zeromq.js 6.8 does so itself for sends, receives, binds and
 * `readable` and `writable`, but not for the other calls below.
 *
 * @param call has done nothing where it throws `EINTR`
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

/**
 * Connects. A second connect makes a second connection of most kinds of sockets, but libzmq can be
 * interrupted only where it looks for commands of its own threads, before it reads the address.
 *
 * @throws the other errors of `connect`
 */
export function connectTo(native: Pick<Socket, "connect">, address: string): void {
  uninterrupted(() => native.connect(address));
}

/**
 * Disconnects, or unbinds. Interrupted only before anything was done, as {@link connectTo}: a
 * repeat never fails with `ENOENT` because the call before it had succeeded.
 *
 * @throws the other errors of `disconnect`
 */
export function disconnectFrom(native: Pick<Socket, "disconnect">, address: string): void {
  uninterrupted(() => native.disconnect(address));
}

/** Binds at once. @throws the other errors of `bindSync` */
export function bindTo(native: Pick<Socket, "bindSync">, address: string): void {
  uninterrupted(() => native.bindSync(address));
}

/**
 * The monitor of a socket, which the first call starts. To start it is several calls of libzmq, of
 * which zeromq.js repeats none. An interruption of the last one leaves a monitor without a reader:
 * the next event, and even the end of the socket, would wait for a reader indefinitely. The repeat
 * replaces that monitor. It has to wait until another signal comes, as a profiler's does. The new
 * monitor may get the name of the old one, which libzmq frees only later, in a thread of its own.
 *
 * @throws the other errors of `events`
 * @see docs/decisions/0001-native-sockets.md
 */
export function monitorOf(native: Pick<Socket, "events">): Observer {
  for (let tries = 1; ; tries++) {
    try {
      return uninterrupted(() => native.events);
    } catch (error) {
      if (errnoOf(error) !== "EADDRINUSE" || tries === NAME_TRIES_MAX) throw error;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, NAME_PAUSE_MS);
  }
}
