import { setMaxListeners } from "node:events";
import { createFraming } from "../batch/framing/create-framing.ts";
import { peerIdOf } from "../core/peer-id.ts";
import { OpenWork } from "../core/queue/open-work.ts";
import { closedError } from "../core/queue/receive-queue.ts";
import { Turns } from "../core/queue/turns.ts";
import type { RunOptions } from "../core/run.ts";
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
import { NO_STATS, type SocketStats } from "../core/socket-stats.ts";
import { TypedSocket } from "../core/typed-socket.ts";
import { type Stray, strayOf } from "../delivery/protocol/stray.ts";
import { BrokerlessError } from "../errors.ts";
import { resolveOptions } from "../options.ts";
import { strayError } from "../plain/inbound.ts";
import { HandlerSlots } from "../plain/request/handler-slots.ts";
import { type HeldRequest, HeldRequests } from "../plain/request/held-requests.ts";
import { ReplyWriter, type SendableReply } from "../plain/request/reply-writer.ts";
import { RequestContext } from "../plain/request/request-context.ts";
import {
  errorFrames,
  isErrorReply,
  openRequest,
  SingleEncoder,
} from "../plain/request/request-envelope.ts";
import { RequestReader, untilClosed } from "../plain/request/request-reader.ts";
import { RequestingPeers } from "../plain/request/requesting-peers.ts";
import type { Role } from "../role.ts";
import { reportLosses } from "../transport/native/native.ts";
import { quiet, type WaitOptions } from "../wait.ts";

/** Options of a {@link Replier}. */
export type ReplierOptions<Request, Reply> = RequestReplyOptions<Request, Reply>;

/**
 * Handles a request and returns its reply. An error that it throws becomes a `RemoteError` at the requester. A
 * `RemoteError` that it throws is a reply, not a failure: the requester gets it unchanged.
 */
export type Handler<Request, Reply> = (
  request: Request,
  context: RequestContext,
) => Reply | Promise<Reply>;

/** Frames that ZeroMQ holds for each peer, with one reply in each (count). */
const PEER_FRAMES = 1_000;

/**
 * Replies to the requests of {@link Requester} sockets, many at the same time.
 *
 * An error thrown by the handler becomes a `RemoteError` at the requester, and an event `requestFailed` here. A request
 * that cannot be decoded, and a reply that cannot be sent, such as one that does not fit `replySchema`, also become a
 * `RemoteError` at the requester, and an `error` event here.
 *
 * Does not promise: arrival of the reply. A reply whose peer is gone is dropped and counted, even if another connection
 * has taken over the peer's routing id meanwhile. A peer that does not read its replies holds up no other peer.
 *
 * On the wire: a ROUTER with REP's envelope, so that plain REQ sockets work too.
 *
 * @example
 * ```ts
 * const replier = new Replier<number, number>();
 * await replier.bind("tcp://127.0.0.1:5557");
 * await replier.serve((n) => Math.sqrt(n), { concurrency: 8 });
 * ```
 *
 * @see docs/guarantees.md
 * @see docs/decisions/0006-request-reply.md
 */
