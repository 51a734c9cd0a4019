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

/** Dependencies of {@link PendingRequests}. */
export interface PendingRequestsOptions {
  /** Encodes one request. */
  readonly encode: (request: unknown) => Buffer;
  readonly send: (message: NativeMessage) => Promise<void>;
  /** Whether a replier may be connected. A request handed to ZeroMQ cannot be taken back when it fails. */
  readonly isReachable: () => boolean;
  /** Whether there may be replies that were not read yet. */
  readonly isReading: () => boolean;
  readonly queueBytesMax: number;
  readonly onFailed: (error: unknown) => void;
  /** Called for a request that its check refused: its promise rejects too, but may not be awaited. */
  readonly onRefused: (error: unknown) => void;
}

/** A request of a caller, and how long the caller waits for its reply. */
export interface OutgoingRequest {
  readonly value: unknown;
  /** The encoded frame of its headers; null for none. */
  readonly headers: Buffer | null;
  /** Whether it may be sent again when a connection was lost before the reply arrived. */
  readonly resend: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * The stage of a request: its schema check is under way, it waits for its reply, the reply is being checked, or it is
 * settled.
 */
type Stage = "checking" | "waiting" | "replied" | "over";

/** What is missing at each stage, for the error text of a request whose time limit has passed. */
const MISSING: Readonly<Record<Stage, string>> = {
  checking: "not checked by its schema",
  waiting: "no reply",
  replied: "its reply not checked by its schema",
  over: "",
};

/** A request between its call and its reply. */
export interface PendingRequest extends Queued<PendingRequest> {
  readonly id: Buffer;
  /** The number in its id. */
  readonly key: number;
  /** Its number in {@link OpenWork}. */
  readonly number: number;
  readonly request: OutgoingRequest;
  readonly body: Buffer;
  stage: Stage;
  /** Whether its encoding counts as queued: that of a request waiting for room does not yet. */
  isCounted: boolean;
  /** Whether it was handed to ZeroMQ. */
  sent: boolean;
  timer: NodeJS.Timeout | null;
  /** Cancels the last look for its reply, after its time limit has passed; null where there is none. */
  forgetLook: (() => void) | null;
  unlisten: (() => void) | null;
}

/**
 * The requests of a requester that have no reply yet.
 *
 * Every request settles exactly once: by its reply, its time limit, its signal, or `close`, even if a schema that
 * checks it or its reply never settles. A request that failed before it was handed to ZeroMQ is never sent. The request
 * is sent as it was at the call. Requests beyond the limit in bytes wait at their callers, in the order of the calls.
 */
export class PendingRequests {
  readonly #options: PendingRequestsOptions;
  readonly #writer: FrameWriter;
  readonly #open = new Map<number, PendingRequest>();
  /** Requests not yet handed to ZeroMQ. */
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
   * Adds a request.
   *
   * @param checked the schema check of the request; null where it needs none, or has passed it
   * @throws errors of the codec
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
   * Takes the request of a reply; a call of {@link resolve} or {@link reject} must follow.
   *
   * @returns null when the request is no longer open
   */
  take(id: Buffer): PendingRequest | null {
    const pending = this.#open.get(numberOf(id));
    if (pending?.stage !== "waiting" || !pending.sent || !pending.id.equals(id)) return null;
    pending.stage = "replied";
    return pending;
  }

  /** Settles a request, unless it has failed meanwhile. */
  resolve(pending: PendingRequest, reply: unknown): void {
    if (this.#close(pending)) pending.request.resolve(reply);
  }

  /** Settles a request, unless it has failed meanwhile. */
  reject(pending: PendingRequest, reason: unknown): void {
    if (this.#close(pending)) pending.request.reject(reason);
  }

  /** To be called when a connection was lost: sends all requests again that may have been on it and may be repeated. */
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

  /** Hands queued requests to ZeroMQ, as long as a replier may be connected. */
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
    // First, or requests that fail below would complete a pending drain.
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
    // A request that was not sent has no reply, and must not be sent any more.
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

/** The share of a request in the queue (bytes). */
function bytesOf({ body, request: { headers } }: PendingRequest): number {
  return headers === null ? body.length : body.length + headers.length;
}
