import { Batch, checkBatch } from "../../../batch/batch.ts";
import { partsByHeaders } from "../../../batch/batch-split.ts";
import type { Hello } from "../../../delivery/protocol/handshake.ts";
import { LINK_FLAG, type LinkMessage } from "../../../delivery/protocol/link-message.ts";
import type { ReceiverStream } from "./receiver-stream.ts";

/** Dependencies of {@link BatchIntake}. */
export interface BatchIntakeOptions {
  /** The credit that this receiver grants its senders. */
  readonly hello: Pick<Hello, "prefetch" | "prefetchBytesMax">;
  /** Limit on waiting messages of one stream (bytes). */
  readonly waitingBytesMax: number;
  /** Limit on headers decoded in one turn of the event loop, except for a single message (count). */
  readonly headersMax: number;
}

/** Puts received batches into the windows: complete ones of the session's stream, within the credit. */
export class BatchIntake {
  readonly #options: BatchIntakeOptions;
  #frames = 0;
  #bytes = 0;

  constructor(options: BatchIntakeOptions) {
    this.#options = options;
  }

  /** Batches accepted (count). */
  get frames(): number {
    return this.#frames;
  }

  /** Their size (bytes). */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Puts a received batch into the window of its stream.
   *
   * @param message the header, of type `data`
   * @returns the batch; or as text why it was not accepted
   */
  take(stream: ReceiverStream, message: LinkMessage, bytes: Buffer): Batch | string {
    const fault = checkBatch(bytes);
    if (fault !== null) return `a batch: ${fault}`;
    const batch = new Batch(bytes);
    const excess = this.#excessOf(stream, batch);
    if (excess !== null) return excess;
    this.#frames += 1;
    this.#bytes += bytes.length;
    const { window } = stream;
    window.step({ type: "progress", acks: message.number, floor: 0 });
    stream.isWatched = (message.flags & LINK_FLAG.watched) !== 0;
    const guarded = (message.flags & LINK_FLAG.guarded) !== 0;
    for (const { first, last } of partsByHeaders(batch, this.#options.headersMax)) {
      window.step({ type: "data", first, last, attempt: message.argument, guarded, batch });
    }
    return batch;
  }

  #excessOf(stream: ReceiverStream, batch: Batch): string | null {
    if (batch.stream !== stream.id || batch.epoch > stream.welcome.incarnations.at(-1)!.epoch) {
      return "a batch of another stream or epoch";
    }
    const { window } = stream;
    const { prefetch, prefetchBytesMax } = this.#options.hello;
    // Twice the prefetch, since the sender's count may differ by messages given back whose report it has not read yet.
    const room = prefetch * 2 + window.unsentCount;
    if (window.waitingCount + window.unackedCount + batch.count > room) {
      return "more messages than the prefetch allows";
    }
    if (window.waitingBytes < this.#options.waitingBytesMax) return null;
    const text = `${window.waitingBytes} bytes wait, and prefetchBytesMax is ${prefetchBytesMax}`;
    return `more than was granted: ${text}`;
  }
}
