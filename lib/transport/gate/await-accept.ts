import { readSync } from "node:fs";
import type { Socket } from "node:net";

/**
 * Longest wait for libzmq's accept, which takes microseconds unless its thread does not get a core
 * (milliseconds).
 */
const ACCEPT_MS_MAX = 50;
/** Pause between two checks (milliseconds). */
const PAUSE_MS = 0.05;
const GREETING_BYTES_MAX = 64;
const NOT_YET: ReadonlySet<unknown> = new Set(["EAGAIN", "EWOULDBLOCK"]);

const pause = new Int32Array(new SharedArrayBuffer(4));

/**
 * Waits, without a turn of the event loop, until libzmq has accepted a connection, which its
 * greeting shows. The program could open the last descriptor in the next turn, and libzmq ends a
 * process that has none left for an accept.
 *
 * @param inner a connection to libzmq over a unix socket, begun just now; bytes read from it are
 *   put back
 * @returns whether it was accepted
 */
export function awaitAccept(inner: Socket): boolean {
  const fd = descriptorOf(inner);
  if (fd === null) return false;
  const greeting = Buffer.allocUnsafe(GREETING_BYTES_MAX);
  const untilMs = performance.now() + ACCEPT_MS_MAX;
  do {
    const bytes = tryRead(fd, greeting);
    if (bytes !== null && bytes > 0) inner.unshift(greeting.subarray(0, bytes));
    if (bytes !== null) return bytes > 0;
    Atomics.wait(pause, 0, 0, PAUSE_MS);
  } while (performance.now() < untilMs);
  return false;
}

/** @returns null where there are no bytes yet, 0 where none will come (bytes) */
function tryRead(fd: number, target: Buffer): number | null {
  try {
    return readSync(fd, target);
  } catch (error) {
    return NOT_YET.has((error as NodeJS.ErrnoException).code) ? null : 0;
  }
}

/**
 * Node's documented interface does not provide it. @returns null where there is none: no connection
 * was begun
 */
function descriptorOf(socket: Socket): number | null {
  const { _handle: handle } = socket as unknown as { readonly _handle: { fd?: number } | null };
  const fd = handle?.fd;
  return fd === undefined || fd < 0 ? null : fd;
}
