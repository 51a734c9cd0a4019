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
import { type OpenCall, OpenCalls } from "../plain/request/open-calls.ts";
import { type OwnReply, OwnRequesters } from "../plain/request/own-requesters.ts";
import { ReplyWriter, type SendableReply } from "../plain/request/reply-writer.ts";
import { RequestContext } from "../plain/request/request-context.ts";
import {
  contentFrames,
  errorContent,
  isErrorReply,
  openRequest,
  type ReplyContent,
  SingleEncoder,
  type Request as WireRequest,
} from "../plain/request/request-envelope.ts";
import {
  bareEntry,
  decodeEntries,
  encodeReplies,
  type FrameEntry,
  isRequests,
  REPLY_KINDS,
  REQUEST_KINDS,
} from "../plain/request/request-frames.ts";
import { RequestReader, untilClosed } from "../plain/request/request-reader.ts";
import { type RequestingPeer, RequestingPeers } from "../plain/request/requesting-peers.ts";
import type { Role } from "../role.ts";
import { reportLosses } from "../transport/native/native.ts";
import { sendWithRetry } from "../transport/send-with-retry.ts";
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
/** How long a requester has to confirm that it knows of this socket's leaving (milliseconds). */
const FAREWELL_MS_MAX = 5_000;

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
  readonly #calls = new OpenCalls();
  readonly #own = new OwnRequesters((id, replies) => this.#writeOwn(id, replies));
  /** Whether requesters are told to send no more. */
  #isLeaving = false;
  #reading = false;
  readonly #turns = new Turns();
  /** Whether requests wait for a turn of the event loop. */
  #turning = false;
  readonly #gone = new AbortController();
  #messagesSent = 0;
  #framesSent = 0;
  #bytesSent = 0;
  /** Messages that are no requests (count). */
  #framesRefused = 0;
  #messagesDropped = 0;
  #sendsRefused = 0;
  #requestsFailed = 0;
  /** Requests that were read, until their replies have been handed to ZeroMQ or dropped. */
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
   * waits for it. After a `drain` a call of `serve` tells the requesters that this socket stays.
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
    this.#stay();
    void this.#readRequests();
    try {
      await service.ended;
    } finally {
      this.#services.splice(this.#services.indexOf(service), 1);
      void this.#readRequests();
    }
  }

  override stats(): SocketStats {
    const { messages, bytes, framesRefused, messagesRefused } = this.#reader.counts;
    return {
      ...NO_STATS,
      messagesSent: this.#messagesSent,
      framesSent: this.#framesSent,
      bytesSent: this.#bytesSent,
      messagesReceived: messages,
      framesReceived: messages,
      bytesReceived: bytes,
      framesRefused: this.#framesRefused + framesRefused,
      messagesRefused,
      messagesDropped: this.#messagesDropped,
      sendsRefused: this.#sendsRefused,
      requestsFailed: this.#requestsFailed,
      queuedMessages: this.#open.count - this.#held.count,
      pendingRequests: this.#open.count,
      peers: this.peerCount,
      connectionsRefused: this.connectionsRefused,
    };
  }

  protected override get role(): Role {
    return "Replier";
  }

  /**
   * Leaves: tells the requesters to send no more, handles what they have sent, or gives it back where no `serve` is
   * under way, and resolves when the replies have been handed to ZeroMQ or dropped.
   */
  protected override async flushAll(options: WaitOptions | undefined): Promise<void> {
    const endMs = performance.now() + (options?.timeoutMs ?? Number.POSITIVE_INFINITY);
    this.#isLeaving = true;
    this.#tellLeaving();
    void this.#readRequests();
    if (this.#own.isWaiting) await this.#own.drain(options, FAREWELL_MS_MAX);
    const leftMs = Math.max(0, Math.ceil(endMs - performance.now()));
    const isLimited = options?.timeoutMs !== undefined;
    await this.#open.drain(isLimited ? { ...options, timeoutMs: leftMs } : options);
    // Also what was given back, which is no open work.
    this.#own.flush();
  }

  protected override stop(): void {
    // First, or replies dropped below would complete a pending drain.
    this.#open.stop();
    this.#own.close();
    for (const service of [...this.#services]) service.stop();
    this.#gone.abort(closedError());
    this.#calls.close(this.#gone.signal.reason);
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
      while (this.#mayRead) {
        if (this.#turns.isOver) {
          await this.#turns.next();
          continue;
        }
        this.#onMessage(await this.channel.receive());
        this.#deal();
      }
    } catch (error) {
      this.#onReadError(error);
    } finally {
      this.#reading = false;
    }
  }

  get #mayRead(): boolean {
    if (this.#services.length === 0) return this.#isLeaving && !this.channel.closed;
    return !this.#held.isFull;
  }

  /** Gives requests to free handler slots, and yields to the event loop where this turn has lasted too long. */
  #deal(): void {
    if (this.#services.length === 0) {
      if (this.#isLeaving) this.#giveBack();
      return;
    }
    while (this.#held.look()) {
      const service = this.#services.find(({ free }) => free);
      if (service === undefined || this.#turning) return;
      if (this.#turns.isOver) {
        void this.#dealLater();
        return;
      }
      const held = this.#held.take();
      if (held.isCancelled || held.request.deadlineMs <= performance.now()) this.#skip(held);
      else void this.#reply(held, service);
    }
  }

  /** Does not begin a request that its requester has given up. */
  #skip({ request, peer, number }: HeldRequest): void {
    this.#notify("expired", request, peer);
    this.#end(peer, number);
    this.#messagesDropped += 1;
  }

  /** Tells a requester what becomes of a request that gets no reply. */
  #notify(kind: "expired" | "returned", { id, envelope }: WireRequest, peer: RequestingPeer): void {
    if (id === null || peer.isGone) return;
    const entry = { ...bareEntry(REPLY_KINDS[kind], id), peer, number: null };
    this.#own.met(peer.key, envelope[0]!).replies.add(entry, false);
  }

  /** This socket leaves, and no handler is there: other repliers can handle the requests. */
  #giveBack(): void {
    while (this.#held.look()) {
      const held = this.#held.take();
      const { request, peer, number } = held;
      if (request.id === null) {
        this.#onUnbegun([held], new Error("this socket leaves"));
        continue;
      }
      this.#notify("returned", request, peer);
      this.#end(peer, number);
    }
  }

  #tellLeaving(): void {
    for (const { routingId } of this.#own.leave()) void this.#tell(routingId, "leaving");
  }

  #stay(): void {
    if (!this.#isLeaving) return;
    this.#isLeaving = false;
    for (const { routingId } of this.#own.stay()) void this.#tell(routingId, "staying");
  }

  /** Never rejects. */
  async #tell(routingId: Buffer, kind: "leaving" | "staying"): Promise<void> {
    try {
      await sendWithRetry(this.channel, [routingId, encodeReplies([bareEntry(REPLY_KINDS[kind])])]);
    } catch {
      // It has gone.
      this.#own.lost(routingId);
    }
  }

  async #dealLater(): Promise<void> {
    this.#turning = true;
    await this.#turns.next();
    this.#turning = false;
    void this.#readRequests();
  }

  /**
   * Opens a received message: requests, or the end of a connection. An empty message from a peer looks like that, and
   * the peer loses its replies.
   */
  #onMessage(parts: Buffer[]): void {
    const [routingId, frame] = parts;
    if (parts.length !== 2) {
      this.#hold(openRequest(parts));
    } else if (frame!.length === 0 && this.#hearsLosses) {
      this.#onLost(routingId!);
    } else if (isRequests(frame!)) {
      for (const entry of decodeEntries(frame!)) this.#onEntry(routingId!, entry);
    } else {
      const stray = strayOf(frame!);
      if (stray !== null) throw this.#refuseStray(routingId!, stray);
      openRequest(parts);
    }
  }

  #onEntry(routingId: Buffer, { kind, id, leftMs, headers, body }: FrameEntry): void {
    if (kind === REQUEST_KINDS.request) {
      const deadlineMs = performance.now() + leftMs;
      this.#hold({ envelope: [routingId], id, deadlineMs, body, headers });
    } else if (kind === REQUEST_KINDS.left) {
      this.#own.left(routingId);
    } else if (kind === REQUEST_KINDS.cancel) {
      const peer = this.#requesting.find(routingId);
      if (peer === null) return;
      this.#held.cancel(peer, id);
      this.#calls.cancel(peer, id);
    }
  }

  #hold(request: WireRequest): void {
    const routingId = request.envelope[0]!;
    const peer = this.#requesting.begin(routingId);
    if (request.id !== null) {
      const own = this.#own.met(peer.key, routingId);
      if (this.#isLeaving && !own.isTold) {
        this.#own.told(own);
        void this.#tell(own.routingId, "leaving");
      } else if (!own.isGreeted) void this.#tell(own.routingId, "staying");
      own.isGreeted = true;
    }
    this.#held.add({ request, peer, number: this.#open.begin(), isCancelled: false });
  }

  #onLost(routingId: Buffer): void {
    this.#own.lost(routingId);
    const peer = this.#requesting.lost(routingId);
    if (peer === null) return;
    this.#calls.lose(peer);
    this.#replies.forget(peer);
    this.#onUnbegun(this.#held.forget(peer), new Error("its connection has ended"));
  }

  protected override onPeerChange(type: "peer" | "peerLost", address: string, peers: number): void {
    super.onPeerChange(type, address, peers);
    // Over inproc only a send to each shows which one has gone.
    if (type === "peerLost" && this.#isLeaving) this.#tellLeaving();
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
  async #reply(held: HeldRequest, service: HandlerSlots<Handler<Request, Reply>>): Promise<void> {
    const { peer, number, request } = held;
    service.begin();
    const open: { call: OpenCall | null } = { call: null };
    let stage: "reading" | "handling" | "replying" = "reading";
    let content: ReplyContent;
    try {
      const headers = this.#reader.headers(request.headers);
      const decoded = this.#reader.value(request.body);
      const value = decoded instanceof Promise ? await decoded : decoded;
      const leftMs = request.deadlineMs - performance.now();
      const signal = (): AbortSignal => {
        open.call ??= this.#begin(held, leftMs);
        return open.call.abort.signal;
      };
      const context = new RequestContext(request.envelope[0]!, headers, leftMs, signal);
      stage = "handling";
      const reply = await service.handler(value, context);
      stage = "replying";
      const { replySchema } = this.#resolved;
      const checked = replySchema === null ? null : checkOutgoing(replySchema, reply, "the reply");
      content = { body: this.#encoder.encode(reply), error: null };
      if (checked !== null) await untilClosed(checked, this.#gone.signal);
    } catch (error) {
      if (open.call?.abort.signal.aborted && stage === "handling" && request.id !== null) {
        // Nobody waits for what the handler makes of that.
        this.#skip(held);
        service.end();
        void this.#readRequests();
        return;
      }
      content = errorContent(error);
      // An error of a request that cannot be decoded was reported where it was read.
      if (stage === "replying" && error instanceof BrokerlessError) this.#refuse(error);
      else if (stage !== "reading") this.#fail(request.envelope[0]!, error);
    }
    if (open.call !== null) this.#calls.end(open.call);
    await this.#write(request, { peer, number, content });
    service.end();
    void this.#readRequests();
  }

  /** The signal of a call. */
  #begin({ peer, request }: HeldRequest, leftMs: number): OpenCall {
    const call = this.#calls.begin(peer, request.id, leftMs);
    if (this.#gone.signal.aborted) call.abort.abort(this.#gone.signal.reason);
    return call;
  }

  /** Resolves when the reply was handed to ZeroMQ, is queued, or was dropped. */
  async #write(
    { envelope, id }: WireRequest,
    {
      peer,
      number,
      content,
    }: { readonly peer: RequestingPeer; readonly number: number; readonly content: ReplyContent },
  ): Promise<void> {
    const { body, error } = content;
    const bytes = (body ?? error).length;
    if (id === null) {
      const frames = [...envelope, ...contentFrames(content)];
      await this.#replies.write({ peer, frames, numbers: [number], bytes });
      return;
    }
    const kind = error === null ? REPLY_KINDS.value : REPLY_KINDS.error;
    const reply = { kind, id, leftMs: 0, headers: null, body: body ?? error, peer, number };
    this.#own.met(peer.key, envelope[0]!).replies.add(reply, peer.open === 1);
  }

  /** Sends replies to one requester in one frame. */
  #writeOwn(routingId: Buffer, replies: readonly OwnReply[]): void {
    const numbers: number[] = [];
    let bytes = 0;
    for (const { number, body } of replies) {
      if (number !== null) numbers.push(number);
      bytes += body.length;
    }
    const { peer } = replies[0]!;
    void this.#replies.write({ peer, frames: [routingId, encodeReplies(replies)], numbers, bytes });
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

  #onSent({ peer, numbers, bytes }: SendableReply): void {
    this.#messagesSent += numbers.length;
    this.#framesSent += 1;
    this.#bytesSent += bytes;
    for (const number of numbers) this.#end(peer, number);
  }

  #onUnsent(replies: readonly SendableReply[], cause: unknown): void {
    let count = 0;
    for (const { peer, numbers } of replies) {
      count += numbers.length;
      for (const number of numbers) this.#end(peer, number);
    }
    if (count > 0) this.#lose(replies[0]!.frames[0]!, count, cause);
  }

  #end(peer: RequestingPeer, number: number): void {
    this.#requesting.end(peer);
    this.#open.end(number);
  }

  /** Counts and reports requests that were dropped before a handler began them. */
  #onUnbegun(held: readonly HeldRequest[], cause: unknown): void {
    for (const { peer, number } of held) this.#end(peer, number);
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
