import type { Channel } from "./channel.ts";
import { errnoOf, type NativeMessage } from "./native.ts";

/** Pauses between tries grow from one to so many milliseconds. */
const PAUSE_MS_MAX = 16;
/** Tries that only wait for the next turn of the event loop, before there are pauses (count). */
const TURNS = 4;

/**
 * The queue to one peer, where a send never waits inside ZeroMQ (`sendTimeout` 0): in order, one at a time,
 * tried again while the peer's pipe is full, and forgotten with the peer.
 *
 * Its bound is the credit that the peer has given, which is the caller's business.
 */
export class LinkWriter {
  readonly #channel: Channel;
  readonly #onGone: () => void;
  readonly #queue: NativeMessage[] = [];
  #head = 0;
  #busy = false;
  #closed = false;
  #onIdle: (() => void) | null = null;

  /** @param onGone ZeroMQ says that there is no such peer, or refuses the message; called once */
  constructor(channel: Channel, onGone: () => void) {
    this.#channel = channel;
    this.#onGone = onGone;
  }

  write(message: NativeMessage): void {
    if (this.#closed) return;
    if (this.#busy) this.#queue.push(message);
    else this.#send(message, 0);
  }

  /** Resolves when everything was handed over, or forgotten. */
  idle(): Promise<void> {
    if (!this.#busy || this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** Forgets what was not handed over. */
  close(): void {
    this.#closed = true;
    this.#onIdle?.();
    this.#queue.length = 0;
    this.#head = 0;
  }

  #send(message: NativeMessage, tries: number): void {
    this.#busy = true;
    this.#channel.send(message).then(this.#sent, (error: unknown) => {
      if (this.#closed) return;
      if (errnoOf(error) === "EAGAIN" && !this.#channel.closed) return this.#retry(message, tries);
      this.close();
      this.#onGone();
    });
  }

  #retry(message: NativeMessage, tries: number): void {
    const again = (): void => {
      if (!this.#closed) this.#send(message, tries + 1);
    };
    if (tries < TURNS) setImmediate(again);
    else setTimeout(again, Math.min(PAUSE_MS_MAX, 2 ** Math.min(tries - TURNS, 10)));
  }

  readonly #sent = (): void => {
    this.#busy = false;
    const next = this.#queue[this.#head];
    if (next === undefined) {
      this.#onIdle?.();
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
    this.#send(next, 0);
  };
}
