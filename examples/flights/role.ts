import type { Addresses, Order, Report, Task } from "./messages.ts";

/** The context of one process of the pipeline: its task, and its channel to the main process. */
export interface Role<T extends Task = Task> {
  readonly task: T;
  /** Resolves when all addresses are known. */
  readonly addresses: Promise<Addresses>;
  /** Aborts when the sink has everything. */
  readonly stop: AbortSignal;
  /** Aborts when no more workers are to be killed. */
  readonly spare: AbortSignal;
  readonly report: (report: Report) => void;
}

/**
 * Runs one process of the pipeline. An error thrown by `play` ends it, and is reported to the main process.
 *
 * The process ends by itself once its sockets are closed; it never outlives the main process.
 */
export async function runRole<T extends Task = Task>(
  play: (role: Role<T>) => Promise<void>,
): Promise<void> {
  const report = (message: Report) => {
    // If the main process has ended, `disconnect` reports it. The callback keeps a failed send from being an `error`
    // event of the process.
    if (process.connected) process.send?.(message, () => {});
  };
  // Not `exit`, which waits for a pending read, and that may be indefinitely from a pipe.
  const orphaned = () => process.kill(process.pid, "SIGKILL");
  process.once("disconnect", orphaned);
  // The main process may have ended while this one was loading: then there is no `disconnect` event.
  if (process.connected === false) orphaned();
  try {
    const task = JSON.parse(process.argv[2] ?? "") as T;
    await play({ task, report, ...listen() });
    process.off("disconnect", orphaned);
    process.disconnect();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.send?.({ kind: "failed", message } satisfies Report, () => process.exit(1));
  }
}

function listen(): Pick<Role, "addresses" | "stop" | "spare"> {
  const stop = new AbortController();
  const spare = new AbortController();
  const addresses = new Promise<Addresses>((resolve) => {
    process.on("message", (order: Order) => {
      if (order.kind === "connect") resolve(order.addresses);
      else if (order.kind === "spare") spare.abort();
      else stop.abort();
    });
  });
  return { addresses, stop: stop.signal, spare: spare.signal };
}

/** Calls `call` when `signal` aborts, or now if it has: a process may be stopped before it has begun. */
export function whenAborted(signal: AbortSignal, call: () => void): void {
  if (signal.aborted) call();
  else signal.addEventListener("abort", call, { once: true });
}

/** @returns a function that passes on the latest number it was given, at most ten times a second */
export function throttled(pass: (latest: number) => void): (latest: number) => void {
  let latest = 0;
  let isWaiting = false;
  const due = () => {
    isWaiting = false;
    pass(latest);
  };
  return (number) => {
    latest = number;
    if (isWaiting) return;
    isWaiting = true;
    setTimeout(due, 100).unref();
  };
}
