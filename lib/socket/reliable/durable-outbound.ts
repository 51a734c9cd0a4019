import { Batch } from "../../batch/batch.ts";
import { type BatchDraft, BatchEncoder } from "../../batch/batch-encoder.ts";
import type { EntryInput } from "../../batch/entry.ts";
import { CODEC_BYTES } from "../../batch/layout.ts";
import type { Codec } from "../../codec/codec.ts";
import { BrokerlessError, type ErrorCode } from "../../errors.ts";
import type { Journal, Values } from "../../journal/journal.ts";
import { expected } from "../../options.ts";
import { quiet, type Settle, type WaitOptions, wait } from "../../wait.ts";
import { closedError } from "../inbox.ts";
import type { ResolvedCommon } from "../options.ts";
import type { SendOptions } from "../outbound.ts";
import { NO_OUTBOUND_STATS, type OutboundStats } from "../outbound-stats.ts";
import { checkOutgoing, type Schema } from "../schema.ts";
import { Confirms } from "./confirms.ts";
import { Deduplication } from "./deduplication.ts";
import { CONFIRM_LEVELS, type ConfirmLevel, type ResolvedReliableSend } from "./options.ts";

/** What a {@link DurableOutbound} is made of. */
export interface DurableOutboundOptions {
  readonly common: ResolvedCommon;
  readonly codec: Codec<unknown>;
  readonly schema: Schema | null;
  readonly journal: Journal;
  readonly rules: ResolvedReliableSend;
  /** Messages beyond which there is no room (bytes). */
  readonly backlogBytesMax: number;
  /** The level of a `send` that names none. */
  readonly confirm: ConfirmLevel;
  /** A batch is stored, and may go to receivers. */
  readonly onStored: (batch: Batch) => void;
  /** Give up the oldest messages (count). */
  readonly onDrop: (count: number) => void;
  /** Messages were accepted and could not be stored. */
  readonly onFailed: (error: BrokerlessError, count: number) => void;
  readonly onRefused: (error: BrokerlessError) => void;
}

/** A turn of the event loop longer than this is too long for timers and other sockets (milliseconds). */
const TURN_MS_MAX = 8;
/** Deduplication ids of one batch (count). */
const IDS_MAX = 256;
const ACCEPTED: Promise<void> = Promise.resolve();
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  "BROKERLESS_CODEC",
  "BROKERLESS_SCHEMA",
  "BROKERLESS_TOO_LARGE",
]);
/** Numbers of codecs in a batch's header. */
const CODEC_NUMBERS: Readonly<Record<string, number>> = { raw: 1, msgpack: 2, json: 3 };

/** A batch that is appended and not settled. */
interface Size {
  last: number;
  bytes: number;
}

/** What waits for the open draft. */
interface Pending {
  /** One promise for all that wait until it is stored. */
  stored: { readonly promise: Promise<void>; readonly settle: Settle<void> } | null;
  /** Those that wait for more, with their place in the draft. */
  readonly later: {
    readonly index: number;
    readonly level: ConfirmLevel;
    readonly settle: Settle<void>;
  }[];
  readonly ids: string[];
}

/** A `drain` that waits until something is true. */
interface Drain {
  readonly isDone: () => boolean;
  readonly resolve: () => void;
}

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
 * A batch is closed when it is full, when the turn ends while the journal is idle, or when the journal has
 * stored the ones before it: so a lone message leaves at once, and under load a batch takes all that came
 * while the disk was busy. The draft that is appended is the batch that is sent.
 *
 * Invariant: messages get their seq in the order in which their `send` was called.
 *
 * @see docs/decisions/0040-link-protocol.md
 */
