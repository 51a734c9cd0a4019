import { Batcher } from "../batch/batcher.ts";
import { createFraming } from "../batch/framing.ts";
import type { Codec } from "../codec/codec.ts";
import { BrokerlessError, type ErrorCode } from "../errors.ts";
import { FrameWriter } from "../transport/frame-writer.ts";
import type { NativeMessage } from "../transport/native.ts";
import { checkWaitOptions, quiet, type WaitOptions, wait } from "../wait.ts";
import { AddressedFrames, type Addressing } from "./addressed-frames.ts";
import { Drains } from "./drains.ts";
import { closedError } from "./inbox.ts";
import { framingOptions, type ResolvedCommon } from "./options.ts";
import type { OutboundStats } from "./outbound-stats.ts";
import type { ConfirmLevel } from "./reliable/options.ts";
import { checkOutgoing, type Schema } from "./schema.ts";
import { Waitlist } from "./waitlist.ts";

/** Options of one `send`. */
export interface SendOptions extends WaitOptions {
  /** The level at which `send` resolves; without an ack layer there is only `queued`. */
  readonly confirm?: ConfirmLevel | undefined;
  /**
   * A message with an id that was sent before, perhaps by a process before this one, is not sent again: `send`
   * then resolves once the first is stored. With an ack layer; a bounded number of ids is remembered.
   */
  readonly deduplicationId?: string | undefined;
}

/** What an {@link Outbound} is made of. */
export interface OutboundOptions<K> extends Addressing<K> {
  readonly common: ResolvedCommon;
  readonly codec: Codec<unknown>;
  readonly schema: Schema | null;
  readonly send: (message: NativeMessage) => Promise<void>;
  readonly firstKey: K;
  readonly onFailed: (error: unknown, count: number) => void;
  /** A message was refused at `send`; its promise rejects too, but perhaps nobody looks at it. */
  readonly onRefused: (error: BrokerlessError) => void;
}

/** Codes of messages that are refused for what they are. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  "BROKERLESS_CODEC",
  "BROKERLESS_SCHEMA",
  "BROKERLESS_TOO_LARGE",
]);

/** What `send` returns while there is room: one promise for all, since nobody can tell them apart. */
const ACCEPTED: Promise<void> = Promise.resolve();
/** A frame that exceeds no limit of bytes, for `batch: false` (bytes). */
const UNBATCHED = Object.freeze({ batchBytesMax: 1, batchCountMax: 1 });
/** What a queued frame takes beside its bytes, about: the queue of small frames is bounded too (bytes). */
const FRAME_BYTES = 256;

/**
 * The way out of a socket, in order: schema, codec, batch, bounded queue, transport.
 *
 * `key` separates runs that must not share a frame (a publisher's topics); order is kept across keys.
 * Invariant: messages leave in the order in which their `send` was called; while one `send` waits, all
 * later ones wait behind it.
 */
export class Outbound<K> {
  readonly #schema: Schema | null;
  readonly #batcher: Batcher<unknown, K>;
  readonly #writer: FrameWriter;
  readonly #queueBytesMax: number;
  readonly #waiting = new Waitlist<Waiting<K>>();
  readonly #drains = new Drains();
  /** The checks of an asynchronous schema, in order; null while none is under way. */
  #checking: Promise<unknown> | null = null;
  /** Calls that had to wait for room, ever (count). */
  #waits = 0;
  #accepted = 0;
  #settled = 0;
  #framesSent = 0;
  #bytesSent = 0;
  #failed = 0;
  #refused = 0;
  readonly #onRefused: (error: BrokerlessError) => void;
  #closed = false;

