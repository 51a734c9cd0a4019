import { OpenWork } from "../../core/queue/open-work.ts";
import { closedError } from "../../core/queue/receive-queue.ts";
import { NOT_QUEUED, type Queued, WaitQueue } from "../../core/queue/wait-queue.ts";
import { BrokerlessError } from "../../errors.ts";
import { lastLook } from "../../last-look.ts";
import { onAbort } from "../../on-abort.ts";
import { FrameWriter } from "../../transport/native/frame-writer.ts";
import type { NativeMessage } from "../../transport/native/native.ts";
import type { WaitOptions } from "../../wait.ts";
import { DELIMITER } from "./request-envelope.ts";
import { numberOf, RequestIds } from "./request-ids.ts";

/** What {@link PendingRequests} are made of. */
export interface PendingRequestsOptions {
  /** Encodes one request. */
  readonly encode: (request: unknown) => Buffer;
  readonly send: (message: NativeMessage) => Promise<void>;
  /** Whether somebody may be there to reply. What ZeroMQ has can not be taken back when it is given up. */
  readonly isReachable: () => boolean;
  /** Whether there may be replies that were not looked at. */
  readonly isReading: () => boolean;
  readonly queueBytesMax: number;
  readonly onFailed: (error: unknown) => void;
  /** A request was refused by its check; its promise rejects too, but perhaps nobody looks at it. */
  readonly onRefused: (error: unknown) => void;
}

/** A request of a caller, and how long the caller waits for its reply. */
export interface OutgoingRequest {
  readonly value: unknown;
  /** Their frame, encoded; null for none. */
  readonly headers: Buffer | null;
  /** Whether it may be sent again when a connection was lost before the reply came. */
  readonly resend: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/** How far a request is: its schema checks it, it has no reply, its reply is being checked, or it is settled. */
type Stage = "checking" | "waiting" | "replied" | "over";

/** What a request has not got when its time is up. */
const MISSING: Readonly<Record<Stage, string>> = {
  checking: "not checked by its schema",
  waiting: "no reply",
  replied: "its reply not checked by its schema",
  over: "",
};

/** A request on its way. */
export interface PendingRequest extends Queued<PendingRequest> {
  readonly id: Buffer;
  /** The number in its id. */
  readonly key: number;
  /** What {@link OpenWork} knows it by. */
  readonly number: number;
  readonly request: OutgoingRequest;
  readonly body: Buffer;
  stage: Stage;
  /** Whether its encoding counts: those that wait for room do not yet. */
  isCounted: boolean;
  /** Whether ZeroMQ has it. */
  sent: boolean;
  timer: NodeJS.Timeout | null;
  /** Its time is up, and it looks for the last time whether its reply is there. */
  forgetLook: (() => void) | null;
  unlisten: (() => void) | null;
}

/**
 * The requests of a requester that have no reply yet.
 *
 * Every request settles exactly once: by its reply, its time limit, its signal, or `close`, also where a schema that is
 * to check it, or its reply, never settles. One that was given up before ZeroMQ had it is never sent. What is sent is the request as it was at the call. Requests
 * beyond the bound in bytes wait at their callers, in the order of the calls.
 */
export class PendingRequests {
  readonly #options: PendingRequestsOptions;
  readonly #writer: FrameWriter;
  readonly #open = new Map<number, PendingRequest>();
  /** Not yet with ZeroMQ. */
  readonly #queue = new WaitQueue<PendingRequest>();
  #queuedBytes = 0;
  readonly #work = new OpenWork();
  readonly #ids = new RequestIds();
  #lastKey = Math.floor(Math.random() * 2 ** 32);
  #sent = 0;
  #bytesSent = 0;

  constructor(options: PendingRequestsOptions) {
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
    readonly pendingRequests: number;
  } {
    return {
      messagesSent: this.#sent,
      framesSent: this.#sent,
      bytesSent: this.#bytesSent,
      queuedMessages: this.#queue.size + this.#writer.count,
      queuedBytes: this.#queuedBytes + this.#writer.bytes,
      pendingRequests: this.#open.size,
    };
  }

  /**
   * @param checked the check of the request by its schema; null where it needs none, or has passed it
   * @throws what the codec throws
   */
  add(request: OutgoingRequest, checked: Promise<unknown> | null): void {
    const body = this.#options.encode(request.value);
    const key = this.#freeKey();
    const id = this.#ids.next(key);
    const number = this.#work.begin();
    const stage = checked === null ? "waiting" : "checking";
    const waiting = {
      isCounted: false,
      sent: false,
      timer: null,
      forgetLook: null,
      unlisten: null,
    };
    const call = { id, key, number, request, body, stage } as const;
    const pending: PendingRequest = { ...NOT_QUEUED, ...call, ...waiting };
    this.#open.set(key, pending);
    this.#limit(pending);
    if (checked === null) this.#enter(pending);
    else void this.#enterChecked(pending, checked);
  }

