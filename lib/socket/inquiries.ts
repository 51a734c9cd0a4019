import { FrameWriter } from "../transport/frame-writer.ts";
import type { NativeMessage } from "../transport/native.ts";
import { type Settle, type WaitOptions, wait } from "../wait.ts";
import { closedError } from "./inbox.ts";
import { DELIMITER } from "./request-wire.ts";

/** What {@link Inquiries} are made of. */
export interface InquiriesOptions {
  /** Encodes one question. */
  readonly encode: (question: unknown) => Buffer;
  readonly send: (message: NativeMessage) => Promise<void>;
  readonly queueBytesMax: number;
  readonly onFailed: (error: unknown) => void;
}

/** A question that a caller wants answered. */
export interface Question<A> {
  readonly value: unknown;
  /** Whether it may be sent again when a connection was lost before the answer came. */
  readonly resend: boolean;
  readonly settle: Settle<A>;
}

/** A question on its way. `body` is null until there is room for its encoding. */
interface Inquiry<A> extends Question<A> {
  readonly id: number;
  body: Buffer | null;
  /** Whether ZeroMQ has it. */
  sent: boolean;
}

/**
 * The questions of a requester that have no answer yet.
 *
 * Every question settles exactly once: by its answer, by its caller giving up, or by `close`. One that
 * was given up before ZeroMQ had it is never sent. Encoded questions are bounded in bytes; the others
 * wait in the order of asking.
 */
export class Inquiries<A> {
  readonly #options: InquiriesOptions;
  readonly #writer: FrameWriter;
  readonly #open = new Map<number, Inquiry<A>>();
  /** Not yet with ZeroMQ, in order; those no longer in `#open` were given up. */
  readonly #queue: Inquiry<A>[] = [];
  #head = 0;
  #queuedBytes = 0;
  readonly #drains = new Set<() => void>();
  #lastId = Math.floor(Math.random() * 2 ** 32);
  #sent = 0;
  #bytesSent = 0;

  constructor(options: InquiriesOptions) {
    this.#options = options;
    this.#writer = new FrameWriter({
      send: options.send,
      onIdle: () => this.#pump(),
      onSent: (_count, bytes) => {
        this.#sent += 1;
        this.#bytesSent += bytes;
      },
      onFailed: options.onFailed,
    });
  }

  /** Questions without an answer (count). */
  get open(): number {
    return this.#open.size;
  }

  stats(): {
    readonly messagesSent: number;
    readonly framesSent: number;
    readonly bytesSent: number;
    readonly queuedMessages: number;
    readonly queuedBytes: number;
  } {
    return {
      messagesSent: this.#sent,
      framesSent: this.#sent,
      bytesSent: this.#bytesSent,
      queuedMessages: this.#queue.length - this.#head + this.#writer.count,
      queuedBytes: this.#queuedBytes + this.#writer.bytes,
    };
  }

  /**
   * @returns gives the question up
   * @throws what the codec throws, where there is room at once; else the question rejects with it
   */
  ask(question: Question<A>): () => void {
    const inquiry: Inquiry<A> = { ...question, id: this.#freeId(), body: null, sent: false };
    if (this.#queuedBytes < this.#options.queueBytesMax) this.#encode(inquiry);
    this.#open.set(inquiry.id, inquiry);
    this.#queue.push(inquiry);
    this.#pump();
    return () => this.#close(inquiry);
  }

  /** @returns false when nobody waits for it any more */
  answer(id: number, settle: (question: Settle<A>) => void): boolean {
    const inquiry = this.#open.get(id);
    if (inquiry === undefined || !inquiry.sent) return false;
    this.#close(inquiry);
    settle(inquiry.settle);
    return true;
  }

  /** A connection was lost: what may have been on it, and may be sent again, is. */
  resend(): void {
    for (const inquiry of this.#open.values()) {
      if (!inquiry.sent || !inquiry.resend) continue;
      inquiry.sent = false;
      this.#queuedBytes += inquiry.body?.length ?? 0;
      this.#queue.push(inquiry);
    }
    this.#pump();
  }

  /** Resolves when every question asked so far has settled. */
  drain(options: WaitOptions | undefined): Promise<void> {
    const asked = [...this.#open.values()];
    const settled = (): boolean => asked.every(({ id }) => !this.#open.has(id));
    if (settled()) return Promise.resolve();
    return wait<void>("drain", options, ({ resolve }) => {
      const check = (): void => {
        if (!settled()) return;
        this.#drains.delete(check);
        resolve();
      };
      this.#drains.add(check);
      return () => this.#drains.delete(check);
    });
  }

  close(): void {
    this.#writer.close();
    for (const inquiry of [...this.#open.values()]) {
      this.#close(inquiry);
      inquiry.settle.reject(closedError());
    }
  }

  #pump(): void {
    while (this.#writer.idle && this.#head < this.#queue.length) {
      const inquiry = this.#queue[this.#head]!;
      this.#shift();
      if (!this.#open.has(inquiry.id)) continue;
      if (inquiry.body === null) this.#encodeLate(inquiry);
      if (inquiry.body === null) continue;
      inquiry.sent = true;
      this.#queuedBytes -= inquiry.body.length;
      this.#writer.write([idFrame(inquiry.id), DELIMITER, inquiry.body], 1, inquiry.body.length);
    }
  }

  /** Encodes what had to wait for room; a question that cannot be encoded rejects. */
  #encodeLate(inquiry: Inquiry<A>): void {
    try {
      this.#encode(inquiry);
    } catch (error) {
      this.#close(inquiry);
      inquiry.settle.reject(error);
    }
  }

  #encode(inquiry: Inquiry<A>): void {
    inquiry.body = this.#options.encode(inquiry.value);
    this.#queuedBytes += inquiry.body.length;
  }

  #shift(): void {
    this.#head += 1;
    if (this.#head < this.#queue.length && this.#head < 1_024) return;
    this.#queue.splice(0, this.#head);
    this.#head = 0;
  }

  #close(inquiry: Inquiry<A>): void {
    if (!this.#open.delete(inquiry.id)) return;
    if (!inquiry.sent) this.#queuedBytes -= inquiry.body?.length ?? 0;
    for (const check of [...this.#drains]) check();
  }

  #freeId(): number {
    do this.#lastId = (this.#lastId + 1) >>> 0;
    while (this.#open.has(this.#lastId));
    return this.#lastId;
  }
}

function idFrame(id: number): Buffer {
  const frame = Buffer.allocUnsafe(4);
  frame.writeUInt32BE(id);
  return frame;
}
