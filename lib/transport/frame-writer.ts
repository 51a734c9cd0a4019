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

/**
 * The one writer of a native socket: one send at a time, the rest in a queue of its own.
 *
 * Resolved sends beyond libzmq's high-water mark wait inside zeromq until there is room, so order is
 * the order of `write`. The queue's bound is the caller's business; `bytes` says how much is held.
 */
export class FrameWriter {
  readonly #options: FrameWriterOptions;
  readonly #queue: { message: NativeMessage; count: number; bytes: number }[] = [];
  #head = 0;
  #bytes = 0;
  #count = 0;
  #busyCount = 0;
  #busyBytes = 0;
  #busy = false;
  #closed = false;

  constructor(options: FrameWriterOptions) {
    this.#options = options;
  }

  /** Whether a message written now leaves at once. */
  get idle(): boolean {
    return !this.#busy;
  }

  /** Bytes taken and not yet handed over. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Messages taken and not yet handed over (count). */
  get frames(): number {
    return this.#queue.length - this.#head + (this.#busy ? 1 : 0);
  }

  /** Values taken and not yet handed over (count). */
  get count(): number {
    return this.#count;
  }

  write(message: NativeMessage, count: number, bytes: number): void {
    if (this.#closed) return;
    this.#bytes += bytes;
    this.#count += count;
    if (this.#busy) this.#queue.push({ message, count, bytes });
    else this.#start(message, count, bytes);
  }

  /** Forgets what was not handed over. */
  close(): void {
    this.#closed = true;
    this.#queue.length = 0;
    this.#head = 0;
  }

  #start(message: NativeMessage, count: number, bytes: number): void {
    this.#busy = true;
    this.#busyCount = count;
    this.#busyBytes = bytes;
    this.#options.send(message).then(this.#sent, this.#failed);
  }

  readonly #sent = (): void => {
    const count = this.#busyCount;
    const bytes = this.#busyBytes;
    this.#next();
    this.#options.onSent(count, bytes);
    if (!this.#busy && !this.#closed) this.#options.onIdle();
  };

  readonly #failed = (error: unknown): void => {
    const count = this.#busyCount;
    this.#next();
    if (this.#closed) return;
    this.#options.onFailed(error, count);
    if (!this.#busy) this.#options.onIdle();
  };

  #next(): void {
    this.#busy = false;
    this.#bytes -= this.#busyBytes;
    this.#count -= this.#busyCount;
    if (this.#closed) return;
    const next = this.#queue[this.#head];
    if (next === undefined) return;
    this.#head += 1;
    if (this.#head > 1_024 && this.#head * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    } else if (this.#head === this.#queue.length) {
      this.#queue.length = 0;
      this.#head = 0;
    }
    this.#start(next.message, next.count, next.bytes);
  }
}
