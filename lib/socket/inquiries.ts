import { BrokerlessError } from "../errors.ts";
import { FrameWriter } from "../transport/frame-writer.ts";
import type { NativeMessage } from "../transport/native.ts";
import type { WaitOptions } from "../wait.ts";
import { closedError } from "./inbox.ts";
import { OpenWork } from "./open-work.ts";
import { DELIMITER } from "./request-wire.ts";
import { Waitlist } from "./waitlist.ts";

/** What {@link Inquiries} are made of. */
export interface InquiriesOptions {
  /** Encodes one question. */
  readonly encode: (question: unknown) => Buffer;
  readonly send: (message: NativeMessage) => Promise<void>;
  /** Whether somebody may be there to answer. What ZeroMQ has can not be taken back when it is given up. */
  readonly isReachable: () => boolean;
  readonly queueBytesMax: number;
  readonly onFailed: (error: unknown) => void;
  /** A question that had to wait could not be encoded; its caller is told too. */
  readonly onRefused: (error: unknown) => void;
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
  timer: NodeJS.Timeout | null;
  onAbort: (() => void) | null;
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
  /** Not yet with ZeroMQ. */
  readonly #queue = new Waitlist<Inquiry>();
  #queuedBytes = 0;
  readonly #work = new OpenWork();
  #lastId = Math.floor(Math.random() * 2 ** 32);
  #sent = 0;
  #bytesSent = 0;

  constructor(options: InquiriesOptions) {
    this.#options = options;
    this.#writer = new FrameWriter({
      send: options.send,
      onIdle: () => this.pump(),
      onSent: (_count, bytes) => {
        this.#sent += 1;
        this.#bytesSent += bytes;
      },
      onFailed: options.onFailed,
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
      queuedBytes: this.#queuedBytes + this.#writer.bytes,
    };
  }

  /** @throws what the codec throws, where there is room at once; else the question rejects with it */
  ask(question: Question): void {
    // First of all: a question that cannot be encoded was never asked.
    const body = this.#hasRoom ? this.#encode(question) : null;
    const id = this.#freeId();
    const number = this.#work.begin();
    const inquiry = { id, number, question, body, sent: false, timer: null, onAbort: null };
    this.#open.set(id, inquiry);
    this.#limit(inquiry);
    this.#queue.join(inquiry);
    this.pump();
  }

  /**
   * An answer came.
   *
   * @returns the question, which is settled by the caller; null when nobody waits for it any more
   */
  take(id: number): Question | null {
    const inquiry = this.#open.get(id);
    if (inquiry === undefined || !inquiry.sent) return null;
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
    this.pump();
  }

  /** Resolves when every question asked so far has settled. */
  drain(options: WaitOptions | undefined): Promise<void> {
    return this.#work.drain(options);
  }

  /** Hands over what waits, as far as there is somebody to take it. */
  pump(): void {
    while (this.#writer.idle && this.#queue.size > 0 && this.#options.isReachable()) {
      const inquiry = this.#queue.next()!;
      if (inquiry.body === null) this.#encodeLate(inquiry);
      if (inquiry.body === null) continue;
      inquiry.sent = true;
      this.#queuedBytes -= inquiry.body.length;
      this.#writer.write([idFrame(inquiry.id), DELIMITER, inquiry.body], 1, inquiry.body.length);
    }
  }

  close(): void {
    this.#writer.close();
    for (const inquiry of [...this.#open.values()]) this.#fail(inquiry, closedError());
  }

  #limit(inquiry: Inquiry): void {
    const { timeoutMs, signal } = inquiry.question;
    inquiry.timer = setTimeout(this.#expire, timeoutMs, inquiry);
    if (signal === undefined) return;
    inquiry.onAbort = () => this.#fail(inquiry, signal.reason);
    signal.addEventListener("abort", inquiry.onAbort, { once: true });
  }

  readonly #expire = (inquiry: Inquiry): void => {
    const message = `request: no answer within ${inquiry.question.timeoutMs} ms`;
    this.#fail(inquiry, new BrokerlessError("BROKERLESS_TIMEOUT", message));
  };

  get #hasRoom(): boolean {
    return this.#queuedBytes < this.#options.queueBytesMax;
  }

  /** Encodes what had to wait for room; a question that cannot be encoded rejects. */
  #encodeLate(inquiry: Inquiry): void {
    try {
      inquiry.body = this.#encode(inquiry.question);
    } catch (error) {
      this.#options.onRefused(error);
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
    if (inquiry.onAbort !== null) {
      inquiry.question.signal?.removeEventListener("abort", inquiry.onAbort);
    }
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
