import type { Clock } from "../../clock.ts";
import { DONE, PullIterator } from "../../core/queue/pull-iterator.ts";
import { closedError } from "../../core/queue/receive-queue.ts";
import { Turns } from "../../core/queue/turns.ts";
import { NOT_QUEUED, type Queued, WaitQueue } from "../../core/queue/wait-queue.ts";
import { checkWaitOptions, quiet, WAIT_OPTIONS, type WaitOptions, wait } from "../../wait.ts";
import { type KeepOptions, KeptValues } from "./kept-values.ts";

/** Values, and the bytes of the frames that were read for them. */
export interface FreshValues<T> {
  readonly values: readonly T[];
  readonly bytes: number;
}

/** Dependencies of {@link FreshQueue}. */
export interface FreshQueueOptions<T> extends KeepOptions<T> {
  readonly clock: Clock;
  readonly read: () => Promise<FreshValues<T>>;
}

/** A consumer that waits for one value, or for all. */
interface Waiter<T> extends Queued<Waiter<T>> {
  readonly isForAll: boolean;
  readonly give: (values: T[]) => void;
  readonly end: () => void;
  readonly fail: (error: unknown) => void;
}

/**
 * In place of a `ReceiveQueue`, where values may be replaced or become too old while they wait.
 *
 * Reads whether a consumer waits or not, since only what was read is known: from its construction to the bounds of
 * {@link KeptValues}. Where these are reached it stops, and ZeroMQ's queue fills, until something is taken or has become
 * too old. A value is handed to a consumer at the moment at which it asks.
 */
export class FreshQueue<T> {
  readonly #clock: Clock;
  readonly #read: FreshQueueOptions<T>["read"];
  readonly #maxAgeMs: number;
  readonly #kept: KeptValues<T>;
  readonly #waiters = new WaitQueue<Waiter<T>>();
  readonly #turns = new Turns();
  #isReading = false;
  #isClosed = false;
  /** Ends the wait for room; null where none is under way. */
  #onRoom: (() => void) | null = null;

  constructor(options: FreshQueueOptions<T>) {
    this.#clock = options.clock;
    this.#read = options.read;
    this.#maxAgeMs = options.maxAgeMs;
    this.#kept = new KeptValues(options);
    void this.#fill();
  }

  /** Values in whose place a newer one was delivered (count). */
  get replaced(): number {
    return this.#kept.replaced;
  }

  /** Values that were too old (count). */
  get expired(): number {
    return this.#kept.expired;
  }

  /** @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason */
  receive(options: WaitOptions | undefined): Promise<T> {
    try {
      if (options !== undefined) checkWaitOptions("receive", options, WAIT_OPTIONS);
    } catch (error) {
      return quiet(Promise.reject(error));
    }
    const values = options?.signal?.aborted ? [] : this.#take(false);
    if (values.length > 0) return this.#hand(values[0]!);
    return quiet(
      wait<T>("receive", options, ({ resolve, reject }) =>
        this.#enqueue({
          ...NOT_QUEUED,
          isForAll: false,
          give: ([value]) => resolve(value!),
          end: () => reject(closedError()),
          fail: reject,
        }),
      ),
    );
  }

  /** One value at a time. Ends when the socket is closed. */
  values(): AsyncIterableIterator<T> {
    return this.#iterate(false, ([value]) => value!);
  }

  /** All values that wait at a time. Ends when the socket is closed. */
  batches(): AsyncIterableIterator<T[]> {
    return this.#iterate(true, (values) => values);
  }

  /** Ends every iteration and rejects every waiting `receive`. */
  close(): void {
    this.#isClosed = true;
    this.#kept.clear();
    this.#onRoom?.();
    for (const waiter of this.#waiters.clear()) waiter.end();
  }

  #iterate<R>(isForAll: boolean, resultOf: (values: T[]) => R): AsyncIterableIterator<R> {
    return new PullIterator<R>({
      next: () => {
        const values = this.#take(isForAll);
        return values.length === 0 ? null : this.#hand({ done: false, value: resultOf(values) });
      },
      wait: ({ resolve, reject }) =>
        this.#enqueue({
          ...NOT_QUEUED,
          isForAll,
          give: (values) => resolve({ done: false, value: resultOf(values) }),
          end: () => resolve(DONE),
          fail: reject,
        }),
    });
  }

  #take(isForAll: boolean): T[] {
    if (this.#kept.count === 0) return [];
    const nowMs = this.#clock.nowMs();
    const values = isForAll ? this.#kept.takeAll(nowMs) : this.#kept.take(nowMs);
    this.#onRoom?.();
    return values;
  }

  /** Resolves at once, or in the next turn of the event loop where this one has lasted too long. */
  async #hand<R>(result: R): Promise<R> {
    if (this.#turns.isOver) await this.#turns.next();
    return result;
  }

  #enqueue(waiter: Waiter<T>): () => void {
    if (this.#isClosed) {
      waiter.end();
      return () => {};
    }
    this.#waiters.join(waiter);
    void this.#fill();
    return () => void this.#waiters.leave(waiter);
  }

  /** Reads until the socket is closed, or cannot be read. The only reader of the socket. */
  async #fill(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (!this.#isClosed) {
        if (this.#turns.isOver) await this.#turns.next();
        while (this.#kept.isFull && !this.#isClosed) await this.#room();
        const { values, bytes } = await this.#read();
        if (this.#isClosed) return;
        if (values.length > 0) this.#kept.put(values, bytes, this.#clock.nowMs());
        this.#serve();
      }
    } catch (error) {
      if (!this.#isClosed) for (const waiter of this.#waiters.clear()) waiter.fail(error);
    } finally {
      this.#isReading = false;
    }
  }

  #serve(): void {
    for (let waiter = this.#waiters.first; waiter !== null; waiter = this.#waiters.first) {
      const values = this.#take(waiter.isForAll);
      if (values.length === 0) return;
      this.#waiters.leave(waiter);
      waiter.give(values);
    }
  }

  /** Resolves when something was taken, or may have become too old. */
  #room(): Promise<void> {
    return new Promise((resolve) => {
      let cancel = (): void => {};
      this.#onRoom = () => {
        this.#onRoom = null;
        cancel();
        resolve();
      };
      if (this.#maxAgeMs === Number.POSITIVE_INFINITY) return;
      // At its age alone a value is not too old yet.
      cancel = this.#clock.after(this.#maxAgeMs + 1, () => {
        this.#kept.expire(this.#clock.nowMs());
        this.#onRoom?.();
      });
    });
  }
}
