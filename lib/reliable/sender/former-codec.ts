import type { Batch } from "../../batch/batch.ts";
import { CODEC_BYTES } from "../../batch/layout.ts";
import { BrokerlessError } from "../../errors.ts";
import { codecNameOf, codecNumberOf } from "../outbound/codec-numbers.ts";

/** Dependencies of {@link FormerCodec}. */
export interface FormerCodecOptions {
  /** The name of the sender's codec. */
  readonly codec: string;
  /** The newest message that a sender before this one has left; what is behind it is not looked at. */
  readonly seqBefore: number;
  readonly isSettled: (seq: number) => boolean;
  /** It is known that the first message that is not settled may be handed out, or it could not be read. */
  readonly onChecked: () => void;
  /** Messages are of another codec: neither they nor what is behind them is handed out. */
  readonly onRefused: (error: () => BrokerlessError, seqFirst: number) => void;
}

/**
 * Keeps back what a sender before this one has left in another codec: every receiver would reject it, and so a wrong
 * deployment would make dead letters of a whole backlog.
 *
 * The batches are looked at as they are read to be handed out, so that nothing is read for it.
 *
 * @see docs/decisions/0058-unheard-errors-and-codecs.md
 */
export class FormerCodec {
  readonly #options: FormerCodecOptions;
  readonly #number: number;
  #isChecked = false;

  constructor(options: FormerCodecOptions) {
    this.#options = options;
    this.#number = codecNumberOf(options.codec);
  }

  /** Whether a batch that was read may be handed out. */
  takes(batch: Batch): boolean {
    if (batch.seqFirst <= this.#options.seqBefore && !this.#reads(batch.codec)) {
      const seq = this.#unsettledOf(batch);
      if (seq !== null) {
        this.#options.onRefused(() => this.#error(seq, batch.codec), seq);
        return false;
      }
    }
    this.checked();
    return true;
  }

  /** Nothing more is read: also where that is a failure, there is nothing to wait for. */
  checked(): void {
    if (this.#isChecked) return;
    this.#isChecked = true;
    this.#options.onChecked();
  }

  /** Bytes of no particular format are what raw() takes. */
  #reads(codec: number): boolean {
    return codec === this.#number || (codec === CODEC_BYTES && this.#options.codec === "raw");
  }

  #unsettledOf({ seqFirst, seqLast }: Batch): number | null {
    for (let seq = seqFirst; seq <= seqLast; seq++) {
      if (!this.#options.isSettled(seq)) return seq;
    }
    return null;
  }

  #error(seq: number, former: number): BrokerlessError {
    const { codec } = this.#options;
    const name = codecNameOf(former);
    const message =
      `the journal has messages from ${seq} on that are not processed and of codec ${name}, and this socket has codec ` +
      `${codec}: nothing is sent; open it with codec ${name} until they are processed, and with ${codec} then`;
    return new BrokerlessError("BROKERLESS_CODEC", message);
  }
}
