import { createFraming } from "../batch/framing/create-framing.ts";
import { encodeHeaders, joinHeaders, type MessageHeaders } from "../batch/headers.ts";
import { openLinkEndpoints } from "../core/link-endpoints.ts";
import { checkOutgoing } from "../core/schema.ts";
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
import type { SocketStats } from "../core/socket-stats.ts";
import { type OpenEndpoints, TypedSocket } from "../core/typed-socket.ts";
import { BrokerlessError } from "../errors.ts";
import { boolean, integer, resolveOptions } from "../options.ts";
import type { OutgoingRequest } from "../plain/request/pending-requests.ts";
import { SingleEncoder } from "../plain/request/request-envelope.ts";
import { REQUESTER_LINKS, RequesterLinks } from "../plain/request/requester-links.ts";
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
  /**
   * How long a request waits while no replier is connected (milliseconds). Then it fails with `BROKERLESS_UNROUTABLE`,
   * rather than wait for its whole time limit.
   *
   * @defaultValue 2,000
   */
  readonly unroutableMs?: number | undefined;
  /**
   * Whether plain REP sockets can connect to the addresses that this socket binds, besides `Replier`, ROUTER and DEALER.
   * Requests to those addresses then go out in turn, one in each message, and the loss of one replier among several is
   * not noticed: its requests reach their time limit. Addresses that this socket connects to are not concerned.
   *
   * @defaultValue false
   */
  readonly plainRepliers?: boolean | undefined;
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
  readonly unroutableMs: number;
  readonly plainRepliers: boolean;
}

const UNROUTABLE_MS = 2_000;
/** Longest delay of a Node timer (milliseconds). */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/**
 * Sends requests and receives their replies. Many requests may be open at once, each with its own time limit. It never
 * gets stuck: late replies and replies without an open request are dropped.
 *
 * A request goes to the connected {@link Replier} with the fewest requests that it has not replied to. When a
 * connection is lost its requests fail at once, or go to another replier (`resend`). Promises: every `request` settles;
 * a reply belongs to its request. A request may have been processed although its reply is lost.
 *
 * On the wire: a DEALER for each connected address, with REQ's envelope, so that plain REP sockets work too; a ROUTER
 * for all bound addresses, to which ROUTER and DEALER sockets can connect, and REP sockets with `plainRepliers`.
 * Requests to a `Replier` share frames.
 *
 * @example
 * ```ts
 * const requester = new Requester<number, number>({ timeoutMs: 2_000 });
 * requester.connect("tcp://127.0.0.1:5557");
 * const root = await requester.request(2);
 * ```
 *
 * @see docs/guarantees.md
 * @see docs/decisions/0084-requests-by-load.md
 */
export class Requester<Request = unknown, Reply = unknown> extends TypedSocket {
  readonly #resolved: Resolved;
  readonly #links: RequesterLinks;
  #sendsRefused = 0;

  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  constructor(options?: RequesterOptions<Request, Reply>) {
    const resolved = resolveOptions<Resolved>("Requester", options, {
      rules: {
        ...COMMON_RULES,
        ...REQUEST_REPLY_RULES,
        timeoutMs: integer(1, TIMEOUT_MS_MAX),
        resend: boolean,
        unroutableMs: integer(0, TIMEOUT_MS_MAX),
        plainRepliers: boolean,
      },
      defaults: {
        ...COMMON_DEFAULTS,
        ...requestReplyDefaults(),
        timeoutMs: 30_000,
        resend: false,
        unroutableMs: UNROUTABLE_MS,
        plainRepliers: false,
      },
    });
    const framing = createFraming(resolved.codec, singleFramingOptions(resolved));
    const encoder = new SingleEncoder(framing, resolved.messageBytesMax);
    const { replySchema, queueBytesMax, unroutableMs } = resolved;
    const links = new RequesterLinks({
      encode: (request) => {
        const body = encoder.encode(request);
        // A getter of the request may have closed the socket.
        this.assertOpen();
        return body;
      },
      framing,
      replySchema,
      queueBytesMax,
      unroutableMs,
      onPeer: (type, peer, peers) => this.reportPeers(type, peer, peers),
      onError: (error) => this.report(error),
      onRefused: (error) => this.#refuse(error),
    });
    const traits = { ...REQUESTER_LINKS, sharesIncoming: resolved.plainRepliers };
    const open: OpenEndpoints = (options) =>
      openLinkEndpoints(links, options, traits, (hub) => hub.close());
    super(open, resolved);
    this.#resolved = resolved;
    this.#links = links;
  }

  /**
   * Sends one request and waits for its reply. While the queue is full, or no replier is connected, the request waits
   * here.
   *
   * @returns resolves with the reply
   * @throws RemoteError when the replier's handler threw; BrokerlessError `BROKERLESS_UNROUTABLE` when no replier is
   * connected for `unroutableMs`, or the connection was lost before the reply; `_TIMEOUT`, `_CLOSED`, `_CODEC`,
   * `_SCHEMA`, `_TOO_LARGE`; TypeError for wrong options or headers; or the signal's reason
   */
  request(request: Request, options?: RequestOptions): Promise<Reply> {
    return quiet(this.#request(request, options));
  }

  override stats(): SocketStats {
    return {
      ...this.#links.stats(),
      sendsRefused: this.#sendsRefused,
      connectionsRefused: this.connectionsRefused,
    };
  }

  protected override get role(): Role {
    return "Requester";
  }

  /** Resolves when every request made before the call has its reply or has failed. */
  protected override flushAll(options: WaitOptions | undefined): Promise<void> {
    return this.#links.pending.drain(options);
  }

  protected override stop(): void {
    this.#links.pending.close();
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
      this.#links.pending.add(request, checked);
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
    if (!(error instanceof BrokerlessError) || this.status === "closed") return;
    this.#sendsRefused += 1;
    this.report(error);
  }
}
