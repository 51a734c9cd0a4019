import { Batcher, type BatcherLimits, type FrameSink } from "../batch/batcher.ts";
import { createFraming } from "../batch/framing/create-framing.ts";
import { encodeHeaders, type HeaderLimits } from "../batch/headers.ts";
import { headersTogetherMax } from "../batch/headers-bound.ts";
import type { Codec } from "../codec/codec.ts";
import { ACCEPTED, Admission, type Admitted } from "../core/admission.ts";
import type { OutboundStats } from "../core/outbound-stats.ts";
import type { Schema } from "../core/schema.ts";
import {
  headersOfTry,
  SEND_OPTIONS,
  type SendOptions,
  type TrySendOptions,
} from "../core/send-options.ts";
import { framingOptions, type ResolvedCommon } from "../core/socket-options.ts";
import type { BrokerlessError } from "../errors.ts";
import { describe } from "../options.ts";
import { FrameWriter } from "../transport/native/frame-writer.ts";
import type { NativeMessage } from "../transport/native/native.ts";
import { checkWaitOptions, quiet, type WaitOptions } from "../wait.ts";

/** Dependencies of {@link Outbound}. */
export interface OutboundOptions<K> {
  readonly common: ResolvedCommon;
  readonly codec: Codec<unknown>;
  readonly schema: Schema | null;
  readonly send: (message: NativeMessage) => Promise<void>;
  /** Creates the receiver of full frames, which passes them to `writer`. */
  readonly sink: (writer: FrameWriter, limits: BatcherLimits) => FrameSink<K>;
  readonly firstKey: K;
  /** Name of the call in error texts. Default: `send`. */
  readonly call?: string;
  readonly onFailed: (error: unknown, count: number) => void;
  /** Called when `send` refuses a message: its promise rejects too, but may not be awaited. */
  readonly onRefused: (error: BrokerlessError) => void;
}

/** The terms of a call beside its value. */
interface Terms<K> {
  readonly key: K;
  /** The headers, encoded at the call; null for none. */
  readonly headers: Buffer | null;
}

/** Limits that every message reaches, for `batch: false`. */
const UNBATCHED = Object.freeze({ batchBytesMax: 1, batchCountMax: 1 });
/** Approximate overhead of a queued frame, so that a queue of small frames is bounded too (bytes). */
const FRAME_BYTES = 256;

/**
 * The send path of a socket, in order: schema, codec, batch, bounded queue, transport.
 *
 * `key` separates runs that must not share a frame (a publisher's topics); order is kept across keys. Invariant:
 * messages leave in the order of their `send` calls; while one `send` waits, all later ones wait behind it.
 */
export class Outbound<K> {
  readonly #admission: Admission<Terms<K>>;
  readonly #batcher: Batcher<unknown, K>;
  readonly #writer: FrameWriter;
  readonly #queueBytesMax: number;
  readonly #headerLimits: HeaderLimits;
  readonly #call: string;
  readonly #tryCall: string;
  #accepted = 0;
  #settled = 0;
  #framesSent = 0;
  #bytesSent = 0;
  #failed = 0;

