import { OpenWork } from "../../core/queue/open-work.ts";
import { closedError } from "../../core/queue/receive-queue.ts";
import { NOT_QUEUED, type Queued, WaitQueue } from "../../core/queue/wait-queue.ts";
import { BrokerlessError } from "../../errors.ts";
import { lastLook } from "../../last-look.ts";
import { onAbort } from "../../on-abort.ts";
import type { WaitOptions } from "../../wait.ts";
import type { ReplierLane, ReplierLanes } from "./replier-lanes.ts";
import { REQUEST_KINDS } from "./request-frames.ts";
import { numberOf, RequestIds } from "./request-ids.ts";

/** Dependencies of {@link PendingRequests}. */
export interface PendingRequestsOptions {
  /** Encodes one request. */
  readonly encode: (request: unknown) => Buffer;
  readonly lanes: ReplierLanes;
  /** How long a request waits while no replier is connected (milliseconds). */
  readonly unroutableMs: number;
  /** Whether replies were read that have not been handed out yet. */
  readonly isReading: () => boolean;
  readonly queueBytesMax: number;
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
  /** The replier that it was sent to; null while it waits for one. */
  lane: ReplierLane | null;
  /** Time of the call (ms). */
  readonly calledMs: number;
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
  readonly #open = new Map<number, PendingRequest>();
  /** Requests not yet sent to a replier. */
  readonly #queue = new WaitQueue<PendingRequest>();
  #queuedBytes = 0;
  readonly #work = new OpenWork();
  readonly #ids = new RequestIds();
  #lastKey = Math.floor(Math.random() * 2 ** 32);
  /** Since when no replier is connected (ms). */
  #unreachableMs: number = performance.now();
  /** Gives up requests for which there is no replier; null while there is one, or no request waits. */
  #unroutable: NodeJS.Timeout | null = null;

  constructor(options: PendingRequestsOptions) {
    this.#options = options;
  }

