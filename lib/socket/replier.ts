import { createFraming, type Framing } from "../batch/framing.ts";
import { ByteWriter } from "../codec/byte-writer.ts";
import { BrokerlessError } from "../errors.ts";
import { resolveOptions } from "../options.ts";
import { patientSend } from "../transport/patient-send.ts";
import { quiet, type WaitOptions, wait } from "../wait.ts";
import { closedError, Inbox } from "./inbox.ts";
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
import { encodeOne, errorFrames, openRequest, type Request } from "./request-wire.ts";
import { type RunOptions, runEach } from "./run.ts";
import { checkOutgoing, filterIncoming } from "./schema.ts";
import { NO_STATS, type SocketStats, TypedSocket } from "./typed-socket.ts";

/** Options of a {@link Replier}. */
export type ReplierOptions<Question, Answer> = AskOptions<Question, Answer>;

/** What a handler knows of a question beside its value. */
export interface RequestContext {
  readonly peer: PeerId;
  /** Aborts when the socket closes: nobody will get the answer. */
  readonly signal: AbortSignal;
}

/** Calls of a handler at the same time unless `serve` is told otherwise (count). */
const CONCURRENCY = 64;
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
  readonly #writer = new ByteWriter();
  readonly #inbox = new Inbox<Request>(() => this.#readRequest());
  readonly #gone = new AbortController();
  #messagesReceived = 0;
  #bytesReceived = 0;
  #messagesSent = 0;
  #bytesSent = 0;
  #framesRefused = 0;
  #messagesRefused = 0;
  #messagesDropped = 0;
  /** Questions that are with a handler (count). */
  #open = 0;
  readonly #drains: (() => void)[] = [];

  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  constructor(options?: ReplierOptions<Question, Answer>) {
    const resolved = resolveOptions("Replier", options, {
      rules: { ...COMMON_RULES, ...ASK_RULES },
      defaults: { ...COMMON_DEFAULTS, ...askDefaults() },
    });
    super("router", resolved, PEER_FRAMES);
    this.#resolved = resolved;
    this.#framing = createFraming(resolved.codec, { batched: false, countMax: 1 });
  }

  /**
   * Answers questions, `concurrency` (default 64) at a time; further ones wait at their senders.
   *
   * @returns resolves when the socket is closed
   * @throws the signal's reason, when the calls under way have ended
   */
  serve(
    handler: (question: Question, context: RequestContext) => Answer | Promise<Answer>,
    options: RunOptions = {},
  ): Promise<void> {
    const answer = (request: Request): Promise<void> => this.#answer(request, handler);
    const items = this.#inbox.values();
    return quiet(runEach(items, answer, { ...options, concurrencyDefault: CONCURRENCY }));
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
      queuedMessages: this.#open,
      peers: this.peers,
    };
  }

  /** Resolves when the questions now with handlers have been answered. */
  protected override flushAll(options: WaitOptions | undefined): Promise<void> {
    if (this.#open === 0) return Promise.resolve();
    return wait<void>("drain", options, ({ resolve }) => {
      this.#drains.push(resolve);
      return () => this.#drains.splice(this.#drains.indexOf(resolve), 1);
    });
  }

  protected override stop(): void {
    this.#inbox.close();
    this.#gone.abort(closedError());
    for (const resolve of this.#drains.splice(0)) resolve();
  }

  async #readRequest(): Promise<Request[]> {
    const parts = await this.channel.receive();
    try {
      return [openRequest(parts)];
    } catch (error) {
      this.#framesRefused += 1;
      this.report(error as BrokerlessError);
      return [];
    }
  }

  /** Never rejects: every question gets an answer or an error. */
  async #answer(
    { envelope, body }: Request,
    handler: (question: Question, context: RequestContext) => Answer | Promise<Answer>,
  ): Promise<void> {
    this.#open += 1;
    let frames: Buffer[];
    try {
      const question = await this.#question(body);
      const context = { peer: peerIdOf(envelope[0]!), signal: this.#gone.signal };
      const value = await handler(question, context);
      if (this.#resolved.answerSchema !== null) {
        await checkOutgoing(this.#resolved.answerSchema, value);
      }
      frames = [encodeOne(this.#framing, this.#writer, { value, ...this.#resolved })];
    } catch (error) {
      frames = errorFrames(error);
    }
    await this.#reply([...envelope, ...frames]);
    this.#open -= 1;
    if (this.#open === 0) for (const resolve of this.#drains.splice(0)) resolve();
  }

  async #question(body: Buffer): Promise<Question> {
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
    if (this.#resolved.schema === null) return values[0] as Question;
    const bad: BrokerlessError[] = [];
    const kept = await filterIncoming<Question>(this.#resolved.schema, values, (e) => bad.push(e));
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