export class DurableOutbound {
  readonly #options: DurableOutboundOptions;
  readonly #encoder: BatchEncoder;
  readonly #journal: Journal;
  readonly #codec: Codec<unknown>;
  readonly #schema: Schema | null;
  readonly #batchBytesMax: number;
  readonly #batchCountMax: number;
  readonly #messageBytesMax: number;
  readonly #delivered = new Confirms();
  readonly #processed = new Confirms();
  readonly #waiting: Waiting[] = [];
  readonly #drains: Drain[] = [];
  #deduplication: Deduplication | null = null;
  #pending: Pending = newPending();
  #appending = 0;
  #scheduled = false;
  #turnStartMs = 0;
  #full = false;
  #closed = false;
  #checking: Promise<unknown> | null = null;
  /** Bytes of what is appended and not settled, in order: last seq, and bytes. */
  readonly #sizes: Size[] = [];
  #sizesHead = 0;
  #keptBytes = 0;
  #floor: number;
  #settledCount = 0;
  #unsettled: number;
  #failed = 0;
  #refused = 0;
  #frames = 0;
  #bytesStored = 0;

  /** @param start every seq up to `floor` is settled, and so many are in all */
  constructor(
    options: DurableOutboundOptions,
    { floor, settledCount }: { readonly floor: number; readonly settledCount: number },
  ) {
    this.#options = options;
    const { common, codec, journal } = options;
    this.#journal = journal;
    this.#codec = codec;
    this.#schema = options.schema;
    const batch = common.batch === false ? { batchBytesMax: 1, batchCountMax: 1 } : common.batch;
    this.#batchBytesMax = batch.batchBytesMax;
    this.#batchCountMax = batch.batchCountMax;
    this.#messageBytesMax = common.messageBytesMax;
    const number = CODEC_NUMBERS[codec.name] ?? CODEC_BYTES;
    this.#encoder = new BatchEncoder({ codec: number });
    this.#floor = floor;
    this.#unsettled = journal.seqStored - settledCount;
    if (journal.seqStored > floor) {
      const { bytesKept } = journal.stats();
      this.#sizes.push({ last: journal.seqStored, bytes: bytesKept });
      this.#keptBytes = bytesKept;
    }
    this.#checkFull();
  }

