import { createFraming, type Framing } from "../batch/framing.ts";
import { BrokerlessError } from "../errors.ts";
import { boolean, integer, resolveOptions } from "../options.ts";
import { checkWaitOptions, quiet, type WaitOptions } from "../wait.ts";
import { type Question as Asked, Inquiries } from "./inquiries.ts";
import {
  ASK_RULES,
  type AskOptions,
  askDefaults,
  COMMON_DEFAULTS,
  COMMON_RULES,
  type ResolvedAsk,
  type ResolvedCommon,
} from "./options.ts";
import { openAnswer, SingleEncoder, type WireAnswer } from "./request-wire.ts";
import { checkOutgoing, filterIncoming, type Schema } from "./schema.ts";
import { NO_STATS, type SocketStats } from "./socket-stats.ts";
import { TypedSocket } from "./typed-socket.ts";

/** Options of a {@link Requester}. */
export interface RequesterOptions<Question, Answer> extends AskOptions<Question, Answer> {
  /** How long a request waits for its answer unless it says otherwise (milliseconds). Default 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Whether requests are sent again after a lost connection unless they say otherwise. Default false. */
  readonly resend?: boolean | undefined;
}

/** Options of one request. */
export interface RequestOptions extends WaitOptions {
  /**
   * Sends the question again when a connection was lost before the answer came. It may then be asked
   * twice: only for questions that do no harm when repeated. The first answer counts.
   */
  readonly resend?: boolean | undefined;
}

interface Resolved extends ResolvedCommon, ResolvedAsk {
  readonly timeoutMs: number;
  readonly resend: boolean;
}

/** Frames that ZeroMQ holds for each peer: one is one question, and answers are read at once (count). */
const PEER_FRAMES = 256;
/** Longest timeout that a Node timer keeps (milliseconds). */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/**
 * Asks questions; many may be under way at once, each with its own time limit. Never gets stuck: a
 * late answer, or one that nobody waits for, is dropped.
 *
 * Questions go to the connected {@link Replier} sockets in turn. Promises: every `request` settles;
 * an answer belongs to its question. A question may have been processed although its answer is lost.
 *
 * On the wire: a DEALER with REQ's envelope, so that plain REP sockets answer too.
 *
 * @see docs/guarantees.md
 */
