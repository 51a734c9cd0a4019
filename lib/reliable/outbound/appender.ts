import { Batch } from "../../batch/batch.ts";
import type { BatchDraft } from "../../batch/batch-encoder.ts";
import { TURN_MS_MAX } from "../../clock.ts";
import type { Codec } from "../../codec/codec.ts";
import { ACCEPTED } from "../../core/admission.ts";
import { closedError } from "../../core/queue/receive-queue.ts";
import type { ConfirmLevel } from "../../core/send-options.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import { BrokerlessError } from "../../errors.ts";
import type { Journal, Values } from "../../journal/journal.ts";
import { quiet } from "../../wait.ts";
import { outcomeError } from "../outcome-error.ts";
import { BacklogSize } from "./backlog-size.ts";
import type { BatchSize } from "./batch-runs.ts";
import { Confirmations } from "./confirmations.ts";
import {
  Deduplicator,
  type FormerMessage,
  hasDeduplicationIds,
  type IdChange,
} from "./deduplicator.ts";
import type { DurableOutboundOptions } from "./durable-outbound-options.ts";
import { type AddOptions, confirmed, OpenBatch } from "./open-batch.ts";
import type { KnownId, Pending } from "./pending.ts";

/** The terms of one call of `send`. */
export interface SendTerms {
  readonly level: ConfirmLevel;
  readonly deduplicationId: string | undefined;
  /** Encoded; null for none. */
  readonly headers: Buffer | null;
}

/** Notified of the progress of an {@link Appender}. */
export interface AppenderListener {
  /** A batch is being appended to the journal: there is less room. */
  readonly onAppended: () => void;
  /** A batch is stored, or its append failed: there may be more room. */
  readonly onDone: () => void;
}

/**
 * Appends messages to the journal, batch by batch, and reports their outcome to the callers that wait for it.
 *
 * A batch is closed when it is full, when the turn ends while the journal is idle, or when the journal has stored the
 * batches before it. So a single message is appended at once, and under load a batch takes all messages that arrived
 * while the disk was busy. The draft that is appended is the batch that is sent.
 */
export class Appender {
  readonly size: BacklogSize = new BacklogSize();
  readonly #options: DurableOutboundOptions;
  readonly #journal: Journal;
  readonly #open: OpenBatch;
  readonly #listener: AppenderListener;
  readonly #delivered = new Confirmations();
  readonly #processed = new Confirmations();
  /** Null until a deduplication id is given, if none is stored. */
  #deduplication: Deduplicator | null = null;
  #isSavingIds = false;
  #appending = 0;
  #scheduled = false;
  #turnStartMs = 0;
  #closed = false;
  #failed = 0;
  #frames = 0;
  #bytesStored = 0;

