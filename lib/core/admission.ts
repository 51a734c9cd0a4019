import { BrokerlessError, type ErrorCode } from "../errors.ts";
import { quiet, type WaitOptions, wait } from "../wait.ts";
import { OutgoingChecks } from "./outgoing-checks.ts";
import { DrainTracker } from "./queue/drain-tracker.ts";
import { closedError } from "./queue/receive-queue.ts";
import { NOT_QUEUED, type Queued, WaitQueue } from "./queue/wait-queue.ts";
import type { Schema } from "./schema.ts";

/** What `send` returns for a message that is accepted: one promise for all, since nobody can tell them apart. */
export const ACCEPTED: Promise<void> = Promise.resolve();

/** Codes of messages that are refused for what they are. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  "BROKERLESS_CODEC",
  "BROKERLESS_SCHEMA",
  "BROKERLESS_TOO_LARGE",
]);

/** A message at the door. `T` is what its call asks for beside: a topic, a level of confirmation. */
export interface Admitted<T> {
  /** Where it is encoded, the bytes: as it was at the call, however long it waits. */
  readonly value: unknown;
  readonly isEncoded: boolean;
  readonly terms: T;
}

/** What is behind an {@link Admission}. */
export interface AdmissionOptions<T> {
  readonly schema: Schema | null;
  /** Whether there is no room now. */
  readonly isFull: () => boolean;
  /** There is no room. @returns whether there is now */
  readonly makeRoom: () => boolean;
  /** Whether the message takes room: one that is there already does not. Asked where there is none. */
  readonly takesRoom: (terms: T) => boolean;
  /** What a call gets that finds no room; null: it waits. */
  readonly fullError: () => BrokerlessError | null;
  /** @throws BrokerlessError `BROKERLESS_CODEC`, `_TOO_LARGE` */
  readonly encode: (value: unknown) => Buffer;
  /** Takes a message. @returns resolves at the level of its call @throws BrokerlessError as `encode` */
  readonly add: (message: Admitted<T>) => Promise<void>;
  /** A message was refused at `send`; its promise rejects too, but perhaps nobody looks at it. */
  readonly onRefused: (error: BrokerlessError) => void;
}

/** One for all calls: three functions for each would be half of what a call takes. */
const NOTHING = (): void => {};

/** A call of `send` that is not admitted at once. */
interface Call<T> extends Admitted<T>, Queued<Call<T>> {
  value: unknown;
  isEncoded: boolean;
  /** Its time limit or its signal ended it. */
  isGivenUp: boolean;
  /** How many had waited for room before it, and itself (count); 0 where it has not. */
  number: number;
  /** Ends its check, where one is under way. */
  endCheck: () => void;
  resolve: (accepted: Promise<void>) => void;
  reject: (error: unknown) => void;
}

/**
 * The first stages of every way out: the schema, what is refused, and the queue of those who wait for room.
 *
 * Invariant: messages are admitted in the order in which their `send` was called; while one call is checked or waits,
 * all later ones wait behind it, but for those that add nothing.
 *
 * Who owns it adds a message that finds it {@link isOpen} itself: what is sent most needs nothing of this.
 */
export class Admission<T> {
  readonly #options: AdmissionOptions<T>;
  readonly #checks: OutgoingChecks;
  readonly #waiting = new WaitQueue<Call<T>>();
  readonly #drains = new DrainTracker();
  /** Calls that had to wait for room, ever (count). */
  #waits = 0;
  #refused = 0;
  #admitting = false;
  #closed = false;
  /** Whether messages need no check: there is no schema, and nothing is closed. */
  #isUnchecked: boolean;

  constructor(options: AdmissionOptions<T>) {
    this.#options = options;
    this.#checks = new OutgoingChecks(options.schema);
    this.#isUnchecked = options.schema === null;
  }

  /** Whether a message needs nothing but room. */
  get isOpen(): boolean {
    return this.#isUnchecked && this.#waiting.size === 0;
  }

  /** Calls that wait for room (count). */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether calls wait for the schema. */
  get isChecking(): boolean {
    return this.#checks.underWay !== null;
  }

  /** Messages that were refused for what they are (count). */
  get refused(): number {
    return this.#refused;
  }

