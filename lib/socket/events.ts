/** Called with what happened. */
export type Listener<E> = (event: E) => void;

/**
 * Typed events with nothing else: no special `error` event, no limit, no `this`.
 *
 * A listener that throws does not disturb the socket: its error surfaces as an uncaught exception.
 */
export class Events<M> {
  readonly #listeners = new Map<keyof M, Set<Listener<never>>>();

  /** @returns removes the listener again */
  on<K extends keyof M>(name: K, listener: Listener<M[K]>): () => void {
    if (typeof listener !== "function") throw new TypeError("listener must be a function");
    let listeners = this.#listeners.get(name);
    if (listeners === undefined) {
      listeners = new Set();
      this.#listeners.set(name, listeners);
    }
    const added = listeners;
    added.add(listener as Listener<never>);
    return () => {
      added.delete(listener as Listener<never>);
    };
  }

  emit<K extends keyof M>(name: K, event: M[K]): void {
    const listeners = this.#listeners.get(name);
    if (listeners === undefined) return;
    for (const listener of [...listeners]) {
      try {
        (listener as Listener<M[K]>)(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
