import { setMaxListeners } from "node:events";
import { createFraming, type Framing } from "../batch/framing.ts";
import { type MessageHeaders, NO_HEADERS, splitHeaders } from "../batch/headers.ts";
import { peerIdOf } from "../core/peer-id.ts";
import { OpenWork } from "../core/queue/open-work.ts";
import { closedError } from "../core/queue/receive-queue.ts";
import { Turns } from "../core/queue/turns.ts";
import type { RunOptions } from "../core/run.ts";
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
  isAnswer,
  openRequest,
  SingleEncoder,
} from "../plain/request/request-envelope.ts";
import { RequestingPeers } from "../plain/request/requesting-peers.ts";
import type { Role } from "../role.ts";
import { reportLosses } from "../transport/native/native.ts";
import { quiet, type WaitOptions, wait } from "../wait.ts";

/** Options of a {@link Replier}. */
export type ReplierOptions<Request, Reply> = RequestReplyOptions<Request, Reply>;

/**
 * Makes the reply to a request; what it throws becomes a `RemoteError` at the caller. A `RemoteError` that it throws is
 * a reply, and no failure: the caller gets it as it is.
 */
export type Handler<Request, Reply> = (
  request: Request,
  context: RequestContext,
) => Reply | Promise<Reply>;

/** Frames that ZeroMQ holds for each peer: one is one reply (count). */
const PEER_FRAMES = 1_000;

/**
 * Replies to the requests of {@link Requester} sockets, many at the same time.
 *
 * What the handler throws becomes a `RemoteError` at the caller, and an event `requestFailed` here. So does a request that
 * cannot be read, and a reply that cannot be sent, such as one that does not fit `replySchema`: those are `error` events
 * here. Does not promise: that the reply arrives; a reply whose peer is gone is dropped and counted, also when another
 * connection has the peer's routing id meanwhile. A peer that does not read its replies holds up nobody else.
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
 */
