import type { BatchDraft } from "../../batch/batch-encoder.ts";
import { BrokerlessError, type ErrorCode } from "../../errors.ts";
import type { Journal, Values } from "../../journal/journal.ts";
import { expected } from "../../options.ts";
import { quiet, type WaitOptions, wait } from "../../wait.ts";
import { closedError } from "../inbox.ts";
import type { SendOptions } from "../outbound.ts";
import { NO_OUTBOUND_STATS, type OutboundStats } from "../outbound-stats.ts";
import { checkOutgoing, type Schema } from "../schema.ts";
import { Appender } from "./appender.ts";
import type { BacklogSize } from "./backlog-size.ts";
import { Conditions } from "./conditions.ts";
import type { DurableOutboundOptions } from "./durable-outbound-options.ts";
import { CONFIRM_LEVELS } from "./options.ts";

/** Messages wait for the disk in so much memory at most: more gains nothing, and makes turns longer (bytes). */
const UNSTORED_BYTES_MAX = 4 * 2 ** 20;
const ACCEPTED: Promise<void> = Promise.resolve();
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  "BROKERLESS_CODEC",
  "BROKERLESS_SCHEMA",
  "BROKERLESS_TOO_LARGE",
]);

/** A `send` that waits for room. */
interface Waiting {
  readonly value: unknown;
  readonly options: SendOptions | undefined;
  readonly resolve: (accepted: Promise<void>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The way out of a reliable socket, in order: schema, codec, batch, journal. What is stored goes on to the
 * receivers; see `SenderLinks`.
 *
 * Invariant: messages get their seq in the order in which their `send` was called.
 *
 * @see docs/decisions/0040-link-protocol.md
 */
export class DurableOutbound {
  readonly #options: DurableOutboundOptions;
  readonly #journal: Journal;
  readonly #schema: Schema | null;
  readonly #appender: Appender;
  readonly #waiting: Waiting[] = [];
  readonly #drains = new Conditions();
  #full = false;
  #closed = false;
  #checking: Promise<unknown> | null = null;
  #floor: number;
  #settledCount = 0;
  #refused = 0;

  /** @param start every seq up to `floor` is settled, and so many are in all */
  constructor(
    options: DurableOutboundOptions,
    { floor, settledCount }: { readonly floor: number; readonly settledCount: number },
  ) {
    this.#options = options;
    const { journal } = options;
    this.#journal = journal;
    this.#schema = options.schema;
    this.#appender = new Appender(options, {
      onAppended: () => this.#checkFull(),
      onDone: () => {
        this.#admit();
        this.#drains.check();
      },
    });
    this.#floor = floor;
    const { bytesKept } = journal.stats();
    const { seqStored } = journal;
    if (seqStored > floor) this.#size.appended(seqStored, bytesKept, seqStored - settledCount);
    this.#checkFull();
  }

  /** Calls of `send` that wait to hear that a receiver holds their message (count). */
  get waitsForReceipts(): boolean {
    return this.#appender.waitsForReceipts;
  }

