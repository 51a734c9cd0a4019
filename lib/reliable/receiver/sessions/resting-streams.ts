import { OldestFirst } from "./oldest-first.ts";
import type { ReceiverStream } from "./receiver-stream.ts";

/**
 * The streams without a session: which of them has had none for longest, which can be removed without loss, and the
 * size of all their waiting messages. A stream is checked only when a change of it is reported: so the cost of a new
 * stream does not depend on the number of these streams.
 *
 * @see docs/decisions/0053-bounded-inbox.md
 */
export class RestingStreams {
  readonly #isSpare: (stream: ReceiverStream) => boolean;
  readonly #all = new OldestFirst<ReceiverStream>();
  /** Streams of which nothing had to be remembered at the last check. */
  readonly #spare = new OldestFirst<ReceiverStream>();
  /** Streams with waiting messages at the last check. */
  readonly #waiting = new OldestFirst<ReceiverStream>();
  /** Size of their waiting messages at that time (bytes). */
  readonly #bytes = new Map<ReceiverStream, number>();
  #waitingBytes = 0;

  /** @param isSpare whether nothing of a stream has to be remembered */
  constructor(isSpare: (stream: ReceiverStream) => boolean) {
    this.#isSpare = isSpare;
  }

  /** The stream that has had no session for longest; null: all have one. */
  get oldest(): ReceiverStream | null {
    return this.#all.first;
  }

  /** Size of the waiting messages of all streams (bytes). */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Of the streams with waiting messages, the one without a session for longest; null: there are none. */
  get oldestWaiting(): ReceiverStream | null {
    return this.#waiting.first;
  }

  /** A stream no longer has a session. */
  add(stream: ReceiverStream): void {
    this.#all.add(stream);
    this.review(stream);
  }

  /** A stream has a session again, or is removed. */
  delete(stream: ReceiverStream): void {
    this.#all.delete(stream);
    this.#spare.delete(stream);
    this.#setBytes(stream, 0);
  }

  /** A stream may have changed. Ignored for streams that are not in this collection. */
  review(stream: ReceiverStream): void {
    if (!this.#all.has(stream)) return;
    if (this.#isSpare(stream)) this.#spare.add(stream);
    else this.#spare.delete(stream);
    this.#setBytes(stream, stream.window.waitingBytes);
  }

  /** A stream of which nothing has to be remembered; null: there is none. */
  spare(): ReceiverStream | null {
    for (let stream = this.#spare.first; stream !== null; stream = this.#spare.first) {
      // If its state could not be stored since the check, it has to be kept in memory.
      if (this.#isSpare(stream)) return stream;
      this.#spare.delete(stream);
    }
    return null;
  }

  #setBytes(stream: ReceiverStream, bytes: number): void {
    this.#waitingBytes += bytes - (this.#bytes.get(stream) ?? 0);
    if (bytes > 0) {
      this.#bytes.set(stream, bytes);
      this.#waiting.add(stream);
    } else if (this.#bytes.delete(stream)) this.#waiting.delete(stream);
  }
}