  stats(): {
    readonly queuedMessages: number;
    readonly queuedBytes: number;
    readonly pendingRequests: number;
  } {
    return {
      queuedMessages: this.#queue.size,
      queuedBytes: this.#queuedBytes,
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
      lane: null,
      calledMs: performance.now(),
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
   * @returns null when the request is no longer open, or was not sent to this replier
   */
  take(id: Buffer, lane: ReplierLane): PendingRequest | null {
    const pending = this.#openAt(id, lane);
    if (pending === null) return null;
    this.#leaveLane(pending);
    pending.stage = "replied";
    return pending;
  }

  /** A replier that leaves has not begun this request: it is sent to another one. */
  giveBack(id: Buffer, lane: ReplierLane): void {
    const pending = this.#openAt(id, lane);
    if (pending === null) {
      lane.late();
      return;
    }
    this.#leaveLane(pending);
    this.#queueAgain(pending);
    this.pump();
  }

  /** Settles a request, unless it has failed meanwhile. */
  resolve(pending: PendingRequest, reply: unknown): void {
    if (this.#close(pending)) pending.request.resolve(reply);
  }

  /** Settles a request, unless it has failed meanwhile. */
  reject(pending: PendingRequest, reason: unknown): void {
    if (this.#close(pending)) pending.request.reject(reason);
  }

  /** @returns whether this request was open; it stays so until its time limit has passed here */
  expire(id: Buffer, lane: ReplierLane): boolean {
    const pending = this.#openAt(id, lane);
    if (pending !== null) this.#leaveLane(pending);
    return pending !== null;
  }

  /**
   * To be called when the connection to a replier was lost: its requests without a reply are sent to another one where
   * they may be repeated, and fail otherwise.
   */
  lose(lane: ReplierLane): void {
    for (const pending of [...this.#open.values()]) {
      if (pending.lane !== lane) continue;
      this.#leaveLane(pending);
      if (pending.request.resend) this.#queueAgain(pending);
      else this.reject(pending, lostError(lane.link.address));
    }
    this.onUnreachable();
    this.pump();
  }

  /** Resolves when every request made so far has settled. */
  drain(options: WaitOptions | undefined): Promise<void> {
    return this.#work.drain(options);
  }

  /** Sends queued requests, as long as a replier has room for them. */
  pump(): void {
    const { lanes } = this.#options;
    while (this.#queue.size > 0) {
      const lane = lanes.pick();
      if (lane === null) break;
      const pending = this.#queue.next()!;
      this.#uncount(pending);
      pending.lane = lane;
      const { id, body, request, calledMs } = pending;
      const passedMs = performance.now() - calledMs;
      const leftMs = Math.max(1, Math.round(request.timeoutMs - passedMs));
      const { headers } = request;
      lane.send({ kind: REQUEST_KINDS.request, id, leftMs, headers, body });
    }
    if (this.#queue.size === 0) return;
    for (const { link } of lanes) if (link.isFull) link.onRoom(() => this.pump());
    if (!lanes.isReachable) this.#giveUpLater();
  }

  /** A replier was connected, or takes requests again. */
  onReachable(): void {
    if (this.#unroutable !== null) clearTimeout(this.#unroutable);
    this.#unroutable = null;
    this.pump();
  }

  /** A replier was lost, or takes no more requests: perhaps the last one. */
  onUnreachable(): void {
    if (this.#options.lanes.isReachable) return;
    this.#unreachableMs = performance.now();
    if (this.#queue.size > 0) this.#giveUpLater();
  }

  close(): void {
    if (this.#unroutable !== null) clearTimeout(this.#unroutable);
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

  /** Whether requests wait, and no replier is there: they fail when they have waited long enough. */
  #giveUpLater(): void {
    if (this.#unroutable !== null) return;
    const leftMs = this.#dueMs(this.#queue.first!) - performance.now();
    this.#unroutable = setTimeout(this.#giveUp, Math.max(0, Math.ceil(leftMs)));
  }

  readonly #giveUp = (): void => {
    this.#unroutable = null;
    const { unroutableMs } = this.#options;
    for (let first = this.#queue.first; first !== null; first = this.#queue.first) {
      if (this.#dueMs(first) > performance.now()) {
        this.#giveUpLater();
        return;
      }
      const message = `request: no replier is connected, for ${unroutableMs} ms (unroutableMs)`;
      this.reject(first, new BrokerlessError("BROKERLESS_UNROUTABLE", message));
    }
  };

  /** When a queued request has waited long enough for a replier (ms). */
  #dueMs({ calledMs }: PendingRequest): number {
    return Math.max(calledMs, this.#unreachableMs) + this.#options.unroutableMs;
  }

  #openAt(id: Buffer, lane: ReplierLane): PendingRequest | null {
    const pending = this.#open.get(numberOf(id));
    const isOpen = pending?.stage === "waiting" && pending.lane === lane && pending.id.equals(id);
    return isOpen ? pending : null;
  }

  #leaveLane(pending: PendingRequest): void {
    if (pending.lane !== null) pending.lane.outstanding -= 1;
    pending.lane = null;
  }

  #queueAgain(pending: PendingRequest): void {
    pending.isCounted = true;
    this.#queuedBytes += bytesOf(pending);
    this.#queue.join(pending);
  }

  #limit(pending: PendingRequest): void {
    const { timeoutMs, signal } = pending.request;
    pending.timer = setTimeout(this.#expire, timeoutMs, pending);
    if (signal === undefined) return;
    pending.unlisten = onAbort(signal, () => {
      pending.lane?.cancel(pending.id);
      this.reject(pending, signal.reason);
    });
  }

  readonly #expire = (pending: PendingRequest): void => {
    const giveUp = () => {
      const message = `request: ${MISSING[pending.stage]} within ${pending.request.timeoutMs} ms`;
      this.reject(pending, new BrokerlessError("BROKERLESS_TIMEOUT", message));
    };
    // A request that was not sent has no reply, and must not be sent any more.
    if (pending.lane === null) giveUp();
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
    pending.lane?.giveUp();
    pending.lane = null;
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

function lostError(address: string): BrokerlessError {
  const message = `request: the connection to the replier (${address}) was lost before its reply; it may have handled the request`;
  return new BrokerlessError("BROKERLESS_UNROUTABLE", message);
}

/** The share of a request in the queue (bytes). */
function bytesOf({ body, request: { headers } }: PendingRequest): number {
  return headers === null ? body.length : body.length + headers.length;
}
