import { Batch, checkBatch } from "../../../batch/batch.ts";
import { partsByHeaders } from "../../../batch/batch-split.ts";
import type { Hello } from "../../../delivery/protocol/handshake.ts";
import { LINK_FLAG, type LinkMessage } from "../../../delivery/protocol/link-message.ts";
import type { ReceiverStream } from "./receiver-stream.ts";

/** Dependencies of {@link BatchIntake}. */
export interface BatchIntakeOptions {
  /** What this receiver grants its senders. */
  readonly hello: Pick<Hello, "prefetch" | "prefetchBytesMax">;
  /** Bytes that may wait here of one stream. */
  readonly waitingBytesMax: number;
  /** Headers that are decoded in one turn of the event loop, unless they are of one message (count). */
  readonly headersMax: number;
}

/** Batches on their way into the windows: whole, of the session's stream, and no more than was granted. */
export class BatchIntake {
  readonly #options: BatchIntakeOptions;
  #frames = 0;
  #bytes = 0;

  constructor(options: BatchIntakeOptions) {
    this.#options = options;
  }

  /** Batches that were taken (count). */
  get frames(): number {
    return this.#frames;
  }

  /** Of these (bytes). */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Gives the window of a stream what its sender has sent.
   *
   * @param message the header, of type `data`
   * @returns the messages; or in words why none of them was taken
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
    window.step({ type: "news", acks: message.number, floor: 0 });
    stream.isWatched = (message.flags & LINK_FLAG.watched) !== 0;
    const guarded = (message.flags & LINK_FLAG.guarded) !== 0;
    for (const { first, last } of partsByHeaders(batch, this.#options.headersMax)) {
      window.step({ type: "data", first, last, attempt: message.word, guarded, batch });
    }
    return batch;
  }

  #excessOf(stream: ReceiverStream, batch: Batch): string | null {
    if (batch.stream !== stream.id || batch.epoch > stream.welcome.epochs.at(-1)!.epoch) {
      return "a batch of another stream or epoch";
    }
    const { window } = stream;
    const { prefetch, prefetchBytesMax } = this.#options.hello;
    // Twice, since what we gave back and the sender has not heard of counts for us, not for it.
    const room = prefetch * 2 + window.unsaidCount;
    if (window.waitingCount + window.inHandCount + batch.count > room) {
      return "more messages than the prefetch allows";
    }
    if (window.waitingBytes < this.#options.waitingBytesMax) return null;
    const text = `${window.waitingBytes} bytes wait, and prefetchBytesMax is ${prefetchBytesMax}`;
    return `more than was granted: ${text}`;
  }
}
