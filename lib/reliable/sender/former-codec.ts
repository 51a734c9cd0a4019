import type { Batch } from "../../batch/batch.ts";
import { CODEC_BYTES } from "../../batch/layout.ts";
import { BrokerlessError } from "../../errors.ts";
import { codecNameOf, codecNumberOf } from "../outbound/codec-numbers.ts";

/** Dependencies of {@link FormerCodec}. */
export interface FormerCodecOptions {
  /** Name of the sender's codec. */
  readonly codec: string;
  /** The newest message left by an earlier sender; messages behind it are not checked. */
  readonly seqBefore: number;
  readonly isSettled: (seq: number) => boolean;
  /** The first unsettled message was found to be of this codec, or could not be read. */
  readonly onChecked: () => void;
  /** Messages are of another codec: neither they nor any messages behind them are dispatched. */
  readonly onRefused: (error: () => BrokerlessError, seqFirst: number) => void;
}

/**
 * Holds back messages that an earlier sender has left in another codec: every receiver would reject them, so a wrong
 * deployment would turn a whole backlog into dead letters.
 *
 * Batches are checked when they are read to be dispatched, so the check causes no reads.
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

  /** Whether a batch that was read may be dispatched. */
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

  /** No more reads are due. Even if that is because of a failure, there is nothing more to wait for. */
  checked(): void {
    if (this.#isChecked) return;
    this.#isChecked = true;
    this.#options.onChecked();
  }

  /** raw() accepts bytes of any unlisted format. */
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
