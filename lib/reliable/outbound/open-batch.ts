import { type BatchDraft, BatchEncoder } from "../../batch/batch-encoder.ts";
import { ASIDE_SLAB_BYTES, ByteWriter } from "../../codec/byte-writer.ts";
import type { Codec, EncodeLimits } from "../../codec/codec.ts";
import { encodesAlready, notEncoded, refusePromise } from "../../codec/codec-error.ts";
import { checkElements, tooManyBytes } from "../../codec/elements.ts";
import { raw } from "../../codec/raw.ts";
import type { ConfirmLevel } from "../../core/send-options.ts";
import type { ResolvedCommon } from "../../core/socket-options.ts";
import { quiet, type Settle } from "../../wait.ts";
import { codecNumberOf } from "./codec-numbers.ts";
import { encodeIdKey } from "./id-key.ts";
import type { KnownId, Pending } from "./pending.ts";

/** Limit on deduplication ids in one batch (count). */
const IDS_MAX = 256;

/** The codec for messages encoded by {@link OpenBatch.encode}. */
export const ENCODED: Codec<unknown> = raw() as Codec<unknown>;

/** Options of one message. */
export interface AddOptions {
  readonly level: ConfirmLevel;
  /** Its deduplication id; null for none. */
  readonly known: KnownId | null;
  /** Encoded; null for none. */
  readonly headers: Buffer | null;
}

/** The batch into which messages are encoded, and the calls that wait for them. */
export class OpenBatch {
  readonly #encoder: BatchEncoder;
  readonly #codec: Codec<unknown>;
  readonly #bytesMax: number;
  readonly #countMax: number;
  readonly #limits: EncodeLimits;
  readonly #onFull: () => void;
  #pending: Pending = newPending();
  /** Buffer for encoded messages that have to wait; null before the first. */
  #aside: ByteWriter | null = null;
  #isEncoding = false;

  /** @param onFull the next message does not fit: the batch has to be taken */
  constructor(codec: Codec<unknown>, common: ResolvedCommon, onFull: () => void) {
    this.#codec = codec;
    this.#encoder = new BatchEncoder({ codec: codecNumberOf(codec.name) });
    const batch = common.batch === false ? { batchBytesMax: 1, batchCountMax: 1 } : common.batch;
    this.#bytesMax = batch.batchBytesMax;
    this.#countMax = batch.batchCountMax;
    this.#limits = { elementsMax: common.messageElementsMax, bytesMax: common.messageBytesMax };
    this.#onFull = onFull;
  }

  /** Whether a value is being encoded, which may run code of the application: the batch cannot be taken. */
  get isEncoding(): boolean {
    return this.#isEncoding;
  }

  get bytes(): number {
    return this.#encoder.bytes;
  }

  /** Messages (count). */
  get count(): number {
    return this.#encoder.count;
  }

  /** Limit on messages in a batch (count). */
  get countMax(): number {
    return this.#countMax;
  }

  get isFull(): boolean {
    const { bytes, count } = this.#encoder;
    const isLong = bytes >= this.#bytesMax || count >= this.#countMax;
    return isLong || this.#pending.ids.length >= IDS_MAX;
  }

  /**
   * Encodes a message that cannot be added yet, because its owner may change it meanwhile.
   *
   * @returns what `add` takes with {@link ENCODED}
   * @throws BrokerlessError as `add`
   */
  encode(value: unknown): Buffer {
    if (this.#isEncoding) throw encodesAlready();
    this.#aside ??= new ByteWriter(null, ASIDE_SLAB_BYTES);
    const writer = this.#aside;
    try {
      this.#write(value, writer, this.#codec);
    } catch (error) {
      writer.rewind(0);
      throw error;
    }
    return writer.take();
  }

  /**
   * Encodes a message at the end of the batch.
   *
   * @returns resolves at the confirm level; null if there is nothing to wait for
   * @throws BrokerlessError `BROKERLESS_CODEC`, `_TOO_LARGE`: nothing is added
   */
  add(
    value: unknown,
    options: AddOptions,
    codec: Codec<unknown> = this.#codec,
  ): Promise<void> | null {
    if (this.#isEncoding) throw encodesAlready();
    const { level, known } = options;
    const encoder = this.#encoder;
    const before = encoder.bytes;
    this.#encode(value, codec, options);
    if (encoder.bytes > this.#bytesMax && encoder.count > 1) {
      // The message goes into the next batch instead.
      encoder.rewind({ bytes: before, count: encoder.count - 1 });
      this.#onFull();
      this.#encode(value, codec, options);
    }
    const index = encoder.count - 1;
    if (known !== null) {
      known.first = { pending: this.#pending, index };
      this.#pending.ids.push({ index, known });
    }
    return level === "queued" ? null : confirmed(this.#pending, index, level);
  }

  /** Closes the batch; the next message begins another. */
  take(): { readonly draft: BatchDraft; readonly pending: Pending } {
    const pending = this.#pending;
    this.#pending = newPending();
    return { draft: this.#encoder.take(), pending };
  }

  #encode(value: unknown, codec: Codec<unknown>, { known, headers }: AddOptions): void {
    const encoder = this.#encoder;
    const meta = known === null ? undefined : { key: encodeIdKey(known.hash) };
    if (headers === null) encoder.begin(meta);
    else encoder.beginWithHeaders(headers, meta);
    try {
      this.#write(value, encoder.writer, codec);
    } catch (error) {
      encoder.abort();
      throw error;
    }
    encoder.finish();
  }

  /** If it throws, the caller has to remove what was written. */
  #write(value: unknown, writer: ByteWriter, codec: Codec<unknown>): void {
    const before = writer.length;
    this.#isEncoding = true;
    try {
      const returned: unknown = codec.encode(value, writer, this.#limits);
      if (returned !== undefined) refusePromise("encode", returned);
    } catch (cause) {
      throw notEncoded(codec, cause);
    } finally {
      this.#isEncoding = false;
    }
    const bytes = writer.length - before;
    const { elementsMax, bytesMax } = this.#limits;
    if (bytes > elementsMax) {
      const encoded = writer.bytes.subarray(writer.end - bytes, writer.end);
      checkElements(codec, encoded, { elementsMax, what: "message" });
    }
    if (bytes > bytesMax) throw tooManyBytes(bytesMax, bytes);
  }
}

/** Adds a call that waits for a message of a batch. @returns resolves at the level */
export function confirmed(pending: Pending, index: number, level: ConfirmLevel): Promise<void> {
  if (level !== "stored") return confirmedLater(pending, index, level);
  pending.stored ??= deferred();
  return pending.stored.promise;
}

/** Separate from `confirmed`, which otherwise would allocate a closure context for each message. */
function confirmedLater(pending: Pending, index: number, level: ConfirmLevel): Promise<void> {
  return quiet(
    new Promise((resolve, reject) => {
      pending.later.push({ index, level, settle: { resolve, reject } });
    }),
  );
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
