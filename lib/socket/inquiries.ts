import { BrokerlessError } from "../errors.ts";
import { FrameWriter } from "../transport/frame-writer.ts";
import type { NativeMessage } from "../transport/native.ts";
import { onAbort, type WaitOptions } from "../wait.ts";
import { closedError } from "./inbox.ts";
import { OpenWork } from "./open-work.ts";
import { DELIMITER } from "./request-wire.ts";
import { Waitlist } from "./waitlist.ts";

/** What {@link Inquiries} are made of. */
export interface InquiriesOptions {
  /** Encodes one question. */
  readonly encode: (question: unknown) => Buffer;
  /** Hands a message to ZeroMQ when it has room for it, unless nobody wants that any more. */
  readonly send: (message: NativeMessage, isWanted: () => boolean) => Promise<void>;
  readonly queueBytesMax: number;
  readonly onFailed: (error: unknown) => void;
}

/** A question that a caller wants answered, and how long the caller waits. */
export interface Question {
  readonly value: unknown;
  /** Whether it may be sent again when a connection was lost before the answer came. */
  readonly resend: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/** A question on its way. */
interface Inquiry {
  readonly id: number;
  /** What {@link OpenWork} knows it by. */
  readonly number: number;
  readonly question: Question;
  /** Null until there is room for its encoding. */
  body: Buffer | null;
  /** Whether ZeroMQ has it. */
  sent: boolean;
  /** Whether ZeroMQ has ever had it, so that an answer may come. */
  asked: boolean;
  timer: NodeJS.Timeout | null;
  forgetSignal: () => void;
}

/**
 * The questions of a requester that have no answer yet.
 *
 * Every question settles exactly once: by its answer, its time limit, its signal, or `close`. One that
 * was given up before ZeroMQ had it is never sent. Encoded questions are bounded in bytes; the others
 * wait in the order of asking.
 */
export class Inquiries {
  readonly #options: InquiriesOptions;
  readonly #writer: FrameWriter;
  readonly #open = new Map<number, Inquiry>();
  /** Those that ZeroMQ has not been offered yet. */
  readonly #queue = new Waitlist<Inquiry>();
  /** The one that ZeroMQ is offered. */
  #offered: Inquiry | null = null;
  #queuedBytes = 0;
  readonly #work = new OpenWork();
  #lastId = Math.floor(Math.random() * 2 ** 32);
  #sent = 0;
  #bytesSent = 0;

  constructor(options: InquiriesOptions) {
    this.#options = options;
    this.#writer = new FrameWriter({
      send: (message) => {
        const inquiry = this.#offered!;
        return options.send(message, () => this.#open.has(inquiry.id));
      },
      onIdle: () => this.#pump(),
      onSent: (_count, bytes) => this.#onSent(bytes),
      onFailed: (error) => this.#onFailed(error),
    });
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
      queuedMessages: this.#queue.size + this.#writer.count,
      queuedBytes: this.#queuedBytes,
    };
  }

  /** @throws what the codec throws, where there is room at once; else the question rejects with it */
  ask(question: Question): void {
    // The order matters: a question that cannot be encoded was never asked.
    const body = this.#queuedBytes < this.#options.queueBytesMax ? this.#encode(question) : null;
    const id = this.#freeId();
    const inquiry: Inquiry = {
      id,
      number: this.#work.begin(),
      question,
      body,
      sent: false,
      asked: false,
      timer: null,
      forgetSignal: () => {},
    };
    this.#open.set(id, inquiry);
    this.#limit(inquiry);
    this.#queue.join(inquiry);
    this.#pump();
  }

  /**
   * An answer came.
   *
   * @returns the question, which is settled by the caller; null when nobody waits for it any more
   */
  take(id: number): Question | null {
    const inquiry = this.#open.get(id);
    if (inquiry === undefined || !inquiry.asked) return null;
    this.#close(inquiry);
    return inquiry.question;
  }

  /** A connection was lost: what may have been on it, and may be sent again, is. */
  resend(): void {
    for (const inquiry of this.#open.values()) {
      if (!inquiry.sent || !inquiry.question.resend) continue;
      inquiry.sent = false;
      this.#queuedBytes += inquiry.body?.length ?? 0;
      this.#queue.join(inquiry);
    }
    this.#pump();
  }

  /** Resolves when every question asked so far has settled. */
  drain(options: WaitOptions | undefined): Promise<void> {
    return this.#work.drain(options);
  }

  close(): void {
    this.#writer.close();
    for (const inquiry of [...this.#open.values()]) this.#fail(inquiry, closedError());
  }

  #limit(inquiry: Inquiry): void {
    const { timeoutMs, signal } = inquiry.question;
    inquiry.timer = setTimeout(this.#expire, timeoutMs, inquiry);
    if (signal === undefined) return;
    inquiry.forgetSignal = onAbort(signal, () => this.#fail(inquiry, signal.reason));
  }

  readonly #expire = (inquiry: Inquiry): void => {
    const message = `request: no answer within ${inquiry.question.timeoutMs} ms`;
    this.#fail(inquiry, new BrokerlessError("BROKERLESS_TIMEOUT", message));
  };

  #pump(): void {
    while (this.#writer.idle) {
      const inquiry = this.#queue.next();
      if (inquiry === null) return;
      if (inquiry.body === null) this.#encodeLate(inquiry);
      if (inquiry.body === null) continue;
      this.#offered = inquiry;
      this.#writer.write([idFrame(inquiry.id), DELIMITER, inquiry.body], 1, inquiry.body.length);
    }
  }

  #onSent(bytes: number): void {
    const inquiry = this.#offered!;
    this.#offered = null;
    this.#sent += 1;
    this.#bytesSent += bytes;
    if (!this.#open.has(inquiry.id)) return;
    inquiry.sent = true;
    inquiry.asked = true;
    this.#queuedBytes -= bytes;
  }

  #onFailed(error: unknown): void {
    const inquiry = this.#offered!;
    this.#offered = null;
    // Given up while it was offered: that is no failure.
    if (this.#open.has(inquiry.id)) this.#options.onFailed(error);
  }

  /** Encodes what had to wait for room; a question that cannot be encoded rejects. */
  #encodeLate(inquiry: Inquiry): void {
    try {
      inquiry.body = this.#encode(inquiry.question);
    } catch (error) {
      this.#fail(inquiry, error);
    }
  }

  #encode({ value }: Question): Buffer {
    const body = this.#options.encode(value);
    this.#queuedBytes += body.length;
    return body;
  }

  #fail(inquiry: Inquiry, reason: unknown): void {
    this.#close(inquiry);
    inquiry.question.reject(reason);
  }

  #close(inquiry: Inquiry): void {
    this.#open.delete(inquiry.id);
    this.#queue.leave(inquiry);
    if (!inquiry.sent) this.#queuedBytes -= inquiry.body?.length ?? 0;
    if (inquiry.timer !== null) clearTimeout(inquiry.timer);
    inquiry.forgetSignal();
    this.#work.end(inquiry.number);
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
