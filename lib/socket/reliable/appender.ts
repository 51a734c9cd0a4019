import { Batch } from "../../batch/batch.ts";
import type { BatchDraft } from "../../batch/batch-encoder.ts";
import { BrokerlessError } from "../../errors.ts";
import type { Journal, Values } from "../../journal/journal.ts";
import { closedError } from "../inbox.ts";
import { BacklogSize, type BatchSize } from "./backlog-size.ts";
import { Confirms } from "./confirms.ts";
import { Deduplication } from "./deduplication.ts";
import type { DurableOutboundOptions } from "./durable-outbound-options.ts";
import { type AddOptions, OpenBatch, type Pending } from "./open-batch.ts";

/** A turn of the event loop longer than this is too long for timers and other sockets (milliseconds). */
const TURN_MS_MAX = 8;
const ACCEPTED: Promise<void> = Promise.resolve();

/** Told how an {@link Appender} gets on. */
export interface AppenderListener {
  /** A batch is on its way into the journal: there is less room. */
  readonly onAppended: () => void;
  /** A batch is stored, or could not be: there may be more. */
  readonly onDone: () => void;
}

/**
 * The way of messages into the journal, batch by batch, and of what becomes of them back to those who wait.
 *
 * A batch is closed when it is full, when the turn ends while the journal is idle, or when the journal has
 * stored the ones before it: so a lone message leaves at once, and under load a batch takes all that came
 * while the disk was busy. The draft that is appended is the batch that is sent.
 */
export class Appender {
  readonly size: BacklogSize = new BacklogSize();
  readonly #options: DurableOutboundOptions;
  readonly #journal: Journal;
  readonly #open: OpenBatch;
  readonly #listener: AppenderListener;
  readonly #delivered = new Confirms();
  readonly #processed = new Confirms();
  #deduplication: Deduplication | null = null;
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
  }

  /** What is not appended yet, and the counters of what was. */
  get counts(): {
    readonly openMessages: number;
    readonly openBytes: number;
    readonly failed: number;
    readonly frames: number;
    readonly bytes: number;
  } {
    const { count, bytes } = this.#open;
    return {
      openMessages: count,
      openBytes: bytes,
      failed: this.#failed,
      frames: this.#frames,
      bytes: this.#bytesStored,
    };
  }

  /** Messages that a batch may have (count). */
  get batchCountMax(): number {
    return this.#open.countMax;
  }

  /** Calls of `send` that wait to hear that a receiver holds their message (count). */
  get waitsForReceipts(): boolean {
    return this.#delivered.count > 0;
  }

  /**
   * Encodes the message behind what is open.
   *
   * @returns resolves at its level
   * @throws BrokerlessError `BROKERLESS_CODEC`, `_TOO_LARGE`
   */
  add(value: unknown, options: AddOptions): Promise<void> {
    const { id } = options;
    if (id !== undefined && !this.#dedup.add(id)) return this.#again(options);
    let confirmed: Promise<void> | null;
    try {
      confirmed = this.#open.add(value, options);
    } catch (error) {
      if (id !== undefined) this.#dedup.remove(id);
      throw error;
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

  /** Appends now what waits for more to come. */
  flush(): void {
    const { count } = this.#open;
    if (count === 0) return;
    const { draft, pending } = this.#open.take();
    this.#appending += 1;
    const last = this.#journal.seqNext + count - 1;
    const size = this.size.appended(last, draft.bytes.length, count);
    const values = pending.ids.length > 0 ? { values: this.#dedup.values() } : undefined;
    this.#journal.appendDraft(draft, values).then(
      (seq) => this.#onStored(draft, seq, pending),
      (error: unknown) => this.#onFailed(error, { count, size, pending }),
    );
    this.#listener.onAppended();
  }

  /**
   * Appends a message that is encoded already, and stores values with it, all or none.
   *
   * @throws BrokerlessError as the journal's append does
   */
  async append(draft: BatchDraft, values: Values): Promise<void> {
    this.flush();
    const last = this.#journal.seqNext;
    const appended = this.#journal.appendDraft(draft, { values });
    const size = this.size.appended(last, draft.bytes.length, 1);
    try {
      await appended;
    } catch (error) {
      this.size.failed(size, 1);
      throw error;
    }
  }

  /** A range will not be sent again. @param error null: it was processed */
  settled(first: number, last: number, error: BrokerlessError | null): void {
    this.size.settled(last - first + 1);
    this.#delivered.settle(first, last, error);
    this.#processed.settle(first, last, error);
  }

  /** A receiver holds a range. */
  delivered(first: number, last: number): void {
    this.#delivered.settle(first, last, null);
  }

  /** Appends what is open; every wait for more than that rejects. */
  close(): void {
    this.flush();
    this.#closed = true;
    this.#endWaits();
  }

  get #dedup(): Deduplication {
    const { rules } = this.#options;
    this.#deduplication ??= new Deduplication(this.#journal, rules.deduplicationIdsMax);
    return this.#deduplication;
  }

  /** A message with this id is in the journal, or on its way: stored when what is appended is. */
  async #again({ level }: AddOptions): Promise<void> {
    if (level === "queued") return;
    this.flush();
    await this.#journal.sync();
  }

  /** A loop that awaits every send never leaves its turn otherwise, and starves everything else. */
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
    for (const id of pending.ids) this.#dedup.remove(id);
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
