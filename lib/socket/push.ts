import type { Writable } from "node:stream";
import type { OutboundStats } from "../core/outbound-stats.ts";
import type { PlainSendOptions, SendOptions, TrySendOptions } from "../core/send-options.ts";
import {
  COMMON_DEFAULTS,
  COMMON_RULES,
  type ResolvedCommon,
  type ResolvedValue,
  VALUE_RULES,
  type ValueOptions,
  valueDefaults,
} from "../core/socket-options.ts";
import { NO_STATS, type SocketStats } from "../core/socket-stats.ts";
import { TypedSocket } from "../core/typed-socket.ts";
import {
  type ReliableWritableOptions,
  resolveReliableWritable,
  type WritableOptions,
} from "../core/writable.ts";
import type { BrokerlessError } from "../errors.ts";
import { resolveOptions } from "../options.ts";
import { AddressedFrameSink } from "../plain/frame-sink.ts";
import { Outbound } from "../plain/outbound.ts";
import { JournalClaim } from "../reliable/journal-claim.ts";
import {
  type Acknowledged,
  assertConsistent,
  assertNeedless,
  assertPlainLevel,
  type Journaled,
  RELIABLE_QUEUE_BYTES_MAX,
  RELIABLE_SEND_DEFAULTS,
  RELIABLE_SEND_RULES,
  type ReliableSendOptions,
  type ResolvedReliableSend,
} from "../reliable/reliable-options.ts";
import type { DeadLetters } from "../reliable/sender/dead-letters.ts";
import { ReliableSender, type ReliableSenderOptions } from "../reliable/sender/reliable-sender.ts";
import type { Role } from "../role.ts";
import type { WaitOptions } from "../wait.ts";
import { explainSender, type Guarantee, type SenderSetting } from "./explain.ts";

/** Options of a plain {@link Push}, without those of the ack layer. */
export interface PlainPushOptions<T> extends ValueOptions<T> {
  /** A value known only at run time is allowed here; the socket is typed as plain then, since no more is certain. */
  readonly reliable?: boolean | undefined;
  /** Not allowed: a journal makes the socket reliable. */
  readonly journal?: undefined;
  /** The only level of a plain socket. */
  readonly confirm?: "queued" | undefined;
}

/** Options of a {@link ReliablePush}: `reliable: true`, or a `journal`. */
export type ReliablePushOptions<T> = ValueOptions<T> &
  ReliableSendOptions &
  (Acknowledged | Journaled);

/** Options of a {@link Push}. */
export type PushOptions<T> = PlainPushOptions<T> | ReliablePushOptions<T>;

/**
 * Distributes messages among the connected {@link Pull} sockets; each message goes to one of them.
 *
 * Promises: order on the way to each peer; round-robin distribution; bounded memory. Does not promise: delivery.
 * Messages that a peer held when it went away are lost. `send` resolves at `queued`. On the wire: ZeroMQ's PUSH, one
 * frame a message. With `reliable: true` or a `journal` it is a {@link ReliablePush}.
 *
 * @example
 * ```ts
 * const push = new Push<Job>();
 * await push.bind("tcp://127.0.0.1:5555");
 * await push.send({ path: "a.jpg" }); // waits while there is no room
 * ```
 *
 * @see docs/guarantees.md
 * @see docs/decisions/0078-plain-and-reliable-types.md
 */
