import { createFraming } from "../batch/framing/create-framing.ts";
import type { Framing } from "../batch/framing/framing.ts";
import { encodeHeaders, joinHeaders, type MessageHeaders } from "../batch/headers.ts";
import { strangerAt } from "../core/events/peer.ts";
import { Turns } from "../core/queue/turns.ts";
import { checkOutgoing, filterIncoming, type Schema } from "../core/schema.ts";
import {
  COMMON_DEFAULTS,
  COMMON_RULES,
  REQUEST_REPLY_RULES,
  type RequestReplyOptions,
  type ResolvedCommon,
  type ResolvedRequestReply,
  requestReplyDefaults,
  singleFramingOptions,
} from "../core/socket-options.ts";
import { NO_STATS, type SocketStats } from "../core/socket-stats.ts";
import { TypedSocket } from "../core/typed-socket.ts";
import { strayOf } from "../delivery/protocol/stray.ts";
import { BrokerlessError } from "../errors.ts";
import { boolean, integer, resolveOptions } from "../options.ts";
import { strayError } from "../plain/inbound.ts";
import {
  type OutgoingRequest,
  type PendingRequest,
  PendingRequests,
} from "../plain/request/pending-requests.ts";
import {
  openReply,
  readError,
  SingleEncoder,
  type WireReply,
} from "../plain/request/request-envelope.ts";
import type { Role } from "../role.ts";
import { checkWaitOptions, quiet, WAIT_OPTIONS, type WaitOptions } from "../wait.ts";

/** Options of a {@link Requester}. */
export interface RequesterOptions<Request, Reply> extends RequestReplyOptions<Request, Reply> {
  /**
   * Time limit of a request without a `timeoutMs` of its own (milliseconds).
   *
   * @defaultValue 30,000
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Whether requests without a `resend` of their own are sent again after a lost connection.
   *
   * @defaultValue false
   */
  readonly resend?: boolean | undefined;
}

/** Options of one request. */
export interface RequestOptions extends WaitOptions {
  /**
   * Sends the request again when a connection was lost before the reply arrived. It may then be handled twice: use it
   * only for idempotent requests. The first reply counts. Default: the socket's `resend`.
   */
  readonly resend?: boolean | undefined;
  /**
   * Names and texts sent beside the value, as {@link PlainSendOptions.headers}; the handler gets them in its `context`.
   */
  readonly headers?: MessageHeaders | undefined;
}

const REQUEST_OPTIONS = [...WAIT_OPTIONS, "resend", "headers"];

interface Resolved extends ResolvedCommon, ResolvedRequestReply {
  readonly timeoutMs: number;
  readonly resend: boolean;
}

/** Frames that ZeroMQ holds for each peer, with one request in each; replies are read at once (count). */
const PEER_FRAMES = 256;
/** Longest delay of a Node timer (milliseconds). */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/**
 * Sends requests and receives their replies. Many requests may be open at once, each with its own time limit. It never
 * gets stuck: late replies and replies without an open request are dropped.
 *
 * Requests are distributed round-robin among the connected {@link Replier} sockets. Promises: every `request` settles;
 * a reply belongs to its request. A request may have been processed although its reply is lost.
 *
 * On the wire: a DEALER with REQ's envelope, so that plain REP sockets work too.
 *
 * @example
 * ```ts
 * const requester = new Requester<number, number>({ timeoutMs: 2_000 });
 * requester.connect("tcp://127.0.0.1:5557");
 * const root = await requester.request(2);
 * ```
 *
 * @see docs/guarantees.md
 * @see docs/decisions/0006-request-reply.md
 */
