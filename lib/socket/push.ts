import type { BrokerlessError } from "../errors.ts";
import { resolveOptions } from "../options.ts";
import type { WaitOptions } from "../wait.ts";
import {
  COMMON_DEFAULTS,
  COMMON_RULES,
  type ResolvedCommon,
  type ResolvedValue,
  VALUE_RULES,
  type ValueOptions,
  valueDefaults,
} from "./options.ts";
import { Outbound, type SendOptions } from "./outbound.ts";
import type { OutboundStats } from "./outbound-stats.ts";
import type { DeadLetters } from "./reliable/dead-letters.ts";
import { explainSender, type Guarantee, type SenderSetting } from "./reliable/explain.ts";
import {
  assertNeedless,
  RELIABLE_QUEUE_BYTES_MAX,
  RELIABLE_SEND_DEFAULTS,
  RELIABLE_SEND_RULES,
  type ReliableSendOptions,
  type ResolvedReliableSend,
} from "./reliable/options.ts";
import { ReliableSender } from "./reliable/reliable-sender.ts";
import { NO_STATS, type SocketStats } from "./socket-stats.ts";
import { TypedSocket } from "./typed-socket.ts";

/** Options of a {@link Push}. */
export interface PushOptions<T> extends ValueOptions<T>, ReliableSendOptions {}

/** The way out of a {@link Push}: plain, or with an ack layer. */
interface PushWay<T> {
  send(value: T, key: null, options: SendOptions | undefined): Promise<void>;
  trySend(value: T, key: null): boolean;
  stats(): OutboundStats;
  drain(options: WaitOptions | undefined): Promise<void>;
  close(): void;
}

type Resolved = ResolvedCommon & ResolvedValue & ResolvedReliableSend;

/**
 * Hands messages out to the connected {@link Pull} sockets; each message goes to one of them.
 *
 * Plain, it promises: order on the way to one peer; even shares; bounded memory. Not delivery: what a peer
 * held when it went away is lost. `send` resolves at `queued`. On the wire: ZeroMQ's PUSH, one frame a message.
 *
 * With `reliable: true` it promises that a message is sent until a receiver has acknowledged it, for as
 * long as this process lives; with `journal` also when it does not. Receivers must be reliable too.
 * `send` resolves at `queued` without a journal, and at `stored` with one. See `explain()`.
 *
 * @see docs/guarantees.md
 */
export class Push<T = unknown> extends TypedSocket {
  readonly #way: PushWay<T>;
  readonly #reliable: ReliableSender<T> | null;
  readonly #setting: SenderSetting;

  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  constructor(options?: PushOptions<T>) {
    const resolved: Resolved = resolveOptions("Push", options, {
      rules: { ...COMMON_RULES, ...VALUE_RULES, ...RELIABLE_SEND_RULES },
      defaults: { ...COMMON_DEFAULTS, ...valueDefaults(), ...RELIABLE_SEND_DEFAULTS },
    });
    if (!resolved.reliable && resolved.journal === null) {
      assertNeedless("Push", options, ONLY_RELIABLE);
      super("push", resolved);
      this.#setting = { kind: "plain", exclusive: false };
      this.#reliable = null;
      this.#way = this.#plain(resolved);
      return;
    }
    const sender = new ReliableSender<T>({
      common: { ...resolved, queueBytesMax: options?.queueBytesMax ?? RELIABLE_QUEUE_BYTES_MAX },
      codec: resolved.codec,
      schema: resolved.schema,
      rules: resolved,
      onPeer: (type, address, peers) => this.reportPeers(type, address, peers),
      onDead: (range) => this.events.emit("deadLetter", range),
      onDropped: (range) => this.events.emit("dropped", range),
      onError: (error: BrokerlessError) => this.report(error),
    });
    super((channel) => sender.open(channel), resolved);
    const kind = resolved.journal === null ? "memory" : "journal";
    this.#setting = { kind, exclusive: resolved.exclusive };
    this.#reliable = sender;
    this.#way = sender;
  }

  /**
   * The messages that were given up, to look at, to send anew, or to forget.
   *
   * @throws TypeError without an ack layer, where nothing is given up
   */
  get deadLetters(): DeadLetters<T> {
    if (this.#reliable !== null) return this.#reliable.deadLetters;
    throw new TypeError("deadLetters needs reliable: true, or a journal");
  }

  /**
   * Sends one message; waits while there is no room.
   *
   * @returns resolves at the level that is asked for
   * @throws BrokerlessError `BROKERLESS_CODEC`, `_SCHEMA`, `_TOO_LARGE`, `_CLOSED`, `_TIMEOUT`; or the
   * signal's reason. Nothing is sent then, but for a wait that ends after the message was accepted. With an
   * ack layer also `BROKERLESS_FULL`, `_NO_SPACE`, `_JOURNAL_FAILED`, `_DEAD_LETTER`, `_DROPPED`.
   */
  send(value: T, options?: SendOptions): Promise<void> {
    return this.#way.send(value, null, options);
  }

  /** Accepts one message in memory, or says `false` where `send` would wait. */
  trySend(value: T): boolean {
    return this.#way.trySend(value, null);
  }

  /** What this configuration promises: failures, and what is lost or duplicated by each. */
  explain(): readonly Guarantee[] {
    return explainSender(this.#setting);
  }

  override stats(): SocketStats {
    return { ...NO_STATS, ...this.#way.stats(), peers: this.peers };
  }

  protected override flushAll(options: WaitOptions | undefined): Promise<void> {
    return this.#way.drain(options);
  }

  protected override stop(): void {
    this.#way.close();
  }

  #plain(resolved: Resolved): Outbound<null> {
    return new Outbound({
      common: resolved,
      codec: resolved.codec,
      schema: resolved.schema,
      peers: () => this.channel.peers,
      send: (message) => this.channel.send(message),
      address: (frame) => frame,
      firstKey: null,
      onFailed: (error) => this.reportFailure(error),
      onRefused: (error) => this.report(error),
    });
  }
}

const ONLY_RELIABLE = Object.keys(RELIABLE_SEND_DEFAULTS).filter(
  (name) => name !== "reliable" && name !== "confirm",
);
