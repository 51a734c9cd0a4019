import type { MessageHeaders } from "../../batch/headers.ts";
import { EXTENSION_MS_MAX } from "../../delivery/attempts/leases.ts";
import { ERROR_TEXT_LENGTH_MAX, encodeError } from "../../delivery/protocol/error-texts.ts";
import { type Incarnation, messageId } from "../../delivery/protocol/incarnations.ts";
import { ARGUMENT_NONE } from "../../delivery/protocol/link-message.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import { BrokerlessError } from "../../errors.ts";
import { handlerError } from "../../handler-error.ts";
import { checkNames, expected } from "../../options.ts";
import { quiet } from "../../wait.ts";
import type { InFlightMessages, Nack } from "./sessions/in-flight-messages.ts";
import type { ReceiverStream } from "./sessions/receiver-stream.ts";

/** The data of a message beside its value. */
export interface Delivery {
  /** Number of attempts, including this one; without an ack layer always 1. */
  readonly attempt: number;
  /** Its number in its sender's stream, from 1; without an ack layer 0. */
  readonly seq: number;
  /** Names to texts, as they were sent; empty if there were none. Frozen. */
  readonly headers: MessageHeaders;
  /** The same for every delivery of a message and no other: an idempotency key. Empty without an ack layer. */
  readonly id: string;
}

/** Options of {@link ReliableDelivery.ack}. */
export interface AckOptions {
  /** The result of the message, to be stored in the inbox together with its acknowledgement. */
  readonly effect: Uint8Array;
}

/** Options of {@link ReliableDelivery.nack}. */
export interface NackOptions {
  /** Delay before the next attempt (milliseconds, rounded up). Default: the sender's back-off. */
  readonly delayMs?: number | undefined;
  /** The error of the attempt, shown with the dead letter: an `Error`, or any thrown value. */
  readonly error?: unknown;
}

/** Options of {@link ReliableDelivery.reject}. */
export interface RejectOptions {
  /** The error of the attempt, if something was thrown. */
  readonly error?: unknown;
}

const ACK_OPTIONS = ["effect"];
const NACK_OPTIONS = ["delayMs", "error"];
const REJECT_OPTIONS = ["error"];

/** Accepts messages that are given back. */
interface Returner {
  nack(stream: ReceiverStream, range: SeqRange, said: Nack): void;
}

/** A message with the right to settle it: exactly one of `ack`, `nack` and `reject` takes effect, the first. */
export class ReliableDelivery<T> implements Delivery {
  /** The message. */
  readonly value: T;
  readonly seq: number;
  readonly attempt: number;
  readonly headers: MessageHeaders;
  readonly #inFlight: InFlightMessages;
  readonly #inbound: Returner;
  readonly #stream: ReceiverStream;
  readonly #historyVersion: number;
  readonly #incarnations: readonly Incarnation[];
  #isFinished = false;
  #storing: Promise<void> | null = null;

  constructor(
    value: T,
    place: {
      readonly inFlight: InFlightMessages;
      readonly inbound: Returner;
      readonly stream: ReceiverStream;
      readonly historyVersion: number;
      readonly seq: number;
      readonly attempt: number;
      readonly headers: MessageHeaders;
    },
  ) {
    this.value = value;
    this.seq = place.seq;
    this.attempt = place.attempt;
    this.headers = place.headers;
    this.#inFlight = place.inFlight;
    this.#inbound = place.inbound;
    this.#stream = place.stream;
    this.#historyVersion = place.historyVersion;
    this.#incarnations = place.stream.window.incarnations;
  }

