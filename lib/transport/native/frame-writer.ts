import type { NativeMessage } from "./native.ts";

/** Dependencies of {@link FrameWriter}. */
export interface FrameWriterOptions {
  readonly send: (message: NativeMessage) => Promise<void>;
  /** Everything was sent, and there is room for more. */
  readonly onIdle: () => void;
  /** A message was passed to ZeroMQ (count of values, bytes). */
  readonly onSent: (count: number, bytes: number) => void;
  /** The native socket refused a message. */
  readonly onFailed: (error: unknown, count: number) => void;
}

/** A message that is not yet passed to ZeroMQ. */
interface Handover {
  readonly message: NativeMessage;
  readonly count: number;
  readonly bytes: number;
  next: Handover | null;
}

/**
 * The only writer of a native socket: one send at a time, the rest in a queue of its own.
 *
 * Sends beyond libzmq's high-water mark wait inside zeromq until there is room, so messages are
 * sent in the order of `write`. The caller bounds the queue; `bytes` is its length. Sent messages
 * are released at once: long-lived frames cause collections of the whole heap.
 */
export class FrameWriter {
  readonly #options: FrameWriterOptions;
  /** The send in progress, followed by the waiting ones. */
  #first: Handover | null = null;
  #last: Handover | null = null;
  #frames = 0;
  #bytes = 0;
  #count = 0;
  #closed = false;

  constructor(options: FrameWriterOptions) {
    this.#options = options;
  }

  /** Whether a message written now is sent at once. */
  get idle(): boolean {
    return this.#first === null;
  }

  /** Bytes in the queue. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Messages in the queue (count). */
  get frames(): number {
    return this.#frames;
  }

  /** Values in the queue (count). */
  get count(): number {
    return this.#count;
  }

  write(message: NativeMessage, count: number, bytes: number): void {
    if (this.#closed) return;
    const handover = { message, count, bytes, next: null };
    const last = this.#last;
    this.#last = handover;
    this.#frames += 1;
    this.#bytes += bytes;
    this.#count += count;
    if (last !== null) last.next = handover;
    else this.#start(handover);
  }

  /** Drops the unsent messages. */
  close(): void {
    this.#closed = true;
    if (this.#first !== null) this.#first.next = null;
    this.#last = this.#first;
  }

  #start(handover: Handover): void {
    this.#first = handover;
    this.#options.send(handover.message).then(this.#sent, this.#failed);
  }

  readonly #sent = (): void => {
    const { count, bytes } = this.#next();
    this.#options.onSent(count, bytes);
    if (this.idle && !this.#closed) this.#options.onIdle();
  };

  readonly #failed = (error: unknown): void => {
    const { count } = this.#next();
    if (this.#closed) return;
    this.#options.onFailed(error, count);
    if (this.idle) this.#options.onIdle();
  };

  /** @returns the completed send */
  #next(): Handover {
    const ended = this.#first!;
    const { next } = ended;
    // Otherwise a dead old object would keep all younger ones alive in a minor garbage collection.
    ended.next = null;
    this.#first = null;
    this.#frames -= 1;
    this.#bytes -= ended.bytes;
    this.#count -= ended.count;
    if (next === null) this.#last = null;
    else this.#start(next);
    return ended;
  }
}
