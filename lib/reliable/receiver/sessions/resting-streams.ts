import { OldestFirst } from "./oldest-first.ts";
import type { ReceiverStream } from "./receiver-stream.ts";

/**
 * The streams without a session: which of them has had none for longest, which can be forgotten without loss, and what
 * waits of all. It looks at a stream when it is told that something of it has changed, and at no other then: what a new
 * stream costs does not depend on how many rest.
 *
 * @see docs/decisions/0053-bounded-inbox.md
 */
export class RestingStreams {
  readonly #isSpare: (stream: ReceiverStream) => boolean;
  readonly #all = new OldestFirst<ReceiverStream>();
  /** Of which nothing had to be remembered when they were looked at. */
  readonly #spare = new OldestFirst<ReceiverStream>();
  /** Of which something waited when they were looked at. */
  readonly #waiting = new OldestFirst<ReceiverStream>();
  /** What waited then of each of these (bytes). */
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

  /** What waits of all together (bytes). */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** The stream that has had no session for longest, of those of which something waits; null: nothing does. */
  get oldestWaiting(): ReceiverStream | null {
    return this.#waiting.first;
  }

  /** A stream has no session now. */
  add(stream: ReceiverStream): void {
    this.#all.add(stream);
    this.review(stream);
  }

  /** A stream has a session now, or is forgotten. */
  delete(stream: ReceiverStream): void {
    this.#all.delete(stream);
    this.#spare.delete(stream);
    this.#setBytes(stream, 0);
  }

  /** Something of a stream may have changed. Of one that is not here nothing is noted. */
  review(stream: ReceiverStream): void {
    if (!this.#all.has(stream)) return;
    if (this.#isSpare(stream)) this.#spare.add(stream);
    else this.#spare.delete(stream);
    this.#setBytes(stream, stream.window.waitingBytes);
  }

  /** A stream of which nothing has to be remembered; null: there is none. */
  spare(): ReceiverStream | null {
    for (let stream = this.#spare.first; stream !== null; stream = this.#spare.first) {
      // What could not be stored since has to be remembered here.
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
