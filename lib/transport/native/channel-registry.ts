import { isMainThread } from "node:worker_threads";
import { reapClosed } from "./reap-closed.ts";

/** A resource that must be closed before its thread ends. */
export interface Closable {
  closeNow(): void;
  /** Closes the monitor of the closed resource, afterwards. */
  closeMonitor?(): void;
}

/**
 * Every open channel of this thread. The reference prevents garbage collection, which would close
 * them silently.
 */
const open = new Set<Closable>();
let watching = false;

/** Registers an open channel until {@link forgetChannel}. */
export function rememberChannel(channel: Closable): void {
  open.add(channel);
  if (watching || isMainThread) return;
  watching = true;
  // A worker thread that ends with a pending operation aborts the whole process.
  process.on("exit", closeAllChannels);
}

/** Removes a closed channel. */
export function forgetChannel(channel: Closable): void {
  open.delete(channel);
}

/**
 * Closes all open channels of this thread.
 *
 * Monitors are closed last, because libzmq waits indefinitely until it has reported the end of
 * their socket, which blocks all sockets of the process. But they must be closed: one that waits
 * for events when the thread ends aborts the process.
 */
export function closeAllChannels(): void {
  const closing = [...open];
  for (const channel of closing) channel.closeNow();
  const monitored = closing.filter(({ closeMonitor }) => closeMonitor !== undefined);
  if (monitored.length === 0) return;
  reapClosed();
  for (const channel of monitored) channel.closeMonitor?.();
}
