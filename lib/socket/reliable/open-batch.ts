import { type BatchDraft, BatchEncoder } from "../../batch/batch-encoder.ts";
import { CODEC_BYTES } from "../../batch/layout.ts";
import type { Codec } from "../../codec/codec.ts";
import { BrokerlessError } from "../../errors.ts";
import { quiet, type Settle } from "../../wait.ts";
import type { ResolvedCommon } from "../options.ts";
import type { ConfirmLevel } from "./options.ts";

/** Deduplication ids of one batch (count). */
const IDS_MAX = 256;
/** Numbers of codecs in a batch's header. */
const CODEC_NUMBERS: Readonly<Record<string, number>> = { raw: 1, msgpack: 2, json: 3 };

/** Who waits for the messages of a batch. */
export interface Pending {
  /** One promise for all that wait until it is stored. */
  stored: { readonly promise: Promise<void>; readonly settle: Settle<void> } | null;
  /** Those that wait for more, with their place in the batch. */
  readonly later: {
    readonly index: number;
    readonly level: ConfirmLevel;
    readonly settle: Settle<void>;
  }[];
  readonly ids: string[];
}

/** What becomes of a message. */
export interface AddOptions {
  readonly level: ConfirmLevel;
  readonly id: string | undefined;
}

/** The batch that messages are encoded into, and those who wait for them. */
export class OpenBatch {
  readonly #encoder: BatchEncoder;
  readonly #codec: Codec<unknown>;
  readonly #bytesMax: number;
  readonly #countMax: number;
  readonly #messageBytesMax: number;
  readonly #onFull: () => void;
  #pending: Pending = newPending();

  /** @param onFull the next message does not fit: the batch has to be taken */
  constructor(codec: Codec<unknown>, common: ResolvedCommon, onFull: () => void) {
    this.#codec = codec;
    this.#encoder = new BatchEncoder({ codec: CODEC_NUMBERS[codec.name] ?? CODEC_BYTES });
    const batch = common.batch === false ? { batchBytesMax: 1, batchCountMax: 1 } : common.batch;
    this.#bytesMax = batch.batchBytesMax;
    this.#countMax = batch.batchCountMax;
    this.#messageBytesMax = common.messageBytesMax;
    this.#onFull = onFull;
  }

  get bytes(): number {
    return this.#encoder.bytes;
  }

  /** Messages (count). */
  get count(): number {
    return this.#encoder.count;
  }

  /** Messages that a batch may have (count). */
  get countMax(): number {
    return this.#countMax;
  }

  get isFull(): boolean {
    const { bytes, count } = this.#encoder;
    const isLong = bytes >= this.#bytesMax || count >= this.#countMax;
    return isLong || this.#pending.ids.length >= IDS_MAX;
  }

  /**
   * Encodes a message behind the others.
   *
   * @returns resolves at its level; null where there is nothing to wait for
   * @throws BrokerlessError `BROKERLESS_CODEC`, `_TOO_LARGE`: nothing is added
   */
  add(value: unknown, { level, id }: AddOptions): Promise<void> | null {
    const encoder = this.#encoder;
    const before = encoder.bytes;
    this.#encode(value, before);
    if (encoder.bytes > this.#bytesMax && encoder.count > 1) {
      // It goes alone, into the next batch.
      encoder.rewind({ bytes: before, count: encoder.count - 1 });
      this.#onFull();
      this.#encode(value, encoder.bytes);
    }
    if (id !== undefined) this.#pending.ids.push(id);
    return level === "queued" ? null : this.#confirm(level);
  }

  /** Closes the batch; the next message begins another. */
  take(): { readonly draft: BatchDraft; readonly pending: Pending } {
    const pending = this.#pending;
    this.#pending = newPending();
    return { draft: this.#encoder.take(), pending };
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