  /**
   * Admits a message when it is checked and there is room. The time limit and the signal end a call; a message that
   * was admitted before is on its way nevertheless.
   *
   * @returns resolves at the level of the call; rejects with `BROKERLESS_CODEC`, `_SCHEMA`, `_TOO_LARGE`, `_CLOSED`,
   * `_TIMEOUT`, what `fullError` and `add` say, or the signal's reason
   */
  send(value: unknown, terms: T, options?: WaitOptions): Promise<void> {
    return quiet(this.#send(value, terms, options));
  }

  /**
   * Whether a message can be added now, for a call that does not wait.
   *
   * @throws BrokerlessError `BROKERLESS_SCHEMA`, `_CLOSED`; TypeError where the schema is asynchronous
   */
  hasRoomFor(value: unknown): boolean {
    if (this.#closed) throw closedError();
    this.#checks.checkNow(value);
    if (this.#waiting.size > 0 || this.isChecking) return false;
    return !this.#options.isFull() || this.#options.makeRoom();
  }

  /** Reports an error that is about the message. @returns the error */
  refuse(error: unknown): unknown {
    if (error instanceof BrokerlessError && REFUSALS.has(error.code)) {
      this.#refused += 1;
      this.#options.onRefused(error);
    }
    return error;
  }

  /** There may be room: admits who waits, in order. Drains may be over too. */
  admit(): void {
    // Making room ends here again.
    if (this.#admitting) return;
    this.#admitting = true;
    while (this.#hasRoomForNext()) {
      const call = this.#waiting.next();
      if (call === null) break;
      try {
        call.resolve(this.#options.add(call));
      } catch (error) {
        call.reject(error);
      }
      this.#drains.check();
    }
    this.#admitting = false;
    this.#drains.check();
  }

  /**
   * Waits for the calls made before, whether they are admitted or end otherwise, and then for what is accepted by then.
   *
   * @param begin called when these calls are over; says how to see whether the drain is, at each {@link admit}
   */
  drain(options: WaitOptions | undefined, begin: () => () => boolean): Promise<void> {
    let waits: number | null = null;
    let isOver: (() => boolean) | null = null;
    const drained = this.#drains.until(() => {
      const waitsFrom = this.#waiting.first?.number ?? this.#waits + 1;
      if (waits === null || waitsFrom <= waits) return false;
      isOver ??= begin();
      return isOver();
    }, options);
    const start = (): void => {
      waits = this.#waits;
      this.#drains.check();
    };
    const checks = this.#checks.underWay;
    if (checks === null) start();
    else checks.then(start, start);
    return drained;
  }

  /** Every waiting call rejects, drains too, and every later one. */
  close(): void {
    this.#closed = true;
    this.#isUnchecked = false;
    this.#checks.close();
    for (const call of this.#waiting.clear()) call.reject(closedError());
    this.#drains.close();
  }

  async #send(value: unknown, terms: T, options: WaitOptions | undefined): Promise<void> {
    options?.signal?.throwIfAborted();
    const call = newCall(value, terms);
    const admitted = this.#check(call);
    const isLimited = options?.timeoutMs !== undefined || options?.signal !== undefined;
    if (admitted === ACCEPTED || !isLimited) return admitted;
    return wait<void>("send", options, ({ resolve, reject }) => {
      admitted.then(resolve, reject);
      return () => this.#giveUp(call);
    });
  }

  /** No await where none is needed: messages leave in the order of the calls. */
  #check(call: Call<T>): Promise<void> {
    if (this.#closed) throw closedError();
    try {
      const check = this.#checks.check(call.value);
      if (check === null) return this.#enter(call);
      call.endCheck = check.end;
      this.#encode(call);
      return this.#enterChecked(call, check.turn);
    } catch (error) {
      throw this.refuse(error);
    }
  }

  async #enterChecked(call: Call<T>, checked: Promise<unknown>): Promise<void> {
    try {
      await checked;
    } catch (error) {
      throw this.refuse(error);
    }
    if (!call.isGivenUp) await this.#enter(call);
  }

  #enter(call: Call<T>): Promise<void> {
    if (this.#closed) throw closedError();
    const { isFull, makeRoom, takesRoom, fullError, add } = this.#options;
    const isNext = this.#waiting.size === 0;
    if ((isNext && !isFull()) || !takesRoom(call.terms)) return add(call);
    if (isNext && makeRoom()) return add(call);
    const error = fullError();
    if (error !== null) throw error;
    this.#encode(call);
    return new Promise((resolve, reject) => {
      this.#waits += 1;
      call.number = this.#waits;
      call.resolve = resolve;
      call.reject = reject;
      this.#waiting.join(call);
    });
  }

  #hasRoomForNext(): boolean {
    const { first } = this.#waiting;
    if (first === null) return false;
    const { isFull, makeRoom, takesRoom } = this.#options;
    return !isFull() || !takesRoom(first.terms) || makeRoom();
  }

  /** What is sent is the value as it is now, however long it waits. */
  #encode(call: Call<T>): void {
    if (call.isEncoded) return;
    call.value = this.#options.encode(call.value);
    call.isEncoded = true;
  }

  #giveUp(call: Call<T>): void {
    call.isGivenUp = true;
    // Those behind it need not wait for its check.
    call.endCheck();
    this.#waiting.leave(call);
    // For the next there may be room.
    this.admit();
  }
}

function newCall<T>(value: unknown, terms: T): Call<T> {
  return {
    ...NOT_QUEUED,
    value,
    terms,
    isEncoded: false,
    isGivenUp: false,
    number: 0,
    endCheck: NOTHING,
    resolve: NOTHING,
    reject: NOTHING,
  };
}