  /**
   * A reply came: {@link resolve} or {@link reject} are to follow.
   *
   * @returns its request; null when nobody waits for it any more
   */
  take(id: Buffer): PendingRequest | null {
    const pending = this.#open.get(numberOf(id));
    if (pending?.stage !== "waiting" || !pending.sent || !pending.id.equals(id)) return null;
    pending.stage = "replied";
    return pending;
  }

  /** Settles a request, unless it was given up meanwhile. */
  resolve(pending: PendingRequest, reply: unknown): void {
    if (this.#close(pending)) pending.request.resolve(reply);
  }

  /** Settles a request, unless it was given up meanwhile. */
  reject(pending: PendingRequest, reason: unknown): void {
    if (this.#close(pending)) pending.request.reject(reason);
  }

  /** A connection was lost: what may have been on it, and may be sent again, is. */
  resend(): void {
    for (const pending of this.#open.values()) {
      if (!pending.sent || pending.stage === "replied" || !pending.request.resend) continue;
      pending.sent = false;
      pending.isCounted = true;
      this.#queuedBytes += bytesOf(pending);
      this.#queue.join(pending);
    }
    this.pump();
  }

  /** Resolves when every request made so far has settled. */
  drain(options: WaitOptions | undefined): Promise<void> {
    return this.#work.drain(options);
  }

  /** Hands over what waits, as far as there is somebody to take it. */
  pump(): void {
    while (this.#writer.idle && this.#queue.size > 0 && this.#options.isReachable()) {
      const pending = this.#queue.next()!;
      this.#uncount(pending);
      pending.sent = true;
      const { id, body, request } = pending;
      const { headers } = request;
      const frames = headers === null ? [id, DELIMITER, body] : [id, DELIMITER, body, headers];
      this.#writer.write(frames, 1, bytesOf(pending));
    }
  }

  close(): void {
    this.#writer.close();
    // First, or the requests that are given up here would be what a drain has waited for.
    this.#work.stop();
    for (const pending of [...this.#open.values()]) this.reject(pending, closedError());
  }

  async #enterChecked(pending: PendingRequest, checked: Promise<unknown>): Promise<void> {
    try {
      await checked;
    } catch (error) {
      if (pending.stage === "checking") this.#options.onRefused(error);
      this.reject(pending, error);
      return;
    }
    if (pending.stage !== "checking") return;
    pending.stage = "waiting";
    this.#enter(pending);
  }

  #enter(pending: PendingRequest): void {
    pending.isCounted = this.#queuedBytes < this.#options.queueBytesMax;
    if (pending.isCounted) this.#queuedBytes += bytesOf(pending);
    this.#queue.join(pending);
    this.pump();
  }

  #limit(pending: PendingRequest): void {
    const { timeoutMs, signal } = pending.request;
    pending.timer = setTimeout(this.#expire, timeoutMs, pending);
    if (signal === undefined) return;
    pending.unlisten = onAbort(signal, () => this.reject(pending, signal.reason));
  }

  readonly #expire = (pending: PendingRequest): void => {
    const giveUp = () => {
      const message = `request: ${MISSING[pending.stage]} within ${pending.request.timeoutMs} ms`;
      this.reject(pending, new BrokerlessError("BROKERLESS_TIMEOUT", message));
    };
    // What was not sent has no reply, and shall not be sent any more.
    if (!pending.sent) giveUp();
    else pending.forgetLook = lastLook(giveUp, this.#options.isReading);
  };

  #uncount(pending: PendingRequest): void {
    if (pending.isCounted) this.#queuedBytes -= bytesOf(pending);
    pending.isCounted = false;
  }

  /** @returns whether it was open */
  #close(pending: PendingRequest): boolean {
    if (pending.stage === "over") return false;
    pending.stage = "over";
    this.#open.delete(pending.key);
    this.#queue.leave(pending);
    this.#uncount(pending);
    if (pending.timer !== null) clearTimeout(pending.timer);
    pending.forgetLook?.();
    pending.unlisten?.();
    this.#work.end(pending.number);
    return true;
  }

  #freeKey(): number {
    do this.#lastKey = (this.#lastKey + 1) >>> 0;
    while (this.#open.has(this.#lastKey));
    return this.#lastKey;
  }
}

/** What a request takes of the queue (bytes). */
function bytesOf({ body, request: { headers } }: PendingRequest): number {
  return headers === null ? body.length : body.length + headers.length;
}
