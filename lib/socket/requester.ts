import { createFraming, type Framing } from "../batch/framing.ts";
import { ByteWriter } from "../codec/byte-writer.ts";
import type { BrokerlessError } from "../errors.ts";
import { boolean, integer, resolveOptions } from "../options.ts";
import { quiet, type WaitOptions, wait } from "../wait.ts";
import { Inquiries } from "./inquiries.ts";
import {
  ASK_RULES,
  type AskOptions,
  askDefaults,
  COMMON_DEFAULTS,
  COMMON_RULES,
  type ResolvedAsk,
  type ResolvedCommon,
} from "./options.ts";
import { encodeOne, openAnswer } from "./request-wire.ts";
import { checkOutgoing, filterIncoming } from "./schema.ts";
import { NO_STATS, type SocketStats, TypedSocket } from "./typed-socket.ts";

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

/** Frames that ZeroMQ holds for each peer: one is one question (count). */
const PEER_FRAMES = 1_000;
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
  readonly #writer = new ByteWriter();
  readonly #inquiries: Inquiries<Buffer>;
  #reading = false;
  #messagesReceived = 0;
  #bytesReceived = 0;
  #framesRefused = 0;
  #messagesRefused = 0;
  #messagesDropped = 0;

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
    super("dealer", resolved, PEER_FRAMES);
    this.#resolved = resolved;
    this.#framing = createFraming(resolved.codec, { batched: false, countMax: 1 });
    this.#inquiries = new Inquiries({
      encode: (question) =>
        encodeOne(this.#framing, this.#writer, { value: question, ...resolved }),
      send: (message) => this.channel.send(message),
      queueBytesMax: resolved.queueBytesMax,
      onFailed: (error) => this.reportFailure(error),
    });
  }

  /**
   * Asks one question. While the queue is full, or no replier is there, it waits here.
   *
   * @returns the answer
   * @throws RemoteError when the replier's handler threw; BrokerlessError `BROKERLESS_TIMEOUT`,
   * `_CLOSED`, `_CODEC`, `_SCHEMA`, `_TOO_LARGE`; or the signal's reason
   */
  request(question: Question, options: RequestOptions = {}): Promise<Answer> {
    return quiet(this.#request(question, options));
  }

  async #request(question: Question, options: RequestOptions): Promise<Answer> {
    this.assertOpen();
    if (this.#resolved.schema !== null) await checkOutgoing(this.#resolved.schema, question);
    const limits = {
      timeoutMs: options.timeoutMs ?? this.#resolved.timeoutMs,
      signal: options.signal,
    };
    const resend = options.resend ?? this.#resolved.resend;
    const body = await wait<Buffer>("request", limits, (settle) => {
      const giveUp = this.#inquiries.ask({ value: question, resend, settle });
      if (!this.#reading) void this.#readAnswers();
      return giveUp;
    });
    return await this.#decode(body);
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
    if (type === "peerLost") this.#inquiries.resend();
  }

  /** Reads while questions are open. The only reader of the socket. */
  async #readAnswers(): Promise<void> {
    this.#reading = true;
    try {
      while (this.#inquiries.open > 0) this.#onAnswer(await this.channel.receive());
    } catch (error) {
      if (!this.channel.closed) this.reportFailure(error);
    } finally {
      this.#reading = false;
    }
  }

  #onAnswer(parts: Buffer[]): void {
    try {
      const answer = openAnswer(parts);
      const known = this.#inquiries.answer(answer.id, ({ resolve, reject }) => {
        if (answer.error === null) resolve(answer.body);
        else reject(answer.error);
      });
      if (!known) {
        this.#messagesDropped += 1;
        return;
      }
      this.#messagesReceived += 1;
      this.#bytesReceived += answer.body?.length ?? 0;
    } catch (error) {
      this.#framesRefused += 1;
      this.report(error as BrokerlessError);
    }
  }

  async #decode(body: Buffer): Promise<Answer> {
    let values: unknown[];
    try {
      values = this.#framing.decode(body);
    } catch (error) {
      this.#framesRefused += 1;
      throw error;
    }
    const { answerSchema } = this.#resolved;
    if (answerSchema === null) return values[0] as Answer;
    const bad: BrokerlessError[] = [];
    const kept = await filterIncoming<Answer>(answerSchema, values, (error) => bad.push(error));
    if (bad.length === 0) return kept[0] as Answer;
    this.#messagesRefused += 1;
    throw bad[0];
  }
}
