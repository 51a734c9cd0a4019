import { isMainThread } from "node:worker_threads";
import { reapClosed } from "./reap-closed.ts";

/** What must be closed before its thread ends. */
export interface Closable {
  closeNow(): void;
  /** Closes what watches the closing; called when that is done. */
  closeMonitor?(): void;
}

/**
 * Every open channel of this thread. It keeps them from being garbage-collected, which would close
 * them silently.
 */
const open = new Set<Closable>();
let watching = false;

/** Remembers an open channel until {@link forgetChannel}. */
export function rememberChannel(channel: Closable): void {
  open.add(channel);
  if (watching || isMainThread) return;
  watching = true;
  // A worker thread that ends with an operation pending aborts the whole process.
  process.on("exit", closeAllChannels);
}

/** The channel was closed. */
export function forgetChannel(channel: Closable): void {
  open.delete(channel);
}

/**
 * Closes what is still open in this thread.
 *
 * A monitor goes last: libzmq waits for ever to tell it that its socket has ended, and all sockets of
 * the process with it. But it must go: one that waits for events when the thread ends aborts the process.
 */
export function closeAllChannels(): void {
  const closing = [...open];
  for (const channel of closing) channel.closeNow();
  const monitored = closing.filter(({ closeMonitor }) => closeMonitor !== undefined);
  if (monitored.length === 0) return;
  reapClosed();
  for (const channel of monitored) channel.closeMonitor?.();
}
