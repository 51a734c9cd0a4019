import type { Channel } from "./channel.ts";
import { errnoOf } from "./native/errno.ts";
import type { NativeMessage } from "./native/native.ts";
import { afterPause, pauseMs } from "./send-with-retry.ts";

/** Upper limit of the pauses, which grow with the wait (milliseconds). */
const LONG_PAUSE_MS_MAX = 250;
/** A peer that reads nothing for this time counts as gone (milliseconds). */
const STUCK_MS_MAX = 30_000;
/** Most bytes, other than data, that may wait for a peer. */
const WAITING_BYTES_MAX = 4 * 2 ** 20;
/** While more data than this waits for a peer, it must get no more (bytes). */
const DATA_BYTES_MANY = 2 ** 20;
/** Approximate overhead of a waiting message (bytes). */
const MESSAGE_BYTES = 256;

/** Receives the end of a {@link LinkWriter} that was not closed; one of these is called, once. */
export interface LinkWriterListener {
  /** ZeroMQ reports that there is no such peer, or refuses the message. */
  readonly onGone: () => void;
  /** The peer does not read. */
  readonly onStuck: () => void;
}

/**
 * The queue to one peer, in which a send never waits inside ZeroMQ (`sendTimeout` 0): in order, one
 * at a time, retried while the peer's pipe is full, and dropped with the peer.
 *
 * The queue is bounded in length and in time: at the limit, or when nothing was sent for half a
 * minute, the rest is dropped together with the peer. Data does not count towards the limit. It has
 * its own limits: the credit, which its sender respects, and `isFull`, because a peer can return
 * credit for data that it has not read yet. So only messages that a peer provokes and does not read
 * fill a queue.
 */
export class LinkWriter {
  readonly #channel: Channel;
  readonly #listener: LinkWriterListener;
  readonly #queue: Queued[] = [];
  #head = 0;
  /** Waiting bytes that are not data. */
  #bytes = 0;
  /** Waiting data (bytes). */
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

  /** Whether so much data waits that the peer must get no more until some of it has been sent. */
  get isFull(): boolean {
    return this.#dataBytes > DATA_BYTES_MANY;
  }

  /**
   * Calls back once when little data waits. Only the last callback is called, and none after the
   * writer is closed.
   */
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

  /** Resolves when everything was sent, or dropped. */
  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle.push(resolve);
    });
  }

  /** Drops everything unsent. */
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
    // Last, because the callback may use the room at once.
    this.#left(next);
  };
}

interface Queued {
  readonly message: NativeMessage;
  /** Bytes that it counts for. */
  readonly bytes: number;
  /** Whether it is within the peer's credit. */
  readonly isData: boolean;
}

function sizeOf(message: NativeMessage): number {
  let bytes = MESSAGE_BYTES;
  for (const part of message as readonly Uint8Array[]) bytes += part.length;
  return bytes;
}