  /** Calls of `send` that wait to hear that a receiver holds their message (count). */
  get waitsForReceipts(): boolean {
    return this.#delivered.count > 0;
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
    const { count } = this.#encoder;
    if (count === 0) return;
    const draft = this.#encoder.take();
    const pending = this.#pending;
    this.#pending = newPending();
    this.#appending += 1;
    const size = { last: this.#journal.seqNext + count - 1, bytes: draft.bytes.length };
    this.#sizes.push(size);
    this.#keptBytes += size.bytes;
    this.#unsettled += count;
    const values = pending.ids.length > 0 ? { values: this.#dedup.values() } : undefined;
    const appended = this.#journal.appendDraft(draft, values);
    appended.then(
      (seq) => this.#onStored(draft, seq, pending),
      (error: unknown) => this.#onFailed(error, { count, size, pending }),
    );
    this.#checkFull();
  }

  /**
   * Appends a message that is encoded already, and stores values with it, all or none.
   *
   * @throws BrokerlessError as the journal's append does
   */
  async requeue(entry: EntryInput, values: Values): Promise<void> {
    if (this.#closed) throw closedError();
    this.flush();
    const { length } = entry.value;
    const size = { last: this.#journal.seqNext, bytes: length };
    const appended = this.#journal.append(entry, { values });
    this.#sizes.push(size);
    this.#keptBytes += length;
    this.#unsettled += 1;
    try {
      await appended;
    } catch (error) {
      this.#keptBytes -= length;
      this.#unsettled -= 1;
      size.bytes = 0;
      size.last = 0;
      throw error;
    }
  }

  /** A range will not be sent again. @param error null: it was processed */
  settled(first: number, last: number, error: BrokerlessError | null): void {
    const count = last - first + 1;
    this.#settledCount += count;
    this.#unsettled -= count;
    this.#delivered.settle(first, last, error);
    this.#processed.settle(first, last, error);
  }

  /** Every seq up to this one is settled: there may be room again. @returns bytes that it freed */
  floor(seq: number): number {
    const before = this.#keptBytes;
    while (this.#sizesHead < this.#sizes.length && this.#sizes[this.#sizesHead]!.last <= seq) {
      this.#keptBytes -= this.#sizes[this.#sizesHead]!.bytes;
      this.#sizesHead += 1;
    }
    if (this.#sizesHead > 256 && this.#sizesHead * 2 > this.#sizes.length) {
      this.#sizes.splice(0, this.#sizesHead);
      this.#sizesHead = 0;
    }
    this.#floor = seq;
    this.#admit();
    this.#endDrains();
    return before - this.#keptBytes;
  }

  /** A receiver holds a range. */
  delivered(first: number, last: number): void {
    this.#delivered.settle(first, last, null);
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
      const isEmpty = () => this.#unsettled <= 0 && this.#waiting.length === 0;
      return this.#until(() => this.#floor >= last || isEmpty(), options);
    }
    await this.#until(() => this.#journal.seqNext > last || this.#waiting.length === 0, options);
    this.flush();
    await this.#journal.sync();
  }

  /** Every waiting call rejects. What is appended stays in the journal. */
  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(closedError());
    for (const { resolve } of this.#drains.splice(0)) resolve();
    this.#delivered.close(closedError());
    this.#processed.close(closedError());
  }

  stats(): OutboundStats {
    return {
      ...NO_OUTBOUND_STATS,
      messagesSent: this.#settledCount,
      messagesDropped: this.#failed,
      sendsRefused: this.#refused,
      framesSent: this.#frames,
      bytesSent: this.#bytesStored,
      queuedMessages: this.#unsettled + this.#encoder.count,
      queuedBytes: this.#keptBytes + this.#encoder.bytes,
      waitingSends: this.#waiting.length,
    };
  }

  get #dedup(): Deduplication {
    const { rules } = this.#options;
    this.#deduplication ??= new Deduplication(this.#journal, rules.deduplicationIdsMax);
    return this.#deduplication;
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
      const before = this.#unsettled;
      this.#options.onDrop(Math.max(1, this.#batchCountMax === 1 ? 1 : Math.ceil(before / 64)));
      if (this.#unsettled === before) break;
    }
    return !this.#full;
  }

  /** Encodes the message behind what is open. @returns resolves at its level */
  #add(value: unknown, options: SendOptions | undefined): Promise<void> {
    const encoder = this.#encoder;
    const id = options?.deduplicationId;
    if (id !== undefined && !this.#dedup.add(id)) return this.#again(options!);
    const before = encoder.bytes;
    try {
      this.#encode(value, before);
      if (encoder.bytes > this.#batchBytesMax && encoder.count > 1) this.#makeAlone(value, before);
    } catch (error) {
      if (id !== undefined) this.#dedup.remove(id);
      throw error;
    }
    if (id !== undefined) {
      this.#pending.ids.push(id);
      if (this.#pending.ids.length >= IDS_MAX) {
        const level = options?.confirm ?? this.#options.confirm;
        const confirmed = level === "queued" ? ACCEPTED : this.#confirm(level);
        this.flush();
        return confirmed;
      }
    }
    const level = options?.confirm ?? this.#options.confirm;
    const confirmed = level === "queued" ? null : this.#confirm(level);
    if (encoder.bytes >= this.#batchBytesMax || encoder.count >= this.#batchCountMax) {
      this.flush();
      return confirmed ?? this.#endTurn();
    }
    if (!this.#scheduled && this.#appending === 0) {
      this.#scheduled = true;
      process.nextTick(this.#onTurn);
    }
    return confirmed ?? ACCEPTED;
  }

  /** A message that makes a batch too long goes into the next one. */
  #makeAlone(value: unknown, before: number): void {
    const encoder = this.#encoder;
    encoder.rewind({ bytes: before, count: encoder.count - 1 });
    this.flush();
    this.#encode(value, encoder.bytes);
  }

  /** A message with this id is in the journal, or on its way: stored when what is appended is. */
  async #again(options: SendOptions): Promise<void> {
    const level = options.confirm ?? this.#options.confirm;
    if (level === "queued") return;
    this.flush();
    await this.#journal.sync();
  }

  #encode(value: unknown, before: number): void {
    const encoder = this.#encoder;
    encoder.begin();
    try {
      this.#codec.encode(value, encoder.writer);
    } catch (cause) {
      encoder.abort();
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `codec ${this.#codec.name} cannot encode the value: ${reason}`;
      throw new BrokerlessError("BROKERLESS_CODEC", message, { cause });
    }
    const bytes = encoder.bytes - before - 4;
    if (bytes > this.#messageBytesMax) {
      encoder.abort();
      throw new BrokerlessError(
        "BROKERLESS_TOO_LARGE",
        `the encoded message has ${bytes} bytes; messageBytesMax is ${this.#messageBytesMax}`,
      );
    }
    encoder.finish();
  }

  #confirm(level: ConfirmLevel): Promise<void> {
    const pending = this.#pending;
    if (level === "stored") {
      pending.stored ??= deferred();
      return pending.stored.promise;
    }
    const index = this.#encoder.count - 1;
    return quiet(
      new Promise((resolve, reject) => {
        pending.later.push({ index, level, settle: { resolve, reject } });
      }),
    );
  }