export interface Push<T = unknown> extends TypedSocket {
  /**
   * Sends one message; waits while there is no room.
   *
   * @returns resolves when the message is in bounded memory
   * @throws BrokerlessError `BROKERLESS_CODEC`, `_SCHEMA`, `_TOO_LARGE`, `_CLOSED`, `_TIMEOUT`; TypeError for wrong
   * options or headers; or the signal's reason. Nothing is sent then.
   */
  send(value: T, options?: PlainSendOptions): Promise<void>;
  /**
   * Accepts one message in memory, or returns `false` where `send` would wait.
   *
   * @throws as `send` rejects; TypeError for wrong options or headers, or an asynchronous schema
   */
  trySend(value: T, options?: TrySendOptions): boolean;
  /**
   * A stream in object mode that sends the values written to it, in order, and waits where `send` would. It finishes
   * when all of them have reached their confirm level or, at `queued`, when the socket has drained; the socket stays
   * open. A refused message ends the stream with that error. When the stream is destroyed, messages that still wait for
   * room are not sent.
   *
   * @example
   * ```ts
   * await pipeline(readJobs(), push.writable()); // of node:stream/promises; readJobs is any iterable
   * ```
   *
   * @throws TypeError for a wrong option; BrokerlessError `BROKERLESS_CLOSED`
   * @see docs/decisions/0064-streams.md
   */
  writable(options?: WritableOptions): Writable;
  /**
   * The guarantees of this configuration: for each kind of failure, which messages are lost, duplicated or reordered.
   *
   * @see docs/guarantees.md
   */
  explain(): readonly Guarantee[];
}

/**
 * A {@link Push} with an ack layer: a message is kept, and delivered again where necessary, until a receiver has
 * acknowledged it, for as long as this process lives; with `journal` also after a restart. Receivers must be reliable
 * too.
 *
 * @example
 * ```ts
 * const push = new Push<Job>({ journal: await FileJournal.open("outbox") });
 * await push.bind("tcp://127.0.0.1:5555");
 * await push.send({ path: "a.jpg" }); // resolves when it is on disk
 * ```
 *
 * @see docs/guarantees.md
 * @see docs/durable-work.md
 */
export interface ReliablePush<T = unknown> extends Push<T> {
  /** The dead letters: messages that failed too often or were rejected. They can be listed, sent again or deleted. */
  readonly deadLetters: DeadLetters<T>;
  /**
   * Sends one message; waits while there is no room.
   *
   * @returns resolves at the confirm level of the options; default `queued`, with a journal `stored`
   * @throws BrokerlessError as a plain `send`; also `BROKERLESS_FULL`, `_NO_SPACE`, `_JOURNAL_FAILED`, `_DEAD_LETTER`,
   * `_DROPPED`, `_GAP`. Where the wait ends after the message was accepted, with `_TIMEOUT` or the signal's reason, the message
   * is still delivered.
   */
  send(value: T, options?: SendOptions): Promise<void>;
  /** As of a plain socket, with a confirm level and deduplication ids. */
  writable(options?: ReliableWritableOptions<T>): Writable;
}

/**
 * The constructor of {@link Push}. The options decide between plain and reliable, so it cannot be extended by a class.
 */
export interface PushConstructor {
  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  new <T = unknown>(options: ReliablePushOptions<T>): ReliablePush<T>;
  /**
   * @throws TypeError for an unknown option, a wrong type, a value out of range, or an option or confirm level of the
   * ack layer without it
   */
  new <T = unknown>(options?: PushOptions<T>): Push<T>;
  /** The prototype of both kinds, for `instanceof`. */
  readonly prototype: Push;
}

/** The send path of a {@link Push}: plain, or with an ack layer. */
interface PushWay<T> {
  send(value: T, key: null, options: SendOptions | undefined): Promise<void>;
  trySend(value: T, key: null, options: TrySendOptions | undefined): boolean;
  stats(): OutboundStats;
  drain(options: WaitOptions | undefined): Promise<void>;
  close(): void;
}

type Resolved = ResolvedCommon & ResolvedValue & ResolvedReliableSend;

/**
 * Both kinds in one class: members that a plain socket lacks throw a TypeError when a JavaScript program calls them.
 */
class PushSocket<T> extends TypedSocket implements ReliablePush<T> {
  readonly #way: PushWay<T>;
  readonly #reliable: ReliableSender<T> | null;
  readonly #setting: SenderSetting;

