import { createFraming, type Framing } from "../batch/framing.ts";
import { BrokerlessError } from "../errors.ts";
import { resolveOptions } from "../options.ts";
import { patientSend } from "../transport/patient-send.ts";
import { quiet, type WaitOptions } from "../wait.ts";
import { closedError } from "./inbox.ts";
import { OpenWork } from "./open-work.ts";
import {
  ASK_RULES,
  type AskOptions,
  askDefaults,
  COMMON_DEFAULTS,
  COMMON_RULES,
  type ResolvedAsk,
  type ResolvedCommon,
} from "./options.ts";
import { type PeerId, peerIdOf } from "./peer-id.ts";
import { errorFrames, openRequest, type Request, SingleEncoder } from "./request-wire.ts";
import type { RunOptions } from "./run.ts";
import { checkOutgoing, filterIncoming, type Schema } from "./schema.ts";
import { Service } from "./service.ts";
import { NO_STATS, type SocketStats } from "./socket-stats.ts";
import { TypedSocket } from "./typed-socket.ts";

/** Options of a {@link Replier}. */
export type ReplierOptions<Question, Answer> = AskOptions<Question, Answer>;

/** What a handler knows of a question beside its value. */
export class RequestContext {
  readonly #routingId: Buffer;
  /** Aborts when the socket closes: nobody will get the answer. */
  readonly signal: AbortSignal;

  /** @param routingId first frame of the request, as ZeroMQ gives it */
  constructor(routingId: Buffer, signal: AbortSignal) {
    this.#routingId = routingId;
    this.signal = signal;
  }

  /** Who asks. Not a proof of identity. */
  get peer(): PeerId {
    return peerIdOf(this.#routingId);
  }
}

/** Answers a question; what it throws becomes a `RemoteError` at the caller. */
export type Handler<Question, Answer> = (
  question: Question,
  context: RequestContext,
) => Answer | Promise<Answer>;

/** Frames that ZeroMQ holds for each peer: one is one answer (count). */
const PEER_FRAMES = 1_000;
/** An answer whose peer does not read is dropped after so long (milliseconds). */
const STUCK_MS_MAX = 1_000;

/**
 * Answers the questions of {@link Requester} sockets, many at the same time.
 *
 * What the handler throws becomes a `RemoteError` at the caller, and so does a question that cannot be
 * read. Does not promise: that the answer arrives; an answer whose peer is gone is dropped and counted.
 *
 * On the wire: a ROUTER with REP's envelope, so that plain REQ sockets may ask too.
 *
 * @see docs/guarantees.md
 */
export class Replier<Question = unknown, Answer = unknown> extends TypedSocket {
  readonly #resolved: ResolvedCommon & ResolvedAsk;
  readonly #framing: Framing<unknown>;
  readonly #encoder: SingleEncoder;
  readonly #services: Service<Handler<Question, Answer>>[] = [];
  /** A question that was read when no service was left to take it. */
  #held: Request | null = null;
  #reading = false;
  readonly #gone = new AbortController();
  #messagesReceived = 0;
  #bytesReceived = 0;
  #messagesSent = 0;
  #bytesSent = 0;
  #framesRefused = 0;
  #messagesRefused = 0;
  #messagesDropped = 0;
  /** Questions that are with a handler. */
  readonly #open = new OpenWork();

  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  constructor(options?: ReplierOptions<Question, Answer>) {
    const resolved = resolveOptions("Replier", options, {
      rules: { ...COMMON_RULES, ...ASK_RULES },
      defaults: { ...COMMON_DEFAULTS, ...askDefaults() },
    });
    super("router", resolved, { peerFramesMax: PEER_FRAMES, partsMax: 18 });
    this.#resolved = resolved;
    this.#framing = createFraming(resolved.codec, { batched: false, countMax: 1 });
    this.#encoder = new SingleEncoder(this.#framing, resolved.messageBytesMax);
  }

  /**
   * Answers questions, `concurrency` (default 64) at a time; further ones wait at their senders. Several
   * calls share the questions.
   *
   * @returns resolves when the socket is closed
   * @throws TypeError for wrong options; the signal's reason, when the calls under way have ended
   */
  serve(handler: Handler<Question, Answer>, options: RunOptions = {}): Promise<void> {
    return quiet(this.#serve(handler, options));
  }

  async #serve(handler: Handler<Question, Answer>, options: RunOptions): Promise<void> {
    this.assertOpen();
    const service = new Service(handler, options);
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
      queuedMessages: this.#open.count,
      peers: this.peers,
    };
  }

  /** Resolves when the questions now with handlers have been answered. */
  protected override flushAll(options: WaitOptions | undefined): Promise<void> {
    return this.#open.drain(options);
  }

  protected override stop(): void {
    for (const service of [...this.#services]) service.stop();
    this.#gone.abort(closedError());
    this.#open.stop();
  }

  /** Reads while a service is free. The only reader of the socket. */
  async #readRequests(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.#services.some((service) => service.free)) {
        const request = this.#held ?? openRequest(await this.channel.receive());
        const service = this.#services.find(({ free }) => free);
        this.#held = service === undefined ? request : null;
        if (service !== undefined) void this.#answer(request, service);
      }
    } catch (error) {
      this.#onReadError(error);
    } finally {
      this.#reading = false;
    }
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

  /** Never rejects: every question gets an answer or an error. */
  async #answer(
    { envelope, body }: Request,
    service: Service<Handler<Question, Answer>>,
  ): Promise<void> {
    service.begin();
    const number = this.#open.begin();
    let frames: Buffer[];
    try {
      const decoded = this.#question(body);
      const question = decoded instanceof Promise ? await decoded : decoded;
      const context = new RequestContext(envelope[0]!, this.#gone.signal);
      const answer = await service.handler(question, context);
      const { answerSchema } = this.#resolved;
      if (answerSchema !== null) await checkOutgoing(answerSchema, answer);
      frames = [this.#encoder.encode(answer)];
    } catch (error) {
      frames = errorFrames(error);
    }
    await this.#reply([...envelope, ...frames]);
    this.#open.end(number);
    service.end();
    void this.#readRequests();
  }

  #question(body: Buffer): Question | Promise<Question> {
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
    return schema === null ? (values[0] as Question) : this.#checkQuestion(schema, values);
  }

  async #checkQuestion(schema: Schema, values: unknown[]): Promise<Question> {
    const bad: BrokerlessError[] = [];
    const kept = await filterIncoming<Question>(schema, values, (error) => bad.push(error));
    if (bad.length === 0) return kept[0] as Question;
    this.#messagesRefused += 1;
    this.report(bad[0]!);
    throw bad[0];
  }

  async #reply(frames: readonly Buffer[]): Promise<void> {
    try {
      await patientSend(this.channel, frames, STUCK_MS_MAX);
      this.#messagesSent += 1;
      this.#bytesSent += frames.at(-1)!.length;
    } catch (cause) {
      this.#messagesDropped += 1;
      if (this.channel.closed) return;
      const peer = peerIdOf(frames[0]!);
      const text = `cannot answer peer ${peer}: it is gone, or does not read`;
      this.report(new BrokerlessError("BROKERLESS_UNROUTABLE", text, { cause }));
    }
  }
}