  constructor(options: DurableOutboundOptions, listener: AppenderListener) {
    this.#options = options;
    this.#journal = options.journal;
    this.#listener = listener;
    this.#open = new OpenBatch(options.codec, options.common, () => this.flush());
    if (hasDeduplicationIds(this.#journal)) this.#deduplication = this.#newDeduplication();
  }

  /** Size of the open batch, and counters of the batches appended. */
  get counts(): {
    readonly openMessages: number;
    readonly openBytes: number;
    readonly failed: number;
    readonly frames: number;
    readonly bytes: number;
  } {
    return {
      openMessages: this.#open.count,
      openBytes: this.openBytes,
      failed: this.#failed,
      frames: this.#frames,
      bytes: this.#bytesStored,
    };
  }

  /** Messages that are accepted and not appended (count). */
  get openCount(): number {
    return this.#open.count;
  }

  /** Size of these messages (bytes). */
  get openBytes(): number {
    // Even an empty batch has a header.
    return this.#open.count === 0 ? 0 : this.#open.bytes;
  }

  /** Limit on messages in a batch (count). */
  get batchCountMax(): number {
    return this.#open.countMax;
  }

  /** Whether a call of `send` waits for a receiver to hold its message. */
  get waitsForDelivered(): boolean {
    return this.#delivered.count > 0;
  }

  /** Encodes a message that has to wait. @returns what `add` takes with `ENCODED` @throws BrokerlessError as `add` */
  encode(value: unknown): Buffer {
    return this.#open.encode(value);
  }

  /**
   * Adds a message at the end of the open batch.
   *
   * @param codec `ENCODED` for a message that is already encoded
   * @returns resolves at the confirm level
   * @throws BrokerlessError `BROKERLESS_CODEC`, `_TOO_LARGE`
   */
  add(
    value: unknown,
    { level, deduplicationId, headers }: SendTerms,
    codec?: Codec<unknown>,
  ): Promise<void> {
    if (deduplicationId === undefined) {
      return this.#add(value, { level, known: null, headers }, codec);
    }
    return this.#addOnce(value, { level, id: deduplicationId, headers }, codec);
  }

  /** Whether this deduplication id is known, so that a message with it would not be added. */
  knows(id: string): boolean {
    return this.#deduplication !== null && this.#deduplication.find(id) !== null;
  }

  /** Appends the open batch now, without waiting for more messages; not while a value is being encoded into it. */
  flush(): void {
    const { count } = this.#open;
    if (count === 0 || this.#open.isEncoding) return;
    const { draft, pending } = this.#open.take();
    this.#appending += 1;
    const first = this.#journal.seqNext;
    const size = this.size.appended(first + count - 1, draft.bytes.length, count);
    for (const { known, index } of pending.ids) this.#dedup.placed(known, first + index);
    const lives = this.#options.incarnations.valuesOfMessages();
    const ids = pending.ids.length > 0 ? this.#dedup.values() : null;
    const values = ids === null && lives === null ? undefined : { values: { ...ids, ...lives } };
    this.#journal.appendDraft(draft, values).then(
      (seq) => {
        if (lives !== null) this.#options.incarnations.stored();
        this.#onStored(draft, seq, pending);
      },
      (error: unknown) => this.#onFailed(error, { count, size, pending }),
    );
    this.#listener.onAppended();
  }

  /**
   * Appends already encoded messages that were sent before, and stores values with them, all or none. The messages keep
   * their deduplication ids.
   *
   * @param from the former messages
   * @throws BrokerlessError as the journal's append does
   */
  async append(draft: BatchDraft, values: Values, from: readonly FormerMessage[]): Promise<void> {
    this.flush();
    const { count } = draft;
    const first = this.#journal.seqNext;
    const hasIds = this.#deduplication !== null || from.some(({ key }) => key !== undefined);
    const moved = hasIds ? this.#dedup.moved(from, first) : null;
    try {
      const lives = this.#options.incarnations.valuesOfMessages();
      const all = { ...values, ...moved?.values, ...lives };
      const appended = this.#journal.appendDraft(draft, { values: all });
      const size = this.size.appended(first + count - 1, draft.bytes.length, count);
      try {
        await appended;
        if (lives !== null) this.#options.incarnations.stored();
      } catch (error) {
        this.size.failed(size, count);
        throw error;
      }
    } catch (error) {
      moved?.undo();
      throw error;
    }
  }

  /** A range will not be sent again. @param error null: it was processed */
  settled(first: number, last: number, error: BrokerlessError | null): void {
    this.size.settled(last - first + 1);
    this.#delivered.settle(first, last, error);
    this.#processed.settle(first, last, error);
  }

  /** Messages were dropped or lost, and their deduplication ids are free again: stored soon. */
  ended(range: SeqRange, end: "dropped" | "lost"): void {
    if (this.#deduplication?.ended(range, end) !== true || this.#isSavingIds) return;
    this.#isSavingIds = true;
    queueMicrotask(() => {
      if (!this.#closed) this.saveIds();
    });
  }

  /** Stores the changes made by `ended`, before anything that is stored later. */
  saveIds(): void {
    this.#isSavingIds = false;
    void this.#deduplication?.save();
  }

  /** Dead letters are about to be purged. @returns the change of their deduplication ids; null: none */
  purged(ranges: readonly SeqRange[]): IdChange | null {
    return this.#deduplication?.purged(ranges) ?? null;
  }

  /** A receiver holds a range. */
  delivered(first: number, last: number): void {
    this.#delivered.settle(first, last, null);
  }

  /** Appends the open batch; all calls that wait for a higher level than `stored` reject. */
  close(): void {
    this.flush();
    this.#closed = true;
    this.#endWaits();
  }

  get #dedup(): Deduplicator {
    this.#deduplication ??= this.#newDeduplication();
    return this.#deduplication;
  }

  #newDeduplication(): Deduplicator {
    const made = new Deduplicator(this.#journal, this.#options.rules.deduplicationIdsMax);
    // Clears the ids of messages that the journal has lost, before other messages get their seqs.
    void made.save();
    return made;
  }

  #add(value: unknown, options: AddOptions, codec?: Codec<unknown>): Promise<void> {
    let confirmed: Promise<void> | null;
    try {
      confirmed = this.#open.add(value, options, codec);
    } finally {
      // The value closed the socket while it was encoded.
      if (this.#closed) this.flush();
    }
    if (this.#open.isFull) {
      this.flush();
      return confirmed ?? this.#endTurn();
    }
    if (!this.#scheduled && this.#appending === 0) {
      this.#scheduled = true;
      process.nextTick(this.#onTurn);
    }
    return confirmed ?? ACCEPTED;
  }

  /** Adds a message unless one with the same id was sent before. */
  #addOnce(
    value: unknown,
    {
      level,
      id,
      headers,
    }: {
      readonly level: ConfirmLevel;
      readonly id: string;
      readonly headers: Buffer | null;
    },
    codec?: Codec<unknown>,
  ): Promise<void> {
    const before = this.#dedup.find(id);
    if (before !== null) return this.#again(before, level);
    const known = this.#dedup.add(id);
    try {
      return this.#add(value, { level, known, headers }, codec);
    } catch (error) {
      this.#dedup.remove(known);
      throw error;
    }
  }

  /** Resolves, or rejects, at the given level, with the outcome of the first message of an id. */
  #again({ seq, end, first }: KnownId, level: ConfirmLevel): Promise<void> {
    if (level === "queued") return ACCEPTED;
    if (first !== null) return confirmed(first.pending, first.index, level);
    if (level === "stored") return ACCEPTED;
    const outcome = end ?? this.#options.settlementOf(seq);
    if (outcome === null) {
      const confirms = level === "delivered" ? this.#delivered : this.#processed;
      return quiet(new Promise((resolve, reject) => confirms.wait(seq, { resolve, reject })));
    }
    const error = outcomeError(outcome, this.#options.deathOf(seq));
    return error === null ? ACCEPTED : quiet(Promise.reject(error));
  }

  /** Lets a loop that awaits every send leave its turn from time to time; otherwise it would starve everything else. */
  #endTurn(): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    if (this.#turnStartMs === 0) {
      this.#turnStartMs = nowMs;
      setImmediate(() => {
        this.#turnStartMs = 0;
      });
      return ACCEPTED;
    }
    if (nowMs - this.#turnStartMs < TURN_MS_MAX) return ACCEPTED;
    return new Promise((resolve) => setImmediate(resolve));
  }

  readonly #onTurn = (): void => {
    this.#scheduled = false;
    if (!this.#closed) this.flush();
  };

  #onStored(draft: BatchDraft, seq: number, pending: Pending): void {
    this.#appending -= 1;
    this.#frames += 1;
    this.#bytesStored += draft.bytes.length;
    for (const { known } of pending.ids) known.first = null;
    for (const { index, level, settle } of pending.later) {
      (level === "delivered" ? this.#delivered : this.#processed).wait(seq + index, settle);
    }
    pending.stored?.settle.resolve();
    if (this.#closed) {
      this.#endWaits();
      return;
    }
    this.#options.onStored(new Batch(draft.batch));
    if (this.#appending === 0) this.flush();
    this.#listener.onDone();
  }

  #onFailed(
    cause: unknown,
    lost: { readonly count: number; readonly size: BatchSize; readonly pending: Pending },
  ): void {
    const { count, size, pending } = lost;
    this.#appending -= 1;
    const error =
      cause instanceof BrokerlessError
        ? cause
        : new BrokerlessError("BROKERLESS_JOURNAL_FAILED", "the journal failed", { cause });
    this.#failed += count;
    this.size.failed(size, count);
    for (const { known } of pending.ids) this.#dedup.remove(known);
    for (const { settle } of pending.later) settle.reject(error);
    pending.stored?.settle.reject(error);
    if (this.#closed) return;
    this.#options.onFailed(error, count);
    if (this.#appending === 0) this.flush();
    this.#listener.onDone();
  }

  #endWaits(): void {
    this.#delivered.close(closedError());
    this.#processed.close(closedError());
  }
}
