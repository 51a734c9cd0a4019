import type { BatchDraft } from "../../batch/batch-encoder.ts";
import { encodeHeaders } from "../../batch/headers.ts";
import { Admission } from "../../core/admission.ts";
import { NO_OUTBOUND_STATS, type OutboundStats } from "../../core/outbound-stats.ts";
import { closedError } from "../../core/queue/receive-queue.ts";
import {
  CONFIRM_LEVELS,
  headersOfTry,
  SEND_OPTIONS,
  type SendOptions,
  type TrySendOptions,
} from "../../core/send-options.ts";
import type { DeadLetterRecord } from "../../delivery/dispatch/dead-letter-record.ts";
import type { Outcome } from "../../delivery/dispatch/dispatcher-events.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import { BrokerlessError } from "../../errors.ts";
import type { Journal, Values } from "../../journal/journal.ts";
import { expected } from "../../options.ts";
import { checkWaitOptions, quiet, type WaitOptions } from "../../wait.ts";
import { bytesOf } from "../journal-bytes.ts";
import { outcomeError } from "../outcome-error.ts";
import { Appender, type SendTerms } from "./appender.ts";
import type { BacklogSize } from "./backlog-size.ts";
import { checkDeduplicationId, type FormerMessage, type IdChange } from "./deduplicator.ts";
import type { DurableOutboundOptions } from "./durable-outbound-options.ts";
import { ENCODED } from "./open-batch.ts";

/** Limit on memory for messages that wait for the disk: more gains nothing, and makes turns longer (bytes). */
const UNSTORED_BYTES_MAX = 4 * 2 ** 20;
/** The open batch counts as backlog too if it could be more than this part of a limit (part of 1). */
const BATCH_PART = 1 / 16;

/**
 * The outbound path of a reliable socket, in order: schema, codec, batch, journal. Stored batches go on to the
 * receivers; see `DispatchDriver`.
 *
 * Invariant: messages get their seq in the order in which their `send` was called.
 *
 * @see docs/decisions/0040-link-protocol.md
 */
export class DurableOutbound {
  readonly #options: DurableOutboundOptions;
  readonly #journal: Journal;
  readonly #admission: Admission<SendTerms>;
  readonly #appender: Appender;
  /** The terms of a call without options. */
  readonly #terms: SendTerms;
  /** Whether the open batch counts as backlog before it is appended. */
  readonly #countsOpen: boolean;
  #isFull = false;
  /** The backlog has reached one of its limits. */
  #isBacklogFull = false;
  /** The backlog has reached its limit in bytes. */
  #isFullOfBytes = false;
  #closed = false;
  /** Whether earlier messages may be of another codec: new ones wait, or both codecs would mix. */
  #isUnread: boolean;
  #floor: number;
  #settledCount = 0;
  #lost = 0;
  /** Messages dropped to make room for newer ones (count). */
  #dropped = 0;

