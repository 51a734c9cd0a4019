import { isMainThread } from "node:worker_threads";

/** What must be closed before its thread ends. */
export interface Closable {
  closeNow(): void;
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

/** Closes what is still open in this thread. */
export function closeAllChannels(): void {
  for (const channel of [...open]) channel.closeNow();
}
