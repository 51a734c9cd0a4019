import { unknown } from "../../options.ts";
import { checkWaitOptions, WAIT_OPTIONS, type WaitOptions, wait } from "../../wait.ts";
import { closedError } from "../queue/receive-queue.ts";

/** A listener of an event; it receives the event's object. */
export type Listener<E> = (event: E) => void;

/**
 * Typed events without the extras of Node's EventEmitter: no special `error` event, no limit of listeners, no `this`.
 *
 * A listener that throws does not disturb the socket: its error surfaces as an uncaught exception.
 */
export class Events<M> {
  readonly #listeners = new Map<keyof M, Set<Listener<never>>>();
  readonly #names: readonly string[] | null;
  #tap: (<K extends keyof M>(name: K, event: M[K]) => void) | null = null;

  /** @param names the names of all existing events; default: any name */
  constructor(names: readonly (keyof M & string)[] | null = null) {
    this.#names = names;
  }

  /** Passes every event to `listener`, before the listeners of its name. */
  tap(listener: <K extends keyof M>(name: K, event: M[K]) => void): void {
    this.#tap = listener;
  }

  /**
   * Adds a listener.
   *
   * @returns removes the listener again
   * @throws TypeError for an unknown event, or a listener that is not a function
   */
  on<K extends keyof M>(name: K, listener: Listener<M[K]>): () => void {
    this.#checkName("on", name);
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

  /**
   * Resolves with the next event of this name.
   *
   * @param whenClosed registers a function to call when no more events come; returns a function that removes it
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason
   */
  async next<K extends keyof M>(
    name: K,
    options: WaitOptions | undefined,
    whenClosed: (end: () => void) => () => void,
  ): Promise<M[K]> {
    this.#checkName("once", name);
    checkWaitOptions("once", options, WAIT_OPTIONS);
    let forget = (): void => {};
    try {
      return await wait<M[K]>(`once ${JSON.stringify(name)}`, options, ({ resolve, reject }) => {
        const removals = [this.on(name, resolve), whenClosed(() => reject(closedError()))];
        forget = () => {
          for (const remove of removals) remove();
        };
        return () => {};
      });
    } finally {
      forget();
    }
  }

  #checkName(call: string, name: unknown): void {
    if (this.#names === null || this.#names.includes(name as string)) return;
    throw unknown(`${call}: unknown event`, String(name), this.#names);
  }

  /** @returns whether the event has a listener */
  emit<K extends keyof M>(name: K, event: M[K]): boolean {
    if (this.#tap !== null) attempt(this.#tap, name, event);
    const listeners = this.#listeners.get(name);
    if (listeners === undefined || listeners.size === 0) return false;
    for (const listener of [...listeners]) attempt(listener as Listener<M[K]>, event);
    return true;
  }
}

/** Calls a listener without disturbing the socket: an error that it throws is an uncaught exception. */
function attempt<A extends readonly unknown[]>(listener: (...of: A) => void, ...of: A): void {
  try {
    listener(...of);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
