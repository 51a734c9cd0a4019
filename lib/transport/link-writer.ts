import type { Channel } from "./channel.ts";
import { errnoOf, type NativeMessage } from "./native/native.ts";
import { afterPause, pauseMs } from "./send-with-retry.ts";

/** Pauses grow with the wait, to so many milliseconds. */
const LONG_PAUSE_MS_MAX = 250;
/** A peer that takes nothing for so long is taken for gone (milliseconds). */
const STUCK_MS_MAX = 30_000;
/** What is not data may wait for a peer (bytes). */
const WAITING_BYTES_MAX = 4 * 2 ** 20;
/** Where more data than this waits for a peer, it is to get no more for now (bytes). */
const DATA_BYTES_MANY = 2 ** 20;
/** What a message that waits takes beside its bytes, about (bytes). */
const MESSAGE_BYTES = 256;

/** Told how a {@link LinkWriter} ends before it is closed; one of them, once. */
export interface LinkWriterListener {
  /** ZeroMQ says that there is no such peer, or refuses the message. */
  readonly onGone: () => void;
  /** The peer does not read. */
  readonly onStuck: () => void;
}

/**
 * The queue to one peer, where a send never waits inside ZeroMQ (`sendTimeout` 0): in order, one at a time,
 * tried again while the peer's pipe is full, and forgotten with the peer.
 *
 * What waits is bounded, and so is the wait: at the bound, or when nothing was taken for half a minute, the
 * rest is dropped and the peer given up. Data does not count there: the credit, which its sender bounds, is its
 * limit, together with `isFull`, since a peer can give back what it has not read yet. So what fills a queue is what a
 * peer makes us say and does not read.
 */
export class LinkWriter {
  readonly #channel: Channel;
  readonly #listener: LinkWriterListener;
  readonly #queue: Queued[] = [];
  #head = 0;
  /** What waits and is not data (bytes). */
  #bytes = 0;
  /** Data that waits (bytes). */
  #dataBytes = 0;
  #onRoom: (() => void) | null = null;
  #busy = false;
  #closed = false;
  readonly #onIdle: (() => void)[] = [];

  constructor(channel: Channel, listener: LinkWriterListener) {
    this.#channel = channel;
    this.#listener = listener;
  }

  /** Whether nothing waits. */
  get isIdle(): boolean {
    return !this.#busy || this.#closed;
  }

  /** Whether so much data waits that nothing more is to be handed out to the peer before some of it has left. */
  get isFull(): boolean {
    return this.#dataBytes > DATA_BYTES_MANY;
  }

  /** Calls back once when little data waits. Who asks last is told; nobody is when it was closed before. */
  onRoom(call: () => void): void {
    this.#onRoom = call;
  }

  /** @param isData whether it is within the peer's credit */
  write(message: NativeMessage, isData: boolean): void {
    if (this.#closed) return;
    if (!this.#busy) {
      this.#send(message, 0, 0);
      return;
    }
    const bytes = sizeOf(message);
    this.#queue.push({ message, bytes, isData });
    if (isData) {
      this.#dataBytes += bytes;
      return;
    }
    this.#bytes += bytes;
    if (this.#bytes > WAITING_BYTES_MAX) this.#giveUp();
  }

  /** Resolves when everything was handed over, or forgotten. */
  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle.push(resolve);
    });
  }

  /** Forgets what was not handed over. */
  close(): void {
    this.#closed = true;
    this.#ended();
    this.#queue.length = 0;
    this.#head = 0;
    this.#bytes = 0;
    this.#dataBytes = 0;
    this.#onRoom = null;
  }

  #left({ bytes, isData }: Queued): void {
    if (!isData) {
      this.#bytes -= bytes;
      return;
    }
    this.#dataBytes -= bytes;
    if (this.#onRoom === null || this.#dataBytes > DATA_BYTES_MANY / 2) return;
    const call = this.#onRoom;
    this.#onRoom = null;
    call();
  }

  #send(message: NativeMessage, tries: number, waitedMs: number): void {
    this.#busy = true;
    this.#channel.send(message).then(this.#sent, (error: unknown) => {
      if (this.#closed) return;
      if (errnoOf(error) === "EAGAIN" && !this.#channel.closed) {
        this.#retry(message, tries, waitedMs);
        return;
      }
      this.close();
      this.#listener.onGone();
    });
  }

  #retry(message: NativeMessage, tries: number, waitedMs: number): void {
    if (waitedMs >= STUCK_MS_MAX) {
      this.#giveUp();
      return;
    }
    const longMs = Math.min(LONG_PAUSE_MS_MAX, waitedMs / 8);
    const delayMs = Math.max(pauseMs(tries), longMs);
    afterPause(delayMs, () => {
      if (!this.#closed) this.#send(message, tries + 1, waitedMs + delayMs);
    });
  }

  #giveUp(): void {
    this.close();
    this.#listener.onStuck();
  }

  #ended(): void {
    for (const call of this.#onIdle.splice(0)) call();
  }

  readonly #sent = (): void => {
    this.#busy = false;
    const next = this.#queue[this.#head];
    if (next === undefined) {
      if (this.#onIdle.length > 0) this.#ended();
      return;
    }
    this.#head += 1;
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0;
      this.#head = 0;
    } else if (this.#head > 1_024 && this.#head * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    this.#send(next.message, 0, 0);
    // Last, since whoever is told that there is room may use it at once.
    this.#left(next);
  };
}

interface Queued {
  readonly message: NativeMessage;
  /** What it counts for (bytes). */
  readonly bytes: number;
  /** Whether it is within the peer's credit. */
  readonly isData: boolean;
}

function sizeOf(message: NativeMessage): number {
  let bytes = MESSAGE_BYTES;
  for (const part of message as readonly Uint8Array[]) bytes += part.length;
  return bytes;
}
