import type { NativeMessage } from "./native.ts";

/** What a {@link FrameWriter} writes to, and whom it tells. */
export interface FrameWriterOptions {
  readonly send: (message: NativeMessage) => Promise<void>;
  /** Everything was handed over; more is welcome. */
  readonly onIdle: () => void;
  /** A message was handed over (count of values, bytes). */
  readonly onSent: (count: number, bytes: number) => void;
  /** The native socket refused a message. */
  readonly onFailed: (error: unknown, count: number) => void;
}

/** A message that was taken and not yet handed over. */
interface Handover {
  readonly message: NativeMessage;
  readonly count: number;
  readonly bytes: number;
  next: Handover | null;
}

/**
 * The one writer of a native socket: one send at a time, the rest in a queue of its own.
 *
 * Resolved sends beyond libzmq's high-water mark wait inside zeromq until there is room, so order is
 * the order of `write`. The queue's bound is the caller's business; `bytes` says how much is held. What
 * was handed over is forgotten at once: frames that live long cost collections of the whole heap.
 */
export class FrameWriter {
  readonly #options: FrameWriterOptions;
  /** The send under way, then those that wait. */
  #first: Handover | null = null;
  #last: Handover | null = null;
  #frames = 0;
  #bytes = 0;
  #count = 0;
  #closed = false;

  constructor(options: FrameWriterOptions) {
    this.#options = options;
  }

  /** Whether a message written now leaves at once. */
  get idle(): boolean {
    return this.#first === null;
  }

  /** Bytes taken and not yet handed over. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Messages taken and not yet handed over (count). */
  get frames(): number {
    return this.#frames;
  }

  /** Values taken and not yet handed over (count). */
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

  /** Forgets what was not handed over. */
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

  /** @returns the send that has ended */
  #next(): Handover {
    const ended = this.#first!;
    const { next } = ended;
    // Or an old one that is gone would keep all younger ones alive, in the eyes of a collection of young objects.
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
