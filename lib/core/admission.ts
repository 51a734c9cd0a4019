import { BrokerlessError, type ErrorCode } from "../errors.ts";
import { quiet, type WaitOptions, wait } from "../wait.ts";
import { OutgoingChecks } from "./outgoing-checks.ts";
import { DrainTracker } from "./queue/drain-tracker.ts";
import { closedError } from "./queue/receive-queue.ts";
import { NOT_QUEUED, type Queued, WaitQueue } from "./queue/wait-queue.ts";
import type { Schema } from "./schema.ts";

/** The promise that `send` returns for a message accepted at once: shared by all calls, since callers cannot tell. */
export const ACCEPTED: Promise<void> = Promise.resolve();

/** Codes of errors caused by the message itself. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  "BROKERLESS_CODEC",
  "BROKERLESS_SCHEMA",
  "BROKERLESS_TOO_LARGE",
]);

/** A message that asks for admission. `T` holds the terms of its call: a topic, a confirm level. */
export interface Admitted<T> {
  /** The value, or with `isEncoded` its bytes as they were at the call, however long it has waited. */
  readonly value: unknown;
  readonly isEncoded: boolean;
  readonly terms: T;
}

/** Dependencies of {@link Admission}. */
export interface AdmissionOptions<T> {
  readonly schema: Schema | null;
  /** Whether there is no room at present. */
  readonly isFull: () => boolean;
  /** Called when there is no room. @returns whether there is room now */
  readonly makeRoom: () => boolean;
  /** Whether a message takes room: one that is already in the backlog does not. Called only when there is no room. */
  readonly takesRoom: (terms: T) => boolean;
  /** The error for a call that meets no room; null: the call waits. */
  readonly fullError: () => BrokerlessError | null;
  /** @throws BrokerlessError `BROKERLESS_CODEC`, `_TOO_LARGE` */
  readonly encode: (value: unknown) => Buffer;
  /** Accepts a message. @returns resolves at the confirm level of its call @throws BrokerlessError as `encode` */
  readonly add: (message: Admitted<T>) => Promise<void>;
  /** Called when `send` refuses a message: its promise rejects too, but the application may not await it. */
  readonly onRefused: (error: BrokerlessError) => void;
}

/** Shared by all calls: three closures for each call would be half of its cost. */
const NOTHING = (): void => {};

/** A call of `send` that was not admitted at once. */
interface Call<T> extends Admitted<T>, Queued<Call<T>> {
  value: unknown;
  isEncoded: boolean;
  /** Whether its time limit or its signal ended it. */
  isGivenUp: boolean;
  /** Its number among the calls that have waited for room, from 1; 0 where it has not waited. */
  number: number;
  /** Ends its schema check, if one is under way. */
  endCheck: () => void;
  resolve: (accepted: Promise<void>) => void;
  reject: (error: unknown) => void;
}

/**
 * The first stage of every outbound path: the schema check, the refusals, and the queue of calls that wait for room.
 *
 * Invariant: messages are admitted in the order of their `send` calls. While one call is checked or waits, all later
 * ones wait behind it, except those that take no room.
 *
 * When {@link isOpen} holds, the owner adds a message itself: the fast path does not come here.
 */
export class Admission<T> {
  readonly #options: AdmissionOptions<T>;
  readonly #checks: OutgoingChecks;
  readonly #waiting = new WaitQueue<Call<T>>();
  readonly #drains = new DrainTracker();
  /** Calls that have had to wait for room, since construction (count). */
  #waits = 0;
  #refused = 0;
  #admitting = false;
  /** What every call is rejected with. */
  #closed: (() => BrokerlessError) | null = null;
  /** Whether messages need no check: there is no schema, and the socket is not closed. */
  #isUnchecked: boolean;

  constructor(options: AdmissionOptions<T>) {
    this.#options = options;
    this.#checks = new OutgoingChecks(options.schema);
    this.#isUnchecked = options.schema === null;
  }

  /** Whether a message needs nothing except room. */
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

  /** Messages that were refused because of their content (count). */
  get refused(): number {
    return this.#refused;
  }

  /**
   * Admits a message once it is checked and there is room. The time limit and the signal end the wait; a message that
   * was admitted before that is sent nevertheless.
   *
   * @returns resolves at the confirm level of the call; rejects with `BROKERLESS_CODEC`, `_SCHEMA`, `_TOO_LARGE`,
   * `_CLOSED`, `_TIMEOUT`, the errors of `fullError` and `add`, or the signal's reason
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
    if (this.#closed !== null) throw this.#closed();
    this.#checks.checkNow(value);
    if (this.#waiting.size > 0 || this.isChecking) return false;
    return !this.#options.isFull() || this.#options.makeRoom();
  }

  /** Counts and reports an error if the message itself caused it. @returns the error */
  refuse(error: unknown): unknown {
    if (error instanceof BrokerlessError && REFUSALS.has(error.code)) {
      this.#refused += 1;
      this.#options.onRefused(error);
    }
    return error;
  }

  /** To be called when there may be room: admits waiting calls in order. Also checks whether drains are over. */
  admit(): void {
    // Making room calls this method again.
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
   * Waits until the earlier calls are admitted or have ended otherwise, and then for the messages accepted by then.
   *
   * @param begin called when these calls are over; returns a function that tells at each {@link admit} whether the
   * drain is over
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

  /** Rejects every waiting call, every drain, and every later call. @param error what with */
  close(error: () => BrokerlessError = closedError): void {
    this.#closed = error;
    this.#isUnchecked = false;
    this.#checks.close();
    for (const call of this.#waiting.clear()) call.reject(error());
    this.#drains.close(error);
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
    if (this.#closed !== null) throw this.#closed();
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
    if (this.#closed !== null) throw this.#closed();
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

  /** Encodes the value now, so that later changes to it do not matter while it waits. */
  #encode(call: Call<T>): void {
    if (call.isEncoded) return;
    call.value = this.#options.encode(call.value);
    call.isEncoded = true;
  }

  #giveUp(call: Call<T>): void {
    call.isGivenUp = true;
    // The calls behind it need not wait for its check.
    call.endCheck();
    this.#waiting.leave(call);
    // There may be room for the next call.
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
