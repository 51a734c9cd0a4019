import { WORD_NONE } from "../../delivery/link-message.ts";
import type { SeqRange } from "../../delivery/range.ts";
import { BrokerlessError } from "../../errors.ts";
import { expected } from "../../options.ts";
import { quiet } from "../../wait.ts";
import type { ReceiverLinks } from "./receiver-links.ts";
import type { ReceiverStream } from "./receiver-stream.ts";

/** What is known of a message beside its value. */
export interface Delivery {
  /** How often the message was handed out, this time included; without an ack layer always 1. */
  readonly attempt: number;
  /** Its place in its sender's stream, from 1; without an ack layer 0. */
  readonly seq: number;
  /** The same for every delivery of a message, and for no other message: an idempotency key. Without an ack layer empty. */
  readonly id: string;
}

/** Options of {@link ReliableDelivery.ack}. */
export interface AckOptions {
  /** What came of the message, to be stored in the inbox together with its acknowledgement. */
  readonly effect: Uint8Array;
}

/** Options of {@link ReliableDelivery.nack}. */
export interface NackOptions {
  /** Rest before the next try (milliseconds). Default: the sender's back-off. */
  readonly delayMs?: number | undefined;
}

/** What takes messages back. */
interface Returner {
  nack(stream: ReceiverStream, range: SeqRange, word: number): void;
}

/** Longest text of a rejection (characters). */
const REASON_LENGTH_MAX = 1_000;

/** A message with the right to answer for it: exactly one of `ack`, `nack` and `reject` counts, the first. */
export class ReliableDelivery<T> implements Delivery {
  readonly value: T;
  readonly seq: number;
  readonly attempt: number;
  readonly #links: ReceiverLinks;
  readonly #inbound: Returner;
  readonly #stream: ReceiverStream;
  readonly #epoch: number;
  #isAnswered = false;

  constructor(
    value: T,
    place: {
      readonly links: ReceiverLinks;
      readonly inbound: Returner;
      readonly stream: ReceiverStream;
      readonly epoch: number;
      readonly seq: number;
      readonly attempt: number;
    },
  ) {
    this.value = value;
    this.seq = place.seq;
    this.attempt = place.attempt;
    this.#links = place.links;
    this.#inbound = place.inbound;
    this.#stream = place.stream;
    this.#epoch = place.epoch;
  }

  get id(): string {
    return `${this.#stream.id}-${this.#epoch}-${this.seq}`;
  }

  /** How long the sender leaves the message to this receiver without an `extend` (milliseconds). */
  get leaseMs(): number {
    return this.#stream.welcome.leaseMs;
  }

  /** Whether it was answered for, by any of the three. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /**
   * Whether the right to answer still holds; once it is lost, the sender may give the message to another. Answer
   * nevertheless: `ack` where the work is done, `nack` where it is given up, so that it is shown should it come again.
   */
  get isHeld(): boolean {
    return !this.#isAnswered && this.#isSame && this.#stream.window.holds(this.seq);
  }

  /** Finished: it will not come again. */
  ack(): void;
  /**
   * Finished, and this is what came of it: an entry of the inbox, with the `id` as its key, stored together with
   * the memory that the message is done, all or none. So the effect is there exactly once, whenever this process dies.
   *
   * @returns resolves when both are stored. Rejects with `BROKERLESS_LEASE_LOST` where another may have the message,
   *   and as the inbox's `append` does: then nothing is stored, and the message waits for another answer
   * @throws TypeError without an inbox, or for an effect that is not bytes
   * @see docs/decisions/0042-acknowledgements.md
   */
  ack(options: AckOptions): Promise<void>;
  ack(options?: AckOptions): void | Promise<void> {
    if (options === undefined) {
      if (this.#answer()) this.#links.done(this.#stream, this.seq, this.seq);
      return;
    }
    const { effect } = options;
    if (!(effect instanceof Uint8Array)) {
      throw expected("ack: effect", "a Buffer or Uint8Array", effect);
    }
    if (!this.#links.acks.hasInbox)
      throw new TypeError("ack: an effect needs a Pull with an inbox");
    return quiet(this.#ackWith(effect));
  }

  /** Not finished: it is to be tried again. @throws TypeError for a delay that is none */
  nack(options: NackOptions = {}): void {
    const { delayMs } = options;
    if (delayMs !== undefined) checkMs("nack: delayMs", delayMs, 0);
    if (!this.#answer()) return;
    const range = { first: this.seq, last: this.seq };
    this.#inbound.nack(this.#stream, range, delayMs ?? WORD_NONE);
  }

  /** Hopeless: it becomes a dead letter at its sender. */
  reject(reason: string): void {
    if (typeof reason !== "string") throw expected("reject: reason", "a text", reason);
    if (!this.#answer()) return;
    this.#links.reject(this.#stream, this.seq, reason.slice(0, REASON_LENGTH_MAX));
  }

  /** Needs longer: the lease lasts at least so many milliseconds from when the sender hears it. @throws TypeError */
  extend(ms: number): void {
    checkMs("extend", ms, 1);
    if (this.isHeld) this.#links.extend(this.#stream, this.seq, ms);
  }

  async #ackWith(effect: Uint8Array): Promise<void> {
    if (this.#isAnswered) return;
    const { id, seq } = this;
    if (!this.isHeld) {
      const message = `the lease of message ${id} is over: another may have it`;
      throw new BrokerlessError("BROKERLESS_LEASE_LOST", message);
    }
    this.#isAnswered = true;
    try {
      await this.#links.acks.doneWith(this.#stream, { seq, epoch: this.#epoch, id, effect });
    } catch (error) {
      this.#isAnswered = false;
      throw error;
    }
  }

  /** Whether the seq is still this message: where the sender lost its newest ones, it may be another's now. */
  get #isSame(): boolean {
    return this.#stream.window.valid({ first: this.seq, last: this.seq }, this.#epoch) !== null;
  }

  #answer(): boolean {
    if (this.#isAnswered) return false;
    this.#isAnswered = true;
    return this.#isSame;
  }
}

function checkMs(what: string, ms: unknown, least: number): void {
  if (Number.isInteger(ms) && (ms as number) >= least && (ms as number) < 2 ** 31) return;
  throw expected(what, `whole milliseconds from ${least} to ${2 ** 31 - 1}`, ms);
}