  constructor(options: OutboundOptions<K>) {
    const { common, codec } = options;
    this.#queueBytesMax = common.queueBytesMax;
    this.#headerLimits = common;
    this.#call = options.call ?? "send";
    this.#tryCall = this.#call === "publish" ? "tryPublish" : "trySend";
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
    const { messageBytesMax, messageElementsMax: elementsMax, headersCountMax } = common;
    const together = headersTogetherMax({ elementsMax, headersCountMax });
    const limits = { ...batch, messageBytesMax, headersTogetherMax: together };
    const sink = options.sink(this.#writer, limits);
    this.#batcher = new Batcher(framing, sink, { ...limits, key: options.firstKey });
    this.#admission = new Admission({
      schema: options.schema,
      isFull: () => this.#isFull,
      makeRoom: () => false,
      takesRoom: () => true,
      fullError: () => null,
      encode: (value) => this.#batcher.encode(value),
      add: (message) => this.#admit(message),
      onRefused: options.onRefused,
    });
  }

  /** Whether calls wait for the schema. */
  get isChecking(): boolean {
    return this.#admission.isChecking;
  }

  /**
   * Accepts the message when there is room.
   *
   * @returns resolves when the message is in bounded memory; rejects with `BROKERLESS_CODEC`, `_SCHEMA`, `_TOO_LARGE`,
   * `_CLOSED`, `_TIMEOUT` or the signal's reason
   */
  send(value: unknown, key: K, options: SendOptions | undefined): Promise<void> {
    try {
      if (options !== undefined) {
        return this.#admission.send(value, this.#termsOf(key, options), options);
      }
      if (!this.#admission.isOpen || this.#isFull) {
        return this.#admission.send(value, { key, headers: null });
      }
      this.#add(value, key, null);
    } catch (error) {
      return quiet(Promise.reject(this.#admission.refuse(error)));
    }
    return this.#turn();
  }

  /**
   * @returns false when there is no room
   * @throws BrokerlessError as `send` rejects; TypeError where the schema is asynchronous
   */
  trySend(value: unknown, key: K, options?: TrySendOptions): boolean {
    if (options === undefined && this.#admission.isOpen && !this.#isFull) {
      this.#add(value, key, null);
      return true;
    }
    const headers = headersOfTry(this.#tryCall, options, this.#headerLimits);
    if (!this.#admission.hasRoomFor(value)) return false;
    this.#add(value, key, headers);
    return true;
  }

  /** Resolves when all messages accepted before the call, and those of calls that wait, have been handed to ZeroMQ. */
  drain(options: WaitOptions | undefined): Promise<void> {
    this.#batcher.flush();
    return this.#admission.drain(options, () => {
      const accepted = this.#accepted;
      return () => this.#settled >= accepted;
    });
  }

  /** Drops queued messages; every waiting `send` and `drain` rejects. */
  close(): void {
    this.#writer.close();
    this.#admission.close();
  }

  stats(): OutboundStats {
    return {
      messagesSent: this.#settled - this.#failed,
      messagesDropped: this.#failed,
      messagesLost: 0,
      sendsRefused: this.#admission.refused,
      framesSent: this.#framesSent,
      bytesSent: this.#bytesSent,
      queuedMessages: this.#accepted - this.#settled,
      queuedBytes: this.#batcher.bytes + this.#writer.bytes,
      waitingSends: this.#admission.waiting,
    };
  }

  get #isFull(): boolean {
    const { bytes, frames } = this.#writer;
    return this.#batcher.bytes + bytes + frames * FRAME_BYTES >= this.#queueBytesMax;
  }

  #admit({ value, isEncoded, terms: { key, headers } }: Admitted<Terms<K>>): Promise<void> {
    if (!isEncoded) {
      this.#add(value, key, headers);
      return this.#turn();
    }
    // It was encoded before, so this cannot fail.
    this.#batcher.addEncoded(value as Buffer, key, headers);
    this.#accepted += 1;
    return ACCEPTED;
  }

  #termsOf(key: K, options: SendOptions): Terms<K> {
    const { headers } = checkSendOptions(this.#call, options);
    if (headers === undefined) return { key, headers: null };
    return { key, headers: encodeHeaders(this.#call, headers, this.#headerLimits) };
  }

  #add(value: unknown, key: K, headers: Buffer | null): void {
    this.#batcher.add(value, key, headers);
    this.#accepted += 1;
  }

  /**
   * Yields to the event loop after a long turn: a loop that awaits every send would otherwise never leave its turn, and
   * starve everything else.
   */
  #turn(): Promise<void> {
    return this.#batcher.overlong ? new Promise((resolve) => setImmediate(resolve)) : ACCEPTED;
  }

  #onSent(count: number, bytes: number): void {
    this.#framesSent += 1;
    this.#bytesSent += bytes;
    this.#onSettled(count);
  }

  #onSettled(count: number): void {
    this.#settled += count;
    this.#admission.admit();
  }
}

function checkSendOptions(call: string, options: SendOptions): SendOptions {
  checkWaitOptions(call, options, SEND_OPTIONS);
  if (options.confirm !== undefined && options.confirm !== "queued") {
    throw new TypeError(
      `confirm: ${describe(options.confirm)} needs a reliable socket; a plain one confirms "queued"`,
    );
  }
  if (options.deduplicationId !== undefined) {
    throw new TypeError("deduplicationId needs a reliable socket");
  }
  return options;
}