export class Replier<Request = unknown, Reply = unknown> extends TypedSocket {
  readonly #resolved: ResolvedCommon & ResolvedRequestReply;
  readonly #reader: RequestReader<Request>;
  readonly #encoder: SingleEncoder;
  readonly #services: HandlerSlots<Handler<Request, Reply>>[] = [];
  /** Requests that were read and not yet given to a handler. */
  readonly #held: HeldRequests;
  readonly #replies: ReplyWriter;
  #reading = false;
  readonly #turns = new Turns();
  /** Whether requests wait for a turn of the event loop. */
  #turning = false;
  readonly #gone = new AbortController();
  #messagesSent = 0;
  #bytesSent = 0;
  /** Messages that are no requests (count). */
  #framesRefused = 0;
  #messagesDropped = 0;
  #sendsRefused = 0;
  #requestsFailed = 0;
  /** Requests in a handler, and those whose replies wait for their peers. */
  readonly #open = new OpenWork();
  readonly #requesting = new RequestingPeers();
  /** Whether libzmq reports the end of a connection as an empty message. */
  readonly #hearsLosses: boolean;

  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  constructor(options?: ReplierOptions<Request, Reply>) {
    const resolved = resolveOptions("Replier", options, {
      rules: { ...COMMON_RULES, ...REQUEST_REPLY_RULES },
      defaults: { ...COMMON_DEFAULTS, ...requestReplyDefaults() },
    });
    super("router", resolved, { peerFramesMax: PEER_FRAMES, partsMax: 19 });
    // Every handler may add listeners to it, any number of them.
    setMaxListeners(0, this.#gone.signal);
    this.#resolved = resolved;
    const framing = createFraming(resolved.codec, singleFramingOptions(resolved));
    this.#encoder = new SingleEncoder(framing, resolved.messageBytesMax);
    this.#reader = new RequestReader<Request>({
      framing,
      limits: resolved,
      schema: resolved.schema,
      closed: this.#gone.signal,
      onRefused: (error) => this.report(error),
    });
    this.#hearsLosses = reportLosses(this.channel.native);
    this.#replies = new ReplyWriter({
      send: (frames) => this.channel.send([...frames]),
      isClosed: () => this.channel.closed,
      onSent: (reply) => this.#onSent(reply),
      onDropped: (replies, cause) => this.#onUnsent(replies, cause),
      onFlowing: (peer) => {
        this.#held.flow(peer);
        void this.#readRequests();
      },
    });
    this.#held = new HeldRequests({
      isStuck: (peer) => this.#replies.isStuck(peer),
      onDropped: (held) => this.#onUnbegun([held], new Error("too many of its requests wait")),
    });
  }

  /**
   * Handles requests, `concurrency` (default 64) at a time; further ones wait at their senders. Several calls of
   * `serve` share the requests. A reply that waits for its peer to read does not count towards `concurrency`; `drain`
   * waits for it.
   *
   * @returns resolves when the socket is closed and the handler calls under way have ended: a handler that ignores
   * `context.signal` delays that, but not `close`
   * @throws TypeError for a handler that is not a function, or wrong options; the signal's reason, after the handler
   * calls under way have ended
   */
  serve(handler: Handler<Request, Reply>, options: RunOptions = {}): Promise<void> {
    return quiet(this.#serve(handler, options));
  }

  async #serve(handler: Handler<Request, Reply>, options: RunOptions): Promise<void> {
    this.assertOpen();
    const service = new HandlerSlots(handler, options);
    this.#services.push(service);
    void this.#readRequests();
    try {
      await service.ended;
    } finally {
      this.#services.splice(this.#services.indexOf(service), 1);
    }
  }

  override stats(): SocketStats {
    const { messages, bytes, framesRefused, messagesRefused } = this.#reader.counts;
    return {
      ...NO_STATS,
      messagesSent: this.#messagesSent,
      framesSent: this.#messagesSent,
      bytesSent: this.#bytesSent,
      messagesReceived: messages,
      framesReceived: messages,
      bytesReceived: bytes,
      framesRefused: this.#framesRefused + framesRefused,
      messagesRefused,
      messagesDropped: this.#messagesDropped,
      sendsRefused: this.#sendsRefused,
      requestsFailed: this.#requestsFailed,
      queuedMessages: this.#open.count,
      pendingRequests: this.#open.count,
      peers: this.peerCount,
      connectionsRefused: this.connectionsRefused,
    };
  }

  protected override get role(): Role {
    return "Replier";
  }

  /** Resolves when the requests now in handlers have replies, and those have been handed to ZeroMQ or dropped. */
  protected override flushAll(options: WaitOptions | undefined): Promise<void> {
    return this.#open.drain(options);
  }

  protected override stop(): void {
    // First, or replies dropped below would complete a pending drain.
    this.#open.stop();
    for (const service of [...this.#services]) service.stop();
    this.#gone.abort(closedError());
    this.#replies.close();
  }

  /**
   * Reads while a handler slot is free, and a little ahead: a routing id becomes free for another connection only when
   * the end of its previous connection has been read. Until then libzmq ignores a peer that reconnects under its id.
   * The only reader of the socket.
   */
  async #readRequests(): Promise<void> {
    this.#deal();
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.#services.length > 0 && !this.#held.isFull) {
        if (this.#turns.isOver) {
          await this.#turns.next();
          continue;
        }
        const held = this.#openRequest(await this.channel.receive());
        if (held === null) continue;
        this.#held.add(held);
        this.#deal();
      }
    } catch (error) {
      this.#onReadError(error);
    } finally {
      this.#reading = false;
    }
  }

  /** Gives requests to free handler slots, and yields to the event loop where this turn has lasted too long. */
  #deal(): void {
    while (this.#held.look()) {
      const service = this.#services.find(({ free }) => free);
      if (service === undefined || this.#turning) return;
      if (this.#turns.isOver) {
        void this.#dealLater();
        return;
      }
      void this.#reply(this.#held.take(), service);
    }
  }

  async #dealLater(): Promise<void> {
    this.#turning = true;
    await this.#turns.next();
    this.#turning = false;
    void this.#readRequests();
  }

  /**
   * Opens a received message. @returns null for the end of a connection. An empty message from a peer looks the same,
   * and that peer loses its replies.
   */
  #openRequest(parts: Buffer[]): HeldRequest | null {
    if (!this.#hearsLosses || parts.length !== 2 || parts[1]!.length > 0) {
      // A message of two frames is not a request.
      const stray = parts.length === 2 ? strayOf(parts[1]!) : null;
      if (stray !== null) throw this.#refuseStray(parts[0]!, stray);
      const request = openRequest(parts);
      return { request, peer: this.#requesting.begin(request.envelope[0]!) };
    }
    const peer = this.#requesting.lost(parts[0]!);
    if (peer === null) return null;
    const cause = new Error("its connection has ended");
    this.#replies.forget(peer);
    this.#onUnbegun(this.#held.forget(peer), cause);
    return null;
  }

  /** Sends a reliable peer the refusal, once and without waiting. @returns the error to report here */
  #refuseStray(id: Buffer, stray: Stray): BrokerlessError {
    if (stray.refusal !== null) void quiet(this.channel.send([id, stray.refusal]));
    return strayError(stray);
  }

  #onReadError(error: unknown): void {
    if (this.channel.closed) return;
    if (!(error instanceof BrokerlessError)) {
      this.reportFailure(error);
      return;
    }
    this.#framesRefused += 1;
    this.report(error);
    queueMicrotask(() => void this.#readRequests());
  }

  /** Handles one request. Never rejects: every request gets a reply or an error. */
  async #reply(
    { request: { envelope, body, headers }, peer }: HeldRequest,
    service: HandlerSlots<Handler<Request, Reply>>,
  ): Promise<void> {
    service.begin();
    const number = this.#open.begin();
    let stage: "reading" | "handling" | "replying" = "reading";
    let frames: Buffer[];
    try {
      const beside = this.#reader.headers(headers);
      const decoded = this.#reader.value(body);
      const request = decoded instanceof Promise ? await decoded : decoded;
      const context = new RequestContext(envelope[0]!, this.#gone.signal, beside);
      stage = "handling";
      const reply = await service.handler(request, context);
      stage = "replying";
      const { replySchema } = this.#resolved;
      const checked = replySchema === null ? null : checkOutgoing(replySchema, reply, "the reply");
      frames = [this.#encoder.encode(reply)];
      if (checked !== null) await untilClosed(checked, this.#gone.signal);
    } catch (error) {
      frames = errorFrames(error);
      // An error of a request that cannot be decoded was reported where it was read.
      if (stage === "replying" && error instanceof BrokerlessError) this.#refuse(error);
      else if (stage !== "reading") this.#fail(envelope[0]!, error);
    }
    await this.#replies.write({ peer, frames: [...envelope, ...frames], number });
    service.end();
    void this.#readRequests();
  }

  /** Counts and reports a refused reply. An error caused by the close of the socket is not one. */
  #refuse(error: BrokerlessError): void {
    if (error === this.#gone.signal.reason) return;
    this.#sendsRefused += 1;
    if (!this.channel.closed) this.report(error);
  }

  /**
   * Counts and reports a failed handler. A handler that was aborted by the close of the socket, or that threw a
   * RemoteError as its reply, has not failed.
   */
  #fail(routingId: Buffer, error: unknown): void {
    if (this.channel.closed || isErrorReply(error)) return;
    this.#requestsFailed += 1;
    this.events.emit("requestFailed", { peer: peerIdOf(routingId), error });
  }

  #onSent({ peer, frames, number }: SendableReply): void {
    this.#messagesSent += 1;
    this.#bytesSent += frames.at(-1)!.length;
    this.#requesting.end(peer);
    this.#open.end(number);
  }

  #onUnsent(replies: readonly SendableReply[], cause: unknown): void {
    for (const { peer, number } of replies) {
      this.#requesting.end(peer);
      this.#open.end(number);
    }
    this.#lose(replies[0]!.frames[0]!, replies.length, cause);
  }

  /** Counts and reports requests that were dropped before a handler began them. */
  #onUnbegun(held: readonly HeldRequest[], cause: unknown): void {
    for (const { peer } of held) this.#requesting.end(peer);
    if (held.length > 0) this.#lose(held[0]!.request.envelope[0]!, held.length, cause);
  }

  #lose(routingId: Buffer, count: number, cause: unknown): void {
    this.#messagesDropped += count;
    if (this.channel.closed) return;
    const requests = count === 1 ? "a request" : `${count} requests`;
    const text = `cannot reply to ${requests} of peer ${peerIdOf(routingId)}: it has disconnected, or does not read its replies`;
    this.report(new BrokerlessError("BROKERLESS_UNROUTABLE", text, { cause }));
  }
}
