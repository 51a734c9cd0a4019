/** Who is to be told when a signal aborts, in the order of asking. Empty ones stay, for the next call. */
const calls = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Has a function called, once, when a signal aborts. However many ask for it, a signal has one listener of ours, and
 * none while nobody waits: an application ends all of its calls with one signal, and Node takes more than ten listeners
 * of a signal for a leak.
 *
 * @param signal has not aborted yet
 * @param call a function of this call alone: the same one twice would be told once
 * @returns what forgets the function; may be called again, and when it was called
 */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  let waiting = calls.get(signal);
  if (waiting === undefined) {
    waiting = new Set();
    calls.set(signal, waiting);
  }
  if (waiting.size === 0) signal.addEventListener("abort", tellAll);
  waiting.add(call);
  const all = waiting;
  return () => {
    if (all.delete(call) && all.size === 0) signal.removeEventListener("abort", tellAll);
  };
}

function tellAll({ target }: Event): void {
  const signal = target as AbortSignal;
  signal.removeEventListener("abort", tellAll);
  const waiting = calls.get(signal);
  for (const call of waiting ?? []) {
    // Whom it makes forget others, these are not told.
    waiting?.delete(call);
    try {
      call();
    } catch (error) {
      // As if each had a listener of its own: the others are told all the same.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