export class Requester<Request = unknown, Reply = unknown> extends TypedSocket {
  readonly #resolved: Resolved;
  readonly #framing: Framing<unknown>;
  readonly #encoder: SingleEncoder;
  readonly #pending: PendingRequests;
  #reading = false;
  readonly #turns = new Turns();
  /** Lost peers to which libzmq could still route a request (count). */
  #losses = 0;
  #messagesReceived = 0;
  #bytesReceived = 0;
  #framesRefused = 0;
  #messagesRefused = 0;
  #messagesDropped = 0;
  #sendsRefused = 0;

  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  constructor(options?: RequesterOptions<Request, Reply>) {
    const resolved = resolveOptions<Resolved>("Requester", options, {
      rules: {
        ...COMMON_RULES,
        ...REQUEST_REPLY_RULES,
        timeoutMs: integer(1, TIMEOUT_MS_MAX),
        resend: boolean,
      },
      defaults: { ...COMMON_DEFAULTS, ...requestReplyDefaults(), timeoutMs: 30_000, resend: false },
    });
    super("dealer", resolved, { peerFramesMax: PEER_FRAMES, partsMax: 4 });
    this.#resolved = resolved;
    this.#framing = createFraming(resolved.codec, singleFramingOptions(resolved));
    this.#encoder = new SingleEncoder(this.#framing, resolved.messageBytesMax);
    this.#pending = new PendingRequests({
      encode: (request) => {
        const body = this.#encoder.encode(request);
        // A getter of the request may have closed the socket.
        this.assertOpen();
        return body;
      },
      send: (message) => this.channel.send(message),
      isReachable: () => this.#losses === 0 && this.channel.isReachable,
      isReading: () => this.#turns.isTurning,
      queueBytesMax: resolved.queueBytesMax,
      onFailed: (error) => this.reportFailure(error),
      onRefused: (error) => this.#refuse(error),
    });
  }

  /**
   * Sends one request and waits for its reply. While the queue is full, or no replier is connected, the request waits
   * here.
   *
   * @returns resolves with the reply
   * @throws RemoteError when the replier's handler threw; BrokerlessError `BROKERLESS_TIMEOUT`, `_CLOSED`, `_CODEC`,
   * `_SCHEMA`, `_TOO_LARGE`; TypeError for wrong options or headers; or the signal's reason
   */
  request(request: Request, options?: RequestOptions): Promise<Reply> {
    return quiet(this.#request(request, options));
  }

  override stats(): SocketStats {
    return {
      ...NO_STATS,
      ...this.#pending.stats(),
      messagesReceived: this.#messagesReceived,
      framesReceived: this.#messagesReceived,
      bytesReceived: this.#bytesReceived,
      framesRefused: this.#framesRefused,
      messagesRefused: this.#messagesRefused,
      messagesDropped: this.#messagesDropped,
      sendsRefused: this.#sendsRefused,
      peers: this.peerCount,
      connectionsRefused: this.connectionsRefused,
    };
  }

  protected override get role(): Role {
    return "Requester";
  }

  /** Resolves when every request made before the call has its reply or has failed. */
  protected override flushAll(options: WaitOptions | undefined): Promise<void> {
    return this.#pending.drain(options);
  }

  protected override stop(): void {
    this.#pending.close();
  }

  protected override onPeerChange(type: "peer" | "peerLost", address: string, peers: number): void {
    this.reportPeers(type, strangerAt(address), peers);
    if (type === "peerLost") void this.#resend();
    else this.#pending.pump();
  }

  async #resend(): Promise<void> {
    this.#losses += 1;
    await this.channel.settled();
    this.#losses -= 1;
    if (this.#losses === 0) this.#pending.resend();
  }

  #request(value: Request, options: RequestOptions | undefined): Promise<Reply> {
    return new Promise<Reply>((resolve, reject) => {
      this.assertOpen();
      const headers = this.#encodeHeaders(options);
      const { timeoutMs, signal, resend } = options ?? {};
      signal?.throwIfAborted();
      this.#sendNow({
        value,
        headers,
        resend: resend ?? this.#resolved.resend,
        timeoutMs: timeoutMs ?? this.#resolved.timeoutMs,
        signal,
        resolve: resolve as (reply: unknown) => void,
        reject,
      });
      if (!this.#reading) void this.#readReplies();
    });
  }

  /** @throws TypeError for a value that is not an options object, or headers that cannot be sent */
  #encodeHeaders(options: RequestOptions | undefined): Buffer | null {
    checkWaitOptions("request", options, REQUEST_OPTIONS);
    if (options?.resend !== undefined) boolean(options.resend, "request: resend");
    if (options?.headers === undefined) return null;
    const block = encodeHeaders("request", options.headers, this.#resolved);
    return block === null ? null : joinHeaders([block]);
  }

  #sendNow(request: OutgoingRequest): void {
    const { schema } = this.#resolved;
    try {
      const checked = schema === null ? null : checkOutgoing(schema, request.value);
      this.#pending.add(request, checked);
    } catch (error) {
      this.#refuse(error);
      throw error;
    }
  }

  /**
   * Counts and reports a request that was refused because of its content. Its promise rejects too, but may not be
   * awaited.
   */
  #refuse(error: unknown): void {
    if (!(error instanceof BrokerlessError) || this.channel.closed) return;
    this.#sendsRefused += 1;
    this.report(error);
  }

  /** Reads replies, from the first request on. The only reader of the socket. */
  async #readReplies(): Promise<void> {
    this.#reading = true;
    try {
      for (;;) {
        this.#onReply(await this.channel.receive());
        if (this.#turns.isOver) await this.#turns.next();
      }
    } catch (error) {
      if (!this.channel.closed) this.reportFailure(error);
    } finally {
      this.#reading = false;
    }
  }

  #onReply(parts: Buffer[]): void {
    let reply: WireReply;
    try {
      reply = openReply(parts);
    } catch (error) {
      this.#framesRefused += 1;
      const stray = strayOf(parts.at(-1)!);
      this.report(stray === null ? (error as BrokerlessError) : strayError(stray));
      return;
    }
    const request = this.#pending.take(reply.id);
    if (request === null) {
      this.#messagesDropped += 1;
      return;
    }
    this.#messagesReceived += 1;
    this.#bytesReceived += reply.body?.length ?? 0;
    try {
      if (reply.error !== null) this.#pending.reject(request, readError(reply.error));
      else this.#onValues(request, this.#framing.decode(reply.body));
    } catch (error) {
      this.#framesRefused += 1;
      this.#pending.reject(request, error);
    }
  }

  #onValues(request: PendingRequest, values: unknown[]): void {
    const { replySchema } = this.#resolved;
    if (replySchema === null) this.#pending.resolve(request, values[0]);
    else void this.#checkReply(replySchema, request, values);
  }

  async #checkReply(schema: Schema, request: PendingRequest, values: unknown[]): Promise<void> {
    const bad: BrokerlessError[] = [];
    const kept = await filterIncoming(schema, values, (error) => bad.push(error));
    if (bad.length === 0) {
      this.#pending.resolve(request, kept[0]);
      return;
    }
    this.#messagesRefused += 1;
    this.#pending.reject(request, bad[0]);
  }
}