  constructor(options?: PushOptions<T>) {
    const resolved: Resolved = resolveOptions("Push", options, {
      rules: { ...COMMON_RULES, ...VALUE_RULES, ...RELIABLE_SEND_RULES },
      defaults: { ...COMMON_DEFAULTS, ...valueDefaults(), ...RELIABLE_SEND_DEFAULTS },
    });
    assertConsistent("Push", options, "journal");
    if (!resolved.reliable && resolved.journal === null) {
      assertNeedless("Push", options, { names: ONLY_RELIABLE, keeper: "journal" });
      assertPlainLevel("Push", resolved.confirm);
      super("push", resolved);
      this.#setting = { kind: "plain" };
      this.#reliable = null;
      this.#way = this.#plain(resolved);
      return;
    }
    const claim = new JournalClaim(resolved.journal, "the journal of a Push");
    const made: ReliableSenderOptions = {
      common: { ...resolved, queueBytesMax: options?.queueBytesMax ?? RELIABLE_QUEUE_BYTES_MAX },
      codec: resolved.codec,
      schema: resolved.schema,
      rules: resolved,
      onPeer: (type, peer, peers) => this.reportPeers(type, peer, peers),
      onDead: (dead) => this.events.emit("deadLetter", dead),
      onDropped: (range) => this.events.emit("dropped", range),
      onLost: (range) => this.events.emit("lost", range),
      onDiverged: (ranges) => this.events.emit("diverged", ranges),
      onError: (error: BrokerlessError) => this.report(error),
    };
    const sender = claim.make(() => new ReliableSender<T>(made));
    super((channel) => claim.hold(() => sender.open(channel)), resolved);
    const kind = resolved.journal === null ? "memory" : "journal";
    const { order } = resolved;
    this.#setting = { kind, order };
    this.#reliable = sender;
    this.#way = sender;
  }

  /** @throws TypeError without an ack layer, where there are no dead letters */
  get deadLetters(): DeadLetters<T> {
    if (this.#reliable !== null) return this.#reliable.deadLetters;
    throw new TypeError("deadLetters needs reliable: true, or a journal");
  }

  send(value: T, options?: SendOptions): Promise<void> {
    return this.#way.send(value, null, options);
  }

  trySend(value: T, options?: TrySendOptions): boolean {
    return this.#way.trySend(value, null, options);
  }

  writable(options?: ReliableWritableOptions<T>): Writable {
    const resolved = resolveReliableWritable("Push", options);
    const { highWaterMark, deduplicationId } = resolved;
    const level = resolved.confirm ?? this.#reliable?.confirm ?? "queued";
    if (this.#reliable === null && (level !== "queued" || deduplicationId !== null)) {
      throw new TypeError("Push: writable: confirm and deduplicationId need a reliable socket");
    }
    return this.openWritable({
      highWaterMark,
      level,
      send: (value, signal) => {
        const id = deduplicationId?.(value);
        return this.send(value, { confirm: level, deduplicationId: id, signal });
      },
    });
  }

  explain(): readonly Guarantee[] {
    return explainSender(this.#setting);
  }

  override stats(): SocketStats {
    return {
      ...NO_STATS,
      ...this.#way.stats(),
      peers: this.peerCount,
      connectionsRefused: this.connectionsRefused,
    };
  }

  protected override get role(): Role {
    return "Push";
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
      send: (message) => this.channel.send(message),
      sink: (writer) =>
        new AddressedFrameSink(writer, {
          peers: () => this.channel.peers,
          address: (frame) => frame,
        }),
      firstKey: null,
      onFailed: (error) => this.reportFailure(error),
      onRefused: (error) => this.report(error),
    });
  }
}

/** @see PushConstructor */
export const Push: PushConstructor = PushSocket as PushConstructor;

const ONLY_RELIABLE = Object.keys(RELIABLE_SEND_DEFAULTS).filter(
  (name) => name !== "reliable" && name !== "confirm",
);