export class Replier<Request = unknown, Reply = unknown> extends TypedSocket {
  readonly #resolved: ResolvedCommon & ResolvedRequestReply;
  readonly #framing: Framing<unknown>;
  readonly #encoder: SingleEncoder;
  readonly #services: HandlerSlots<Handler<Request, Reply>>[] = [];
  /** Requests that were read, and are not with a handler yet. */
  readonly #held: HeldRequests;
  readonly #replies: ReplyWriter;
  #reading = false;
  readonly #turns = new Turns();
  /** Whether requests wait for the event loop to turn. */
  #turning = false;
  readonly #gone = new AbortController();
  #messagesReceived = 0;
  #bytesReceived = 0;
  #messagesSent = 0;
  #bytesSent = 0;
  #framesRefused = 0;
  #messagesRefused = 0;
  #messagesDropped = 0;
  #sendsRefused = 0;
  #requestsFailed = 0;
  /** Requests that are with a handler, and those whose replies wait for their peers. */
  readonly #open = new OpenWork();
  readonly #requesting = new RequestingPeers();
  /** Whether the ends of connections are received as empty messages. */
  readonly #hearsLosses: boolean;

  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  constructor(options?: ReplierOptions<Request, Reply>) {
    const resolved = resolveOptions("Replier", options, {
      rules: { ...COMMON_RULES, ...REQUEST_REPLY_RULES },
      defaults: { ...COMMON_DEFAULTS, ...requestReplyDefaults() },
    });
    super("router", resolved, { peerFramesMax: PEER_FRAMES, partsMax: 19 });
    // Every handler may pass it on, as often as it likes.
    setMaxListeners(0, this.#gone.signal);
    this.#resolved = resolved;
    this.#framing = createFraming(resolved.codec, singleFramingOptions(resolved));
    this.#encoder = new SingleEncoder(this.#framing, resolved.messageBytesMax);
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
      onDropped: (held) => this.#onUnbegun([held], new Error("too many requests of it wait")),
    });
  }

  /**
   * Replies to requests, `concurrency` (default 64) at a time; further ones wait at their senders. Several
   * calls share the requests. A reply that waits for its peer to read takes no part of `concurrency`; `drain`
   * waits for it.
   *
   * @returns resolves when the socket is closed
   * @throws TypeError for wrong options; the signal's reason, when the calls under way have ended
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
    return {
      ...NO_STATS,
      messagesSent: this.#messagesSent,
      framesSent: this.#messagesSent,
      bytesSent: this.#bytesSent,
      messagesReceived: this.#messagesReceived,
      framesReceived: this.#messagesReceived,
      bytesReceived: this.#bytesReceived,
      framesRefused: this.#framesRefused,
      messagesRefused: this.#messagesRefused,
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

  /** Resolves when the requests now with handlers have replies, and those are with ZeroMQ or dropped. */
  protected override flushAll(options: WaitOptions | undefined): Promise<void> {
    return this.#open.drain(options);
  }

  protected override stop(): void {
    // First, or replies that are dropped here would be what a drain has waited for.
    this.#open.stop();
    for (const service of [...this.#services]) service.stop();
    this.#gone.abort(closedError());
    this.#replies.close();
  }

  /**
   * Reads while a service is free, and a little ahead: a routing id is free for another connection only when the end
   * of the one that had it was read. Until then libzmq ignores a peer that comes back under its name. The only
   * reader of the socket.
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

  /** Gives what was read to those who are free, and others their turn of the event loop. */
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

  /** @returns null for the end of a connection. An empty message of a peer looks the same, and costs it its replies. */
  #openRequest(parts: Buffer[]): HeldRequest | null {
    if (!this.#hearsLosses || parts.length !== 2 || parts[1]!.length > 0) {
      // Two frames are no request.
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

  /** Tells a reliable peer, once and without a wait, that it is wrong here. @returns what is told here */
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

  /** Never rejects: every request gets a reply or an error. */
  async #reply(
    { request: { envelope, body, headers }, peer }: HeldRequest,
    service: HandlerSlots<Handler<Request, Reply>>,
  ): Promise<void> {
    service.begin();
    const number = this.#open.begin();
    let stage: "reading" | "handling" | "replying" = "reading";
    let frames: Buffer[];
    try {
      const beside = this.#headers(headers);
      const decoded = this.#request(body);
      const request = decoded instanceof Promise ? await decoded : decoded;
      const context = new RequestContext(envelope[0]!, this.#gone.signal, beside);
      stage = "handling";
      const reply = await service.handler(request, context);
      stage = "replying";
      const { replySchema } = this.#resolved;
      const checked = replySchema === null ? null : checkOutgoing(replySchema, reply, "the reply");
      frames = [this.#encoder.encode(reply)];
      if (checked !== null) await this.#untilClosed(checked);
    } catch (error) {
      frames = errorFrames(error);
      // What cannot be read is told where it is read.
      if (stage === "replying" && error instanceof BrokerlessError) this.#refuse(error);
      else if (stage !== "reading") this.#fail(envelope[0]!, error);
    }
    await this.#replies.write({ peer, frames: [...envelope, ...frames], number });
    service.end();
    void this.#readRequests();
  }

  /** A reply was refused for what it is. One whose check the end of the socket has ended was not. */
  #refuse(error: BrokerlessError): void {
    if (error === this.#gone.signal.reason) return;
    this.#sendsRefused += 1;
    if (!this.channel.closed) this.report(error);
  }

  /** A handler threw. Who was called off by the end of the socket has not failed, and who has replied so neither. */
  #fail(routingId: Buffer, error: unknown): void {
    if (this.channel.closed || isAnswer(error)) return;
    this.#requestsFailed += 1;
    this.events.emit("requestFailed", { peer: peerIdOf(routingId), error });
  }

  #headers(frame: Buffer | null): MessageHeaders {
    if (frame === null) return NO_HEADERS;
    try {
      return splitHeaders(frame, 1, this.#resolved)[0]!;
    } catch (error) {
      this.#framesRefused += 1;
      this.report(error as BrokerlessError);
      throw error;
    }
  }

  #request(body: Buffer): Request | Promise<Request> {
    let values: unknown[];
    try {
      values = this.#framing.decode(body);
    } catch (error) {
      this.#framesRefused += 1;
      this.report(error as BrokerlessError);
      throw error;
    }
    this.#messagesReceived += 1;
    this.#bytesReceived += body.length;
    const { schema } = this.#resolved;
    return schema === null ? (values[0] as Request) : this.#checkRequest(schema, values);
  }

  async #checkRequest(schema: Schema, values: unknown[]): Promise<Request> {
    const bad: BrokerlessError[] = [];
    const checked = filterIncoming<Request>(schema, values, (error) => bad.push(error));
    const kept = checked instanceof Promise ? await this.#untilClosed(checked) : checked;
    if (bad.length === 0) return kept[0] as Request;
    this.#messagesRefused += 1;
    this.report(bad[0]!);
    throw bad[0];
  }

  /** A schema may never settle: the end of the socket ends the wait, and no handler is begun any more. */
  #untilClosed<T>(checked: Promise<T>): Promise<T> {
    return wait<T>("a check by the schema", { signal: this.#gone.signal }, (settle) => {
      checked.then(settle.resolve, settle.reject);
      return () => {};
    });
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

  /** Requests were dropped before they were begun. */
  #onUnbegun(held: readonly HeldRequest[], cause: unknown): void {
    for (const { peer } of held) this.#requesting.end(peer);
    if (held.length > 0) this.#lose(held[0]!.request.envelope[0]!, held.length, cause);
  }

  #lose(routingId: Buffer, count: number, cause: unknown): void {
    this.#messagesDropped += count;
    if (this.channel.closed) return;
    const requests = count === 1 ? "a request" : `${count} requests`;
    const text = `cannot reply to ${requests} of peer ${peerIdOf(routingId)}: it is gone, or does not read`;
    this.report(new BrokerlessError("BROKERLESS_UNROUTABLE", text, { cause }));
  }
}
