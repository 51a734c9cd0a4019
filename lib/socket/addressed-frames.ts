import type { FrameSink } from "../batch/batcher.ts";
import type { FrameWriter } from "../transport/frame-writer.ts";
import type { NativeMessage } from "../transport/native.ts";

/** What {@link AddressedFrames} ask for each frame. */
export interface Addressing<K> {
  /** Peers among which a burst is dealt out (count). */
  readonly peers: () => number;
  /** Puts what ZeroMQ needs before a frame of the run `key`, such as its topic. */
  readonly address: (frame: Buffer, key: K) => NativeMessage;
}

/**
 * From a batcher to the writer of a native socket.
 *
 * A class, and not an object with two getters: of such an object the engine looks each up anew, and the batcher
 * asks for every message (a tenth of the whole cost of sending one).
 */
export class AddressedFrames<K> implements FrameSink<K> {
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

  write(frame: Buffer, count: number, key: K): void {
    this.#writer.write(this.#addressing.address(frame, key), count, frame.length);
  }
}