  get id(): string {
    return messageId(this.#stream.id, this.#incarnations, this.seq);
  }

  /** How long the sender leaves the message to this receiver without an `extend` (milliseconds). */
  get leaseMs(): number {
    return this.#stream.welcome.leaseMs;
  }

  /** Whether `ack`, `nack` or `reject` was called: the name is older than the latter two, and public. */
  get isAcknowledged(): boolean {
    return this.#isFinished;
  }

  /**
   * Whether the message is still leased to this receiver; afterwards the sender may give it to another. Call one of the
   * three nevertheless: `ack` if the work is done, `nack` if it is given up, so that it is delivered should it arrive
   * again.
   */
  get isHeld(): boolean {
    return !this.#isFinished && this.#isSame && this.#stream.window.holds(this.seq);
  }

  /** @internal Whether it is a message of this stream. */
  isOf(stream: ReceiverStream): boolean {
    return stream === this.#stream;
  }

  /** Processed: the message will not come again. */
  ack(): void;
  /**
   * Processed, with a result (effect): an entry of the inbox, with the `id` as its key, stored together with the record
   * that the message is done, all or none. So the effect is in this inbox once, whenever this process dies; another
   * receiver, which may get the message when this one is away for too long, has an inbox of its own. The bytes are
   * copied. A repeated call returns the same promise: the first effect counts.
   *
   * @returns resolves when both are stored. Rejects with `BROKERLESS_LEASE_LOST` if another receiver may have the
   *   message, and as the inbox's `append` does: then nothing is stored, and the message is still to be settled by one
   *   of the three. Rejects with a TypeError if another of them was called before
   * @throws TypeError without an inbox, or for an effect that is not bytes
   * @see docs/decisions/0042-acknowledgements.md
   */
  ack(options: AckOptions): Promise<void>;
  ack(options?: AckOptions): void | Promise<void> {
    if (options === undefined) {
      if (this.#claim()) this.#inFlight.done(this.#stream, this.seq, this.seq);
      return;
    }
    checkNames("ack", options, ACK_OPTIONS);
    const { effect } = options;
    if (!(effect instanceof Uint8Array)) {
      throw expected("ack: effect", "a Buffer or Uint8Array", effect);
    }
    if (!this.#inFlight.acks.hasInbox)
      throw new TypeError("ack: an effect needs a Pull with an inbox");
    if (this.#isFinished) return this.#storing ?? quiet(Promise.reject(this.#repeatedError()));
    this.#storing = quiet(this.#ackWith(effect));
    return this.#storing;
  }

  /** The promise of the newest `ack` with an effect; null without one. */
  get storing(): Promise<void> | null {
    return this.#storing;
  }

  /**
   * Not processed: the message is to be tried again. The name, message and code of the error are sent to the sender, up
   * to 1,000 characters each; after the last attempt they are in the dead letter.
   *
   * @throws TypeError for an invalid delay, or an unknown option
   */
  nack(options: NackOptions = {}): void {
    checkNames("nack", options, NACK_OPTIONS);
    const { delayMs, error } = options;
    if (delayMs !== undefined) checkMs("nack: delayMs", delayMs, 0);
    if (!this.#claim()) return;
    const range = { first: this.seq, last: this.seq };
    const text = error === undefined ? "" : encodeError(handlerError(error, ERROR_TEXT_LENGTH_MAX));
    const argument = delayMs === undefined ? ARGUMENT_NONE : Math.ceil(delayMs);
    this.#inbound.nack(this.#stream, range, { argument, text });
  }

  /**
   * Gives the message up: it becomes a dead letter at its sender, with this reason (up to 1,000 characters), and with
   * the error, sent as by `nack`.
   *
   * @throws TypeError for a reason that is not a string, or an unknown option
   */
  reject(reason: string, options: RejectOptions = {}): void {
    checkNames("reject", options, REJECT_OPTIONS);
    const { error } = options;
    if (typeof reason !== "string") throw expected("reject: reason", "a text", reason);
    if (!this.#claim()) return;
    this.#inFlight.reject(this.#stream, this.seq, {
      reason: reason.slice(0, ERROR_TEXT_LENGTH_MAX),
      error: error === undefined ? null : handlerError(error, ERROR_TEXT_LENGTH_MAX),
    });
  }

  /**
   * Extends the lease: it lasts at least this many milliseconds from when the sender receives the request. From 1
   * millisecond to one day, rounded up; for longer work, extend again.
   *
   * @throws TypeError for any other value
   */
  extend(ms: number): void {
    checkMs("extend", ms, 1, EXTENSION_MS_MAX);
    if (this.isHeld) this.#inFlight.extend(this.#stream, this.seq, Math.ceil(ms));
  }

  async #ackWith(effect: Uint8Array): Promise<void> {
    this.#isFinished = true;
    try {
      await this.#store(effect);
    } catch (error) {
      this.#isFinished = false;
      throw error;
    }
  }

  async #store(effect: Uint8Array): Promise<void> {
    const { acks } = this.#inFlight;
    const { id, seq } = this;
    this.#assertHeld();
    let own = effect;
    if (acks.isFull) {
      // The caller may change its bytes as soon as the call has returned; without a wait the inbox copies them.
      own = Buffer.from(effect);
      await acks.room();
      this.#assertHeld();
    }
    await acks.doneWith(this.#stream, {
      seq,
      historyVersion: this.#historyVersion,
      id,
      effect: own,
    });
  }

  #repeatedError(): TypeError {
    return new TypeError(`ack: message ${this.id} was acknowledged before, and without an effect`);
  }

  #assertHeld(): void {
    if (this.#isSame && this.#stream.window.holds(this.seq)) return;
    const message = `the lease of message ${this.id} is over: another may have it`;
    throw new BrokerlessError("BROKERLESS_LEASE_LOST", message);
  }

  /** Whether the seq still identifies this message: where histories of the stream diverge, it may be another's now. */
  get #isSame(): boolean {
    return (
      this.#stream.window.valid({ first: this.seq, last: this.seq }, this.#historyVersion) !== null
    );
  }

  #claim(): boolean {
    if (this.#isFinished) return false;
    this.#isFinished = true;
    return this.#isSame;
  }
}

function checkMs(what: string, ms: unknown, least: number, most: number = 2 ** 31 - 1): void {
  if (typeof ms === "number" && ms >= least && ms <= most) return;
  throw expected(what, `a number of milliseconds from ${least} to ${most}`, ms);
}