  /** @param start every seq up to `floor` is settled, and `settledCount` in total */
  constructor(
    options: DurableOutboundOptions,
    { floor, settledCount }: { readonly floor: number; readonly settledCount: number },
  ) {
    this.#options = options;
    const { journal } = options;
    this.#journal = journal;
    this.#terms = { level: options.confirm, deduplicationId: undefined, headers: null };
    this.#countsOpen = countsOpen(options);
    this.#appender = new Appender(options, {
      onAppended: () => this.#checkFull(),
      onDone: () => this.#admit(),
    });
    const drops = options.rules.overflow === "dropOldest";
    const rejects = options.rules.overflow === "reject";
    this.#admission = new Admission({
      schema: options.schema,
      isFull: () => this.#isFull,
      makeRoom: () => drops && this.#makeRoom(),
      takesRoom: ({ deduplicationId: id }) => id === undefined || !this.#appender.knows(id),
      fullError: () => (rejects && !this.#isUnread ? fullError(this.stats()) : null),
      encode: (value) => this.#appender.encode(value),
      add: ({ value, isEncoded, terms }) => this.#add(value, terms, isEncoded),
      onRefused: options.onRefused,
    });
    this.#floor = floor;
    const { seqStored } = journal;
    this.#isUnread = floor < seqStored;
    const left = { first: floor + 1, last: seqStored };
    this.#size.restored({ ...left, bytes: bytesOf(journal, left) }, seqStored - settledCount);
    this.#checkFull();
  }

  /** Whether a call of `send` waits for a receiver to hold its message. */
  get waitsForDelivered(): boolean {
    return this.#appender.waitsForDelivered;
  }

  /**
   * @returns resolves at the requested level; rejects with `BROKERLESS_CODEC`, `_SCHEMA`, `_TOO_LARGE`, `_CLOSED`,
   *   `_TIMEOUT`, `_FULL`, `_NO_SPACE`, `_JOURNAL_FAILED`, `_DEAD_LETTER`, `_DROPPED` or the signal's reason
   */
  send(value: unknown, _key: null, options: SendOptions | undefined): Promise<void> {
    try {
      if (options !== undefined) {
        return this.#admission.send(value, this.#termsOf(options), options);
      }
      if (!this.#admission.isOpen || this.#isFull) return this.#admission.send(value, this.#terms);
      return this.#add(value, this.#terms);
    } catch (error) {
      return quiet(Promise.reject(this.#admission.refuse(error)));
    }
  }

  /**
   * Accepts a message in memory, at level `queued`.
   *
   * @returns false when there is no room
   */
  trySend(value: unknown, _key?: null, options?: TrySendOptions): boolean {
    const headers = headersOfTry("trySend", options, this.#options.common);
    if (!this.#admission.hasRoomFor(value)) return false;
    this.#add(value, headers === null ? this.#terms : { ...this.#terms, headers });
    return true;
  }

  /** Appends the open batch now, without waiting for more messages. */
  flush(): void {
    this.#appender.flush();
  }

  /**
   * Appends messages that are already encoded, and stores values with them, all or none.
   *
   * @param from the former messages
   * @throws BrokerlessError as the journal's append does
   */
  async requeue(draft: BatchDraft, values: Values, from: readonly FormerMessage[]): Promise<void> {
    if (this.#closed) throw closedError();
    try {
      await this.#appender.append(draft, values, from);
    } finally {
      this.#admit();
    }
  }

  /** A batch was read back: the size of the messages left by an earlier process is known more exactly now. */
  read(range: SeqRange, bytes: number): void {
    if (!this.#size.read(range, bytes)) return;
    this.#checkFull();
    // The actual size may be below the estimate.
    if (!this.#isFull && this.#admission.waiting > 0) this.#admission.admit();
  }

  /** Stores changes of deduplication ids, before anything that is stored later. */
  saveIds(): void {
    this.#appender.saveIds();
  }

  /**
   * Dead letters are about to be purged; their deduplication ids stay remembered.
   *
   * @returns the change to store together with the purge; null: none
   */
  purged(ranges: readonly SeqRange[]): IdChange | null {
    return this.#appender.purged(ranges);
  }

  /** A range will not be sent again. @param death the cause, if the whole range became dead letters */
  settled(
    { first, last }: SeqRange,
    outcome: Outcome,
    death: DeadLetterRecord | null = null,
  ): void {
    this.#settledCount += last - first + 1;
    if (outcome === "lost") this.#lost += last - first + 1;
    if (outcome === "dropped") this.#dropped += last - first + 1;
    if (outcome === "dropped" || outcome === "lost") this.#appender.ended({ first, last }, outcome);
    this.#appender.settled(first, last, outcomeError(outcome, death));
  }

  /** Every seq up to this one is settled: there may be room again. @returns bytes freed */
  floor(seq: number): number {
    const freedBytes = this.#size.free(seq);
    this.#floor = seq;
    this.#admit();
    return freedBytes;
  }

  /** There may be messages that no receiver works on, after there were none: waiting calls may get room by a drop. */
  droppable(): void {
    if (this.#admission.waiting > 0) this.#admit();
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
    await this.#admission.drain(options, () => {
      this.flush();
      const last = this.#journal.seqNext - 1;
      return () => !isSettled || this.#floor >= last || this.#size.count <= 0;
    });
    if (!isSettled) await this.#journal.sync();
  }

  /** New messages no longer need to wait for the check of those left at the start. */
  checked(): void {
    this.#isUnread = false;
    this.#admit();
  }

  /** Accepts no more messages: calls are rejected. Dead letters may still be requeued. */
  refuse(error: () => BrokerlessError): void {
    this.#admission.close(error);
  }

  /** Every waiting call rejects. What is appended stays in the journal. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#appender.close();
    this.#admission.close();
  }

  stats(): OutboundStats {
    const { openMessages, openBytes, failed, frames, bytes } = this.#appender.counts;
    return {
      ...NO_OUTBOUND_STATS,
      messagesSent: this.#settledCount - this.#lost - this.#dropped,
      messagesLost: this.#lost,
      messagesDropped: failed + this.#dropped,
      sendsRefused: this.#admission.refused,
      framesSent: frames,
      bytesSent: bytes,
      queuedMessages: this.#size.count + openMessages,
      queuedBytes: this.#size.bytes + openBytes,
      waitingSends: this.#admission.waiting,
    };
  }

  get #size(): BacklogSize {
    return this.#appender.size;
  }

  #termsOf(options: SendOptions): SendTerms {
    checkWaitOptions("send", options, SEND_OPTIONS);
    const { confirm = this.#options.confirm, deduplicationId, headers: given } = options;
    if (!CONFIRM_LEVELS.includes(confirm)) {
      throw expected("send: confirm", `one of ${CONFIRM_LEVELS.join(", ")}`, confirm);
    }
    if (deduplicationId !== undefined) checkDeduplicationId(deduplicationId);
    const headers = given === undefined ? null : encodeHeaders("send", given, this.#options.common);
    return { level: confirm, deduplicationId, headers };
  }

  /**
   * Drops the oldest messages, unless the limit is the disk's, or the oldest is at a receiver.
   *
   * @returns whether there is room now
   */
  #makeRoom(): boolean {
    const { onDrop, isOldestFree } = this.#options;
    for (let tries = 0; this.#isBacklogFull && tries < 64; tries++) {
      // Dropping behind a message that a receiver has frees no bytes: those messages would be lost for nothing.
      if (this.#isFullOfBytes && !isOldestFree()) break;
      const before = this.#size.count;
      onDrop(Math.max(1, this.#appender.batchCountMax === 1 ? 1 : Math.ceil(before / 64)));
      this.#checkFull();
      if (this.#size.count === before) break;
    }
    return !this.#isFull;
  }

  #add(value: unknown, terms: SendTerms, isEncoded = false): Promise<void> {
    const added = this.#appender.add(value, terms, isEncoded ? ENCODED : undefined);
    if (this.#countsOpen) this.#checkFull();
    return added;
  }

  #checkFull(): void {
    const { common, rules, backlogBytesMax } = this.#options;
    const { openCount, openBytes } = this.#appender;
    this.#isFullOfBytes = this.#size.bytes + openBytes >= backlogBytesMax;
    this.#isBacklogFull =
      this.#isFullOfBytes || this.#size.count + openCount >= rules.backlogMessagesMax;
    this.#isFull =
      this.#isBacklogFull ||
      this.#isUnread ||
      this.#journal.full ||
      this.#journal.pendingBytes >= Math.min(common.queueBytesMax, UNSTORED_BYTES_MAX);
  }

  #admit(): void {
    this.#checkFull();
    this.#admission.admit();
  }
}

/** Whether a limit of the backlog is so small that the open batch counts. */
function countsOpen({ common, rules, backlogBytesMax }: DurableOutboundOptions): boolean {
  if (common.batch === false) return false;
  const { batchBytesMax, batchCountMax } = common.batch;
  const isSmall = backlogBytesMax * BATCH_PART < batchBytesMax;
  return isSmall || rules.backlogMessagesMax * BATCH_PART < batchCountMax;
}

function fullError(stats: OutboundStats): BrokerlessError {
  const message = `${stats.queuedMessages} messages of ${stats.queuedBytes} bytes are not processed yet`;
  return new BrokerlessError("BROKERLESS_FULL", message);
}
