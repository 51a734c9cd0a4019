/** The functions to call when a signal aborts, in the order of registration. Empty sets are kept for the next call. */
const calls = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Registers a function that is called once, when a signal aborts. The package adds at most one listener to a signal,
 * and none while no call waits: applications end all of their calls with one signal, and Node reports more than ten
 * listeners of a signal as a leak.
 *
 * @param signal a signal that has not aborted yet
 * @param call a function used by this registration alone: the same one registered twice would be called once
 * @returns removes the registration; may be called more than once, and after the abort
 */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  let waiting = calls.get(signal);
  if (waiting === undefined) {
    waiting = new Set();
    calls.set(signal, waiting);
  }
  if (waiting.size === 0) signal.addEventListener("abort", callAll);
  waiting.add(call);
  const all = waiting;
  return () => {
    if (all.delete(call) && all.size === 0) signal.removeEventListener("abort", callAll);
  };
}

function callAll({ target }: Event): void {
  const signal = target as AbortSignal;
  signal.removeEventListener("abort", callAll);
  const waiting = calls.get(signal);
  for (const call of waiting ?? []) {
    // A function removed by an earlier one is not called.
    waiting?.delete(call);
    try {
      call();
    } catch (error) {
      // As with separate listeners, the others are still called.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