  /**
   * @returns resolves at the level that is asked for; rejects with `BROKERLESS_CODEC`, `_SCHEMA`,
   * `_TOO_LARGE`, `_CLOSED`, `_TIMEOUT`, `_FULL`, `_NO_SPACE`, `_JOURNAL_FAILED`, `_DEAD_LETTER`,
   * `_DROPPED` or the signal's reason
   */
  send(value: unknown, _key: null, options: SendOptions | undefined): Promise<void> {
    if (options !== undefined || this.#schema !== null) {
      return quiet(this.#sendChecked(value, options ?? {}));
    }
    try {
      return this.#accept(value, undefined);
    } catch (error) {
      return quiet(this.#refuse(error));
    }
  }

  /**
   * Accepts the message in memory, as `queued`.
   *
   * @returns false when there is no room
   */
  trySend(value: unknown): boolean {
    if (this.#closed) throw closedError();
    if (this.#schema !== null && checkOutgoing(this.#schema, value) !== null) {
      throw new TypeError("trySend needs a schema that checks synchronously; use send");
    }
    if (this.#full || this.#waiting.length > 0 || this.#checking !== null) {
      if (this.#options.rules.full !== "dropOldest" || this.#waiting.length > 0) return false;
      if (!this.#makeRoom()) return false;
    }
    this.#add(value, undefined);
    return true;
  }

  /** Appends now what waits for more to come. */
  flush(): void {
    this.#appender.flush();
  }

  /**
   * Appends a message that is encoded already, and stores values with it, all or none.
   *
   * @throws BrokerlessError as the journal's append does
   */
  async requeue(draft: BatchDraft, values: Values): Promise<void> {
    if (this.#closed) throw closedError();
    await this.#appender.append(draft, values);
  }

  /** A range will not be sent again. @param error null: it was processed */
  settled(first: number, last: number, error: BrokerlessError | null): void {
    this.#settledCount += last - first + 1;
    this.#appender.settled(first, last, error);
  }

  /** Every seq up to this one is settled: there may be room again. @returns bytes that it freed */
  floor(seq: number): number {
    const freedBytes = this.#size.free(seq);
    this.#floor = seq;
    this.#admit();
    this.#drains.check();
    return freedBytes;
  }

  /** A receiver holds a range. */
  delivered(first: number, last: number): void {
    this.#appender.delivered(first, last);
  }

  /**
   * Resolves when everything that was accepted before the call is stored, or settled.
   *
   * @param isSettled whether it has to be settled
   */
  async drain(isSettled: boolean, options: WaitOptions | undefined): Promise<void> {
    this.flush();
    const last = this.#journal.seqNext - 1 + this.#waiting.length;
    if (isSettled) {
      const isEmpty = () => this.#size.count <= 0 && this.#waiting.length === 0;
      return this.#drains.until(() => this.#floor >= last || isEmpty(), options);
    }
    await this.#drains.until(
      () => this.#journal.seqNext > last || this.#waiting.length === 0,
      options,
    );
    this.flush();
    await this.#journal.sync();
  }

  /** Every waiting call rejects. What is appended stays in the journal. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#appender.close();
    for (const waiting of this.#waiting.splice(0)) waiting.reject(closedError());
    this.#drains.close();
  }

  stats(): OutboundStats {
    const { openMessages, openBytes, failed, frames, bytes } = this.#appender.counts;
    return {
      ...NO_OUTBOUND_STATS,
      messagesSent: this.#settledCount,
      messagesDropped: failed,
      sendsRefused: this.#refused,
      framesSent: frames,
      bytesSent: bytes,
      queuedMessages: this.#size.count + openMessages,
      queuedBytes: this.#size.bytes + openBytes,
      waitingSends: this.#waiting.length,
    };
  }

  get #size(): BacklogSize {
    return this.#appender.size;
  }

  async #sendChecked(value: unknown, options: SendOptions): Promise<void> {
    const { confirm } = options;
    if (confirm !== undefined && !CONFIRM_LEVELS.includes(confirm)) {
      throw expected("send: confirm", `one of ${CONFIRM_LEVELS.join(", ")}`, confirm);
    }
    options.signal?.throwIfAborted();
    try {
      const checked = this.#schema === null ? null : this.#check(this.#schema, value);
      if (checked !== null) await checked;
      await this.#limited(this.#accept(value, options), options);
    } catch (error) {
      await this.#refuse(error);
    }
  }

  /** The message is on its way, whatever the caller's patience; only the wait for its level ends. */
  #limited(accepted: Promise<void>, options: SendOptions): Promise<void> {
    if (options.timeoutMs === undefined && options.signal === undefined) return accepted;
    return wait<void>("send", options, (settle) => {
      accepted.then(settle.resolve, settle.reject);
      return () => {
        const at = this.#waiting.findIndex((waiting) => waiting.options === options);
        if (at >= 0) this.#waiting.splice(at, 1);
      };
    });
  }

  async #refuse(error: unknown): Promise<never> {
    if (error instanceof BrokerlessError && REFUSALS.has(error.code)) {
      this.#refused += 1;
      this.#options.onRefused(error);
    }
    throw error;
  }

  /** Keeps the order of sends although their checks may end in another. */
  #check(schema: Schema, value: unknown): Promise<unknown> | null {
    const checked = checkOutgoing(schema, value);
    if (checked === null && this.#checking === null) return null;
    const inOrder = (this.#checking ?? ACCEPTED).then(
      () => checked,
      () => checked,
    );
    this.#checking = inOrder;
    const done = (): void => {
      if (this.#checking === inOrder) this.#checking = null;
    };
    inOrder.then(done, done);
    return inOrder;
  }

  #accept(value: unknown, options: SendOptions | undefined): Promise<void> {
    if (this.#closed) throw closedError();
    if (this.#full || this.#waiting.length > 0) return this.#whenFull(value, options);
    return this.#add(value, options);
  }

  #whenFull(value: unknown, options: SendOptions | undefined): Promise<void> {
    const { full } = this.#options.rules;
    if (full === "reject") throw fullError(this.stats());
    if (full === "dropOldest" && this.#waiting.length === 0 && this.#makeRoom()) {
      return this.#add(value, options);
    }
    return quiet(
      new Promise((resolve, reject) => {
        this.#waiting.push({ value, options, resolve, reject });
      }),
    );
  }

  /** @returns whether there is room now */
  #makeRoom(): boolean {
    for (let tries = 0; this.#full && tries < 64; tries++) {
      const before = this.#size.count;
      this.#options.onDrop(
        Math.max(1, this.#appender.batchCountMax === 1 ? 1 : Math.ceil(before / 64)),
      );
      if (this.#size.count === before) break;
    }
    return !this.#full;
  }

  #add(value: unknown, options: SendOptions | undefined): Promise<void> {
    const level = options?.confirm ?? this.#options.confirm;
    return this.#appender.add(value, { level, id: options?.deduplicationId });
  }

  #checkFull(): void {
    const { common, rules, backlogBytesMax } = this.#options;
    this.#full =
      this.#journal.full ||
      this.#journal.pendingBytes >= Math.min(common.queueBytesMax, UNSTORED_BYTES_MAX) ||
      this.#size.bytes >= backlogBytesMax ||
      this.#size.count >= rules.backlogMessagesMax;
  }

  #admit(): void {
    this.#checkFull();
    while (this.#waiting.length > 0 && !this.#full && !this.#closed) {
      const { value, options, resolve, reject } = this.#waiting.shift()!;
      try {
        resolve(this.#add(value, options));
      } catch (error) {
        reject(error);
      }
      this.#checkFull();
    }
  }
}

function fullError(stats: OutboundStats): BrokerlessError {
  const message = `${stats.queuedMessages} messages of ${stats.queuedBytes} bytes are not processed yet`;
  return new BrokerlessError("BROKERLESS_FULL", message);
}