  /** A loop that awaits every send never leaves its turn otherwise, and starves everything else. */
  #endTurn(): Promise<void> {
    const nowMs = performance.now();
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
      this.#delivered.close(closedError());
      this.#processed.close(closedError());
      return;
    }
    this.#options.onStored(new Batch(draft.batch));
    if (this.#appending === 0) this.flush();
    this.#admit();
    this.#endDrains();
  }

  #onFailed(
    cause: unknown,
    lost: { readonly count: number; readonly size: Size; readonly pending: Pending },
  ): void {
    const { count, size, pending } = lost;
    this.#appending -= 1;
    const error =
      cause instanceof BrokerlessError
        ? cause
        : new BrokerlessError("BROKERLESS_JOURNAL_FAILED", "the journal failed", { cause });
    this.#failed += count;
    this.#unsettled -= count;
    this.#keptBytes -= size.bytes;
    size.bytes = 0;
    size.last = 0;
    for (const id of pending.ids) this.#dedup.remove(id);
    for (const { settle } of pending.later) settle.reject(error);
    pending.stored?.settle.reject(error);
    if (this.#closed) return;
    this.#options.onFailed(error, count);
    if (this.#appending === 0) this.flush();
    this.#admit();
    this.#endDrains();
  }

  #checkFull(): void {
    const { common, rules, backlogBytesMax } = this.#options;
    this.#full =
      this.#journal.full ||
      this.#journal.pendingBytes >= common.queueBytesMax ||
      this.#keptBytes >= backlogBytesMax ||
      this.#unsettled >= rules.backlogMessagesMax;
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

  #until(isDone: () => boolean, options: WaitOptions | undefined): Promise<void> {
    if (isDone() || this.#closed) return Promise.resolve();
    return wait<void>("drain", options, ({ resolve }) => {
      const drain = { isDone, resolve };
      this.#drains.push(drain);
      return () => {
        this.#drains.splice(this.#drains.indexOf(drain), 1);
      };
    });
  }

  #endDrains(): void {
    for (const drain of [...this.#drains]) {
      if (!drain.isDone()) continue;
      this.#drains.splice(this.#drains.indexOf(drain), 1);
      drain.resolve();
    }
  }
}

function newPending(): Pending {
  return { stored: null, later: [], ids: [] };
}

function deferred(): NonNullable<Pending["stored"]> {
  let settle: Settle<void> | null = null;
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise: quiet(promise), settle: settle! };
}

function fullError(stats: OutboundStats): BrokerlessError {
  const message = `${stats.queuedMessages} messages of ${stats.queuedBytes} bytes are not processed yet`;
  return new BrokerlessError("BROKERLESS_FULL", message);
}
