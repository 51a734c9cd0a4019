import type { FrameSink } from "../batch/batcher.ts";
import type { FrameWriter } from "../transport/native/frame-writer.ts";
import type { NativeMessage } from "../transport/native/native.ts";

/** What {@link AddressedFrameSink} needs from the role for each frame. */
export interface Addressing<K> {
  /** Peers among which a burst of messages is distributed (count). */
  readonly peers: () => number;
  /** Prepends the parts that ZeroMQ needs to a frame of the run `key`, such as its topic. */
  readonly address: (frame: Buffer, key: K) => NativeMessage;
}

/**
 * Connects a batcher to the writer of a native socket.
 *
 * A class, not an object literal with two getters: the engine looks up the getters of such an object every time, and
 * the batcher reads them for every message (a tenth of the total cost of sending one).
 */
export class AddressedFrameSink<K> implements FrameSink<K> {
  readonly #writer: FrameWriter;
  readonly #addressing: Addressing<K>;

  constructor(writer: FrameWriter, addressing: Addressing<K>) {
    this.#writer = writer;
    this.#addressing = addressing;
  }

  get idle(): boolean {
    return this.#writer.idle;
  }

  get peers(): number {
    return this.#addressing.peers();
  }

  write(frame: Buffer, count: number, key: K, headers: Buffer | null): void {
    const message = this.#addressing.address(frame, key);
    if (headers === null) this.#writer.write(message, count, frame.length);
    else this.#writer.write(behind(message, headers), count, frame.length + headers.length);
  }
}

/** Appends the headers, which are the last frame of a message. */
function behind(message: NativeMessage, headers: Buffer): NativeMessage {
  return Array.isArray(message) ? [...message, headers] : [message as Buffer, headers];
}