export class Requester<Question = unknown, Answer = unknown> extends TypedSocket {
  readonly #resolved: Resolved;
  readonly #framing: Framing<unknown>;
  readonly #encoder: SingleEncoder;
  readonly #inquiries: Inquiries;
  #reading = false;
  /** Lost peers that a question could still be sent to (count). */
  #losses = 0;
  #messagesReceived = 0;
  #bytesReceived = 0;
  #framesRefused = 0;
  #messagesRefused = 0;
  #messagesDropped = 0;
  #sendsRefused = 0;

  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  constructor(options?: RequesterOptions<Question, Answer>) {
    const resolved = resolveOptions<Resolved>("Requester", options, {
      rules: {
        ...COMMON_RULES,
        ...ASK_RULES,
        timeoutMs: integer(1, TIMEOUT_MS_MAX),
        resend: boolean,
      },
      defaults: { ...COMMON_DEFAULTS, ...askDefaults(), timeoutMs: 30_000, resend: false },
    });
    super("dealer", resolved, { peerFramesMax: PEER_FRAMES, partsMax: 4 });
    this.#resolved = resolved;
    this.#framing = createFraming(resolved.codec, { batched: false, countMax: 1 });
    this.#encoder = new SingleEncoder(this.#framing, resolved.messageBytesMax);
    this.#inquiries = new Inquiries({
      encode: (question) => this.#encoder.encode(question),
      send: (message) => this.channel.send(message),
      isReachable: () => this.#losses === 0 && this.channel.isReachable,
      queueBytesMax: resolved.queueBytesMax,
      onFailed: (error) => this.reportFailure(error),
      onRefused: (error) => this.#refuse(error),
    });
  }

  /**
   * Asks one question. While the queue is full, or no replier is there, it waits here.
   *
   * @returns the answer
   * @throws RemoteError when the replier's handler threw; BrokerlessError `BROKERLESS_TIMEOUT`,
   * `_CLOSED`, `_CODEC`, `_SCHEMA`, `_TOO_LARGE`; or the signal's reason
   */
  request(question: Question, options?: RequestOptions): Promise<Answer> {
    const { schema } = this.#resolved;
    if (schema === null) return quiet(this.#ask(question, options));
    return quiet(this.#askChecked(schema, question, options));
  }

  override stats(): SocketStats {
    return {
      ...NO_STATS,
      ...this.#inquiries.stats(),
      messagesReceived: this.#messagesReceived,
      framesReceived: this.#messagesReceived,
      bytesReceived: this.#bytesReceived,
      framesRefused: this.#framesRefused,
      messagesRefused: this.#messagesRefused,
      messagesDropped: this.#messagesDropped,
      sendsRefused: this.#sendsRefused,
      peers: this.peers,
    };
  }

  /** Resolves when every question asked before the call has been answered or given up. */
  protected override flushAll(options: WaitOptions | undefined): Promise<void> {
    return this.#inquiries.drain(options);
  }

  protected override stop(): void {
    this.#inquiries.close();
  }

  protected override onPeerChange(type: "peer" | "peerLost", address: string, peers: number): void {
    this.reportPeers(type, address, peers);
    if (type === "peerLost") void this.#resend();
    else this.#inquiries.pump();
  }

  async #resend(): Promise<void> {
    this.#losses += 1;
    await this.channel.settled();
    this.#losses -= 1;
    if (this.#losses === 0) this.#inquiries.resend();
  }

  async #askChecked(
    schema: Schema,
    question: Question,
    options: RequestOptions | undefined,
  ): Promise<Answer> {
    try {
      await checkOutgoing(schema, question);
    } catch (error) {
      this.#refuse(error);
      throw error;
    }
    return await this.#ask(question, options);
  }

  #ask(value: Question, options: RequestOptions | undefined): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      this.assertOpen();
      const { timeoutMs, signal } = checkWaitOptions("request", options);
      signal?.throwIfAborted();
      this.#askNow({
        value,
        resend: options?.resend ?? this.#resolved.resend,
        timeoutMs: timeoutMs ?? this.#resolved.timeoutMs,
        signal,
        resolve: resolve as (answer: unknown) => void,
        reject,
      });
      if (!this.#reading) void this.#readAnswers();
    });
  }

  #askNow(question: Asked): void {
    try {
      this.#inquiries.ask(question);
    } catch (error) {
      this.#refuse(error);
      throw error;
    }
  }

  /** A question was refused for what it is; its promise rejects too, but perhaps nobody looks at it. */
  #refuse(error: unknown): void {
    if (!(error instanceof BrokerlessError)) return;
    this.#sendsRefused += 1;
    this.report(error);
  }

  /** The only reader of the socket, from the first question on. */
  async #readAnswers(): Promise<void> {
    this.#reading = true;
    try {
      for (;;) this.#onAnswer(await this.channel.receive());
    } catch (error) {
      if (!this.channel.closed) this.reportFailure(error);
    } finally {
      this.#reading = false;
    }
  }

  #onAnswer(parts: Buffer[]): void {
    let answer: WireAnswer;
    try {
      answer = openAnswer(parts);
    } catch (error) {
      this.#framesRefused += 1;
      this.report(error as BrokerlessError);
      return;
    }
    const question = this.#inquiries.take(answer.id);
    if (question === null) {
      this.#messagesDropped += 1;
      return;
    }
    this.#messagesReceived += 1;
    if (answer.error !== null) {
      question.reject(answer.error);
      return;
    }
    this.#bytesReceived += answer.body.length;
    try {
      question.resolve(this.#decode(answer.body));
    } catch (error) {
      this.#framesRefused += 1;
      question.reject(error);
    }
  }

  #decode(body: Buffer): unknown {
    const values = this.#framing.decode(body);
    const { answerSchema } = this.#resolved;
    return answerSchema === null ? values[0] : this.#checkAnswer(answerSchema, values);
  }

  async #checkAnswer(schema: Schema, values: unknown[]): Promise<unknown> {
    const bad: BrokerlessError[] = [];
    const kept = await filterIncoming(schema, values, (error) => bad.push(error));
    if (bad.length === 0) return kept[0];
    this.#messagesRefused += 1;
    throw bad[0];
  }
}