  constructor(options: OutboundOptions<K>) {
    const { common, codec } = options;
    this.#schema = options.schema;
    this.#onRefused = options.onRefused;
    this.#queueBytesMax = common.queueBytesMax;
    const batch = common.batch === false ? UNBATCHED : common.batch;
    const framing = createFraming(codec, framingOptions(common));
    this.#writer = new FrameWriter({
      send: options.send,
      onIdle: () => this.#batcher.onIdle(),
      onSent: (count, bytes) => this.#onSent(count, bytes),
      onFailed: (error, count) => {
        this.#failed += count;
        this.#onSettled(count);
        options.onFailed(error, count);
      },
    });
    const sink = new AddressedFrames(this.#writer, options);
    const limits = { ...batch, messageBytesMax: common.messageBytesMax, key: options.firstKey };
    this.#batcher = new Batcher(framing, sink, limits);
  }

  /**
   * Takes the message when there is room.
   *
   * @returns resolves when the message is in bounded memory; rejects with `BROKERLESS_CODEC`,
   * `_SCHEMA`, `_TOO_LARGE`, `_CLOSED`, `_TIMEOUT` or the signal's reason
   */
  send(value: unknown, key: K, options: SendOptions | undefined): Promise<void> {
    if (options !== undefined || this.#schema !== null) {
      return quiet(this.#sendChecked(value, key, options ?? {}));
    }
    try {
      return this.#accept(value, key, undefined);
    } catch (error) {
      return quiet(Promise.reject(error));
    }
  }

  /**
   * @returns false when there is no room
   * @throws BrokerlessError as `send` rejects; TypeError where the schema is asynchronous
   */
  trySend(value: unknown, key: K): boolean {
    if (this.#closed) throw closedError();
    this.#checkNow(value);
    if (this.#full || this.#waiting.size > 0 || this.#checking !== null) return false;
    this.#add(value, key);
    return true;
  }

  /** Resolves when all that was accepted before the call, or waits to be, is with ZeroMQ. */
  drain(options: WaitOptions | undefined): Promise<void> {
    this.#batcher.flush();
    if (this.#closed) return Promise.resolve();
    return wait<void>("drain", options, ({ resolve }) => {
      const drain = this.#drains.open(resolve);
      const begin = (): void => {
        drain.begin(this.#waits);
        this.#checkDrains();
      };
      if (this.#checking === null) begin();
      else this.#checking.then(begin, begin);
      return () => this.#drains.delete(drain);
    });
  }

  /** Drops what is queued; every waiting `send` rejects. */
  close(): void {
    this.#closed = true;
    this.#writer.close();
    for (const waiting of this.#waiting.clear()) waiting.reject(closedError());
    this.#drains.end();
  }

  stats(): OutboundStats {
    return {
      messagesSent: this.#settled - this.#failed,
      messagesDropped: this.#failed,
      sendsRefused: this.#refused,
      framesSent: this.#framesSent,
      bytesSent: this.#bytesSent,
      queuedMessages: this.#accepted - this.#settled,
      queuedBytes: this.#batcher.bytes + this.#writer.bytes,
      waitingSends: this.#waiting.size,
    };
  }

  get #full(): boolean {
    const { bytes, frames } = this.#writer;
    return this.#batcher.bytes + bytes + frames * FRAME_BYTES >= this.#queueBytesMax;
  }

  async #sendChecked(value: unknown, key: K, options: SendOptions): Promise<void> {
    if (options.confirm !== undefined && options.confirm !== "queued") {
      throw new TypeError(
        `confirm: ${JSON.stringify(options.confirm)} needs a reliable socket; a plain one confirms "queued"`,
      );
    }
    if (options.deduplicationId !== undefined) {
      throw new TypeError("deduplicationId needs a reliable socket");
    }
    checkWaitOptions("send", options).signal?.throwIfAborted();
    // No await where none is needed: messages leave in the order of the calls.
    try {
      const checked = this.#schema === null ? null : this.#check(this.#schema, value);
      if (checked !== null) await checked;
    } catch (error) {
      this.#refuse(error);
      throw error;
    }
    await this.#accept(value, key, options);
  }

  #checkNow(value: unknown): void {
    if (this.#schema === null) return;
    const checked = checkOutgoing(this.#schema, value);
    if (checked === null) return;
    quiet(checked);
    throw new TypeError("trySend needs a schema that checks synchronously; use send");
  }

  /** Reports what nobody may be waiting to hear. */
  #refuse(error: unknown): void {
    if (!(error instanceof BrokerlessError && REFUSALS.has(error.code))) return;
    this.#refused += 1;
    this.#onRefused(error);
  }

  /** Keeps the order of sends although their checks may end in another. */
  #check(schema: Schema, value: unknown): Promise<unknown> | null {
    const checked = checkOutgoing(schema, value);
    if (checked === null && this.#checking === null) return null;
    // It may reject while an earlier check is still under way, and nobody has looked yet.
    if (checked !== null) quiet(checked);
    const previous = this.#checking ?? ACCEPTED;
    const inOrder = previous.then(
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

  #accept(value: unknown, key: K, options: WaitOptions | undefined): Promise<void> {
    if (this.#closed) throw closedError();
    if (this.#full || this.#waiting.size > 0) return this.#waitForRoom(value, key, options);
    this.#addReported(value, key);
    // A loop that awaits every send never leaves its turn otherwise, and starves everything else.
    return this.#batcher.overlong ? new Promise((resolve) => setImmediate(resolve)) : ACCEPTED;
  }

  #add(value: unknown, key: K): void {
    this.#accepted += 1;
    try {
      this.#batcher.add(value, key);
    } catch (error) {
      this.#accepted -= 1;
      throw error;
    }
  }

  #addReported(value: unknown, key: K): void {
    try {
      this.#add(value, key);
    } catch (error) {
      this.#refuse(error);
      throw error;
    }
  }

  #waitForRoom(value: unknown, key: K, options: WaitOptions | undefined): Promise<void> {
    const admitted = wait<void>("send", options, ({ resolve, reject }) => {
      const waiting = { value, key, number: ++this.#waits, resolve, reject };
      this.#waiting.join(waiting);
      return () => {
        this.#waiting.leave(waiting);
        this.#checkDrains();
      };
    });
    return quiet(admitted);
  }

  #onSent(count: number, bytes: number): void {
    this.#framesSent += 1;
    this.#bytesSent += bytes;
    this.#onSettled(count);
  }

  #onSettled(count: number): void {
    this.#settled += count;
    while (this.#waiting.size > 0 && !this.#full) this.#admit(this.#waiting.next()!);
    this.#checkDrains();
  }

  #admit(waiting: Waiting<K>): void {
    try {
      this.#addReported(waiting.value, waiting.key);
      waiting.resolve();
    } catch (error) {
      waiting.reject(error);
    }
    this.#checkDrains();
  }

  #checkDrains(): void {
    if (this.#drains.size === 0) return;
    const waitsFrom = this.#waiting.first?.number ?? this.#waits + 1;
    this.#drains.check({ waitsFrom, accepted: this.#accepted, settled: this.#settled });
  }
}

/** A `send` that waits for room. */
interface Waiting<K> {
  readonly value: unknown;
  readonly key: K;
  /** How many had waited before it, and itself (count). */
  readonly number: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}
