import { randomBytes } from "node:crypto";
import type { Writable } from "node:stream";
import { systemClock } from "../clock.ts";
import { type Peer, strangerAt } from "../core/events/peer.ts";
import type { PublisherEvents, SocketEvents } from "../core/events/socket-events.ts";
import { Turns } from "../core/queue/turns.ts";
import type { PlainSendOptions, TrySendOptions } from "../core/send-options.ts";
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
import { resolveWritable, type WritableOptions } from "../core/writable.ts";
import { integer, oneOf, resolveOptions } from "../options.ts";
import { decodeReport, MissedReports } from "../plain/gap/missed-report.ts";
import { type Counts, PacedCounts } from "../plain/gap/paced-counts.ts";
import { Outbound } from "../plain/outbound.ts";
import { NumberedTopics } from "../plain/round/numbered-topics.ts";
import { PUBLISHER_BYTES } from "../plain/round/order-frame.ts";
import { TopicFrameSink } from "../plain/round/topic-frame-sink.ts";
import { CensusClock } from "../plain/topic/census-clock.ts";
import { SubscriberCounter } from "../plain/topic/subscriber-counter.ts";
import { checkTopic } from "../plain/topic/topic-pattern.ts";
import type { Role } from "../role.ts";
import { sendWithRetry } from "../transport/send-with-retry.ts";
import type { WaitOptions } from "../wait.ts";

/** Topic names and the type of the values of each; template-literal names are allowed. */
export type TopicMap = object;
/** The topics of a map that can be published. */
export type TopicOf<Topics extends TopicMap> = keyof Topics & string;

/** Options of a {@link Publisher}. */
export interface PublisherOptions<Topics extends TopicMap>
  extends ValueOptions<Topics[TopicOf<Topics>]> {
  /**
   * Behaviour when ZeroMQ holds `peerFramesMax` frames for a subscriber: `"drop"` (default) drops the newest frames for
   * that subscriber, as PUB does, and what its subscribers report is counted (`messagesMissed`); `"wait"` holds back all subscribers until there is room.
   */
  readonly slowSubscribers?: "drop" | "wait" | undefined;
  /**
   * Most bytes of subscribed topics of one peer, all of them together, where peers pass through a gate; 16 peers may
   * reach it at the same time (bytes). Topics without a common prefix take 55 times as much memory. A peer with more is
   * cut off, and reported as an `error` event. Default 1 MiB.
   */
  readonly peerTopicBytesMax?: number | undefined;
}

/** The events that only a publisher has. A missing one does not compile. */
const OWN_EVENTS: Record<Exclude<keyof PublisherEvents, keyof SocketEvents>, true> = {
  subscribers: true,
  subscribe: true,
  unsubscribe: true,
  subscriberJoined: true,
  subscriberLeft: true,
};

interface Resolved extends ResolvedCommon, ResolvedValue {
  readonly slowSubscribers: "drop" | "wait";
  readonly peerTopicBytesMax: number;
}

/** Frames that ZeroMQ holds for each subscriber before it drops (count). */
const PEER_FRAMES = 1_000;
/** Default of `peerTopicBytesMax` (bytes). */
const PEER_TOPIC_BYTES = 2 ** 20;

/**
 * Sends every message to all {@link Subscriber} sockets that are subscribed to its topic.
 *
 * `ready({ peers })` counts subscribers whose subscriptions have arrived: messages published after it reach them, so
 * the first message is not lost.
 *
 * Promises: order over all topics. Does not promise: delivery. A subscriber that is away or too slow misses messages,
 * counts them and reports them: event `missed`. `publish` resolves at `queued`. On the wire: ZeroMQ's PUB, two frames a message: the topic, and a batch of values of
 * that topic; and now and then an order frame for subscribers of this package. Topics that change with each
 * value are regrouped.
 *
 * @example
 * ```ts
 * const publisher = new Publisher<{ trades: Trade }>();
 * await publisher.bind("tcp://127.0.0.1:5556");
 * await publisher.publish("trades", { price: 231.5, size: 100 });
 * ```
 *
 * @see docs/guarantees.md
 * @see docs/decisions/0005-knowing-subscribers.md
 */
export class Publisher<
  Topics extends TopicMap = Record<string, unknown>,
> extends TypedSocket<PublisherEvents> {
  readonly #outbound: Outbound<string>;
  readonly #census = new SubscriberCounter();
  readonly #censusClock = new CensusClock(systemClock, this.#census, () => this.#count());
  readonly #topics = new NumberedTopics();
  /** The id of this life of the socket in its messages. */
  readonly #publisher = randomBytes(PUBLISHER_BYTES);
  readonly #reports = new MissedReports(this.#publisher.toString("hex"));
  readonly #missed = new PacedCounts(systemClock, (counts) => this.#tellMissed(counts));
  readonly #turns = new Turns();
  #subscribers = 0;

  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  constructor(options?: PublisherOptions<Topics>) {
    const resolved = resolveOptions<Resolved>("Publisher", options, {
      rules: {
        ...COMMON_RULES,
        ...VALUE_RULES,
        slowSubscribers: oneOf("drop", "wait"),
        peerTopicBytesMax: integer(1_024, 2 ** 30),
      },
      defaults: {
        ...COMMON_DEFAULTS,
        ...valueDefaults(),
        slowSubscribers: "drop",
        peerTopicBytesMax: PEER_TOPIC_BYTES,
      },
    });
    super("xpub", resolved, {
      peerFramesMax: PEER_FRAMES,
      topicBytesMax: resolved.peerTopicBytesMax,
      events: Object.keys(OWN_EVENTS),
    });
    const waits = resolved.slowSubscribers === "wait";
    if (waits) {
      this.channel.native.noDrop = true;
      this.channel.native.sendTimeout = 0;
    }
    this.#outbound = new Outbound<string>({
      common: resolved,
      codec: resolved.codec,
      schema: resolved.schema,
      send: waits
        ? (message) => sendWithRetry(this.channel, message)
        : (message) => this.channel.send(message),
      sink: (writer, limits) =>
        new TopicFrameSink({
          writer,
          limits,
          clock: systemClock,
          publisher: this.#publisher,
          topic: (topic) => this.#topics.get(topic),
          hasReaders: () => this.#census.hasAnnounced,
          gathers: resolved.batch !== false,
          keepsLate: waits,
        }),
      firstKey: "",
      call: "publish",
      onFailed: (error) => this.reportFailure(error),
      onRefused: (error) => this.report(error),
    });
    void this.#readSubscriptions();
  }

  /**
   * Publishes one message; waits while the queue is full.
   *
   * @param topic any well-formed text of 0 to 1,024 bytes that does not begin with a NUL. Patterns of subscribers see
   *   words between its dots; `*` and `#` have no meaning in it
   * @returns resolves when the message is in bounded memory
   * @throws TypeError for a malformed topic, wrong options or headers; BrokerlessError `BROKERLESS_CODEC`, `_SCHEMA`,
   * `_TOO_LARGE`, `_CLOSED`, `_TIMEOUT`; or the signal's reason. Nothing is published then.
   */
  publish<K extends TopicOf<Topics>>(
    topic: K,
    value: Topics[K],
    options?: PlainSendOptions,
  ): Promise<void> {
    try {
      if (!this.#topics.has(topic)) checkTopic(topic, "publish: topic");
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#outbound.send(value, topic, options);
  }

  /**
   * Like `publish`, but returns `false` where `publish` would wait.
   *
   * @throws as `publish` rejects; TypeError for an asynchronous schema
   */
  tryPublish<K extends TopicOf<Topics>>(
    topic: K,
    value: Topics[K],
    options?: TrySendOptions,
  ): boolean {
    checkTopic(topic, "tryPublish: topic");
    return this.#outbound.trySend(value, topic, options);
  }

  /**
   * A stream in object mode that publishes the values written to it under one topic, in order, and waits where
   * `publish` would. It finishes when all of them have been handed to ZeroMQ; the socket stays open. A refused message
   * ends the stream with that error. When the stream is destroyed, messages that still wait for room are not sent.
   *
   * @throws TypeError for a malformed topic or a wrong option; BrokerlessError `BROKERLESS_CLOSED`
   */
  writable<K extends TopicOf<Topics>>(topic: K, options?: WritableOptions): Writable {
    checkTopic(topic, "writable: topic");
    const { highWaterMark } = resolveWritable("Publisher", options);
    const send = (value: Topics[K], signal: AbortSignal) => this.publish(topic, value, { signal });
    return this.openWritable({ highWaterMark, level: "queued", send });
  }

  override stats(): SocketStats {
    return {
      ...NO_STATS,
      ...this.#outbound.stats(),
      messagesMissed: this.#reports.missed,
      peers: this.peerCount,
      connectionsRefused: this.connectionsRefused,
    };
  }

  protected override get role(): Role {
    return "Publisher";
  }

  /**
   * The subscribers that have announced themselves, and each other connection as a peer without an id. ZeroMQ does not
   * report which address a subscriber used, and may report its connection after its announcement.
   */
  override peers(): readonly Peer[] {
    const connections = super.peers();
    const address = this.channel.peerAddress;
    const known = this.#census.list().map((each) => ({ address, ...each }));
    return [...known, ...connections.slice(known.length)];
  }

  /** Subscribers whose subscriptions have arrived (count). */
  protected override get peerCount(): number {
    return this.#census.count(this.channel.peers);
  }

  protected override flushAll(options: WaitOptions | undefined): Promise<void> {
    return this.#outbound.drain(options);
  }

  protected override stop(): void {
    this.#outbound.close();
    this.#censusClock.stop();
    this.#missed.stop();
  }

  protected override onPeerChange(type: "peer" | "peerLost", address: string): void {
    this.reportPeers(type, strangerAt(address), this.channel.peers);
    this.#count();
  }

  async #readSubscriptions(): Promise<void> {
    try {
      for (;;) {
        this.#onSubscription(await this.channel.receive());
        await this.channel.takeWaiting(this.#onSubscription, () => this.#turns.isOver);
        if (this.#turns.isOver) await this.#turns.next();
      }
    } catch (error) {
      if (!this.channel.closed) this.reportFailure(error);
    }
  }

  readonly #onSubscription = (parts: readonly Buffer[]): void => {
    const change = parts.length === 1 ? this.#census.read(parts[0]!) : null;
    if (change === null) return;
    if (change.type === "mark") this.#readReport(parts[0]!);
    if (change.type !== "mark") this.events.emit(change.type, { prefix: change.prefix });
    else if (change.came !== undefined) this.events.emit("subscriberJoined", change.came);
    else if (change.left !== undefined) this.events.emit("subscriberLeft", change.left);
    this.#censusClock.look();
    this.#count();
  };

  #count(): void {
    const count = this.peerCount;
    if (count === this.#subscribers) return;
    this.#subscribers = count;
    this.events.emit("subscribers", { count });
    this.checkReady();
  }

  /** Counts what a subscriber that has announced itself reports. */
  #readReport(message: Buffer): void {
    const report = decodeReport(message);
    if (report === null || this.#census.find(report.id) === null) return;
    const count = this.#reports.take(report, this.#outbound.stats().messagesSent);
    if (count > 0) this.#missed.add(report.id, count);
  }

  #tellMissed(counts: Counts): void {
    const total = this.#reports.missed;
    for (const [id, count] of counts) {
      const name = id === null ? null : (this.#census.find(id)?.name ?? null);
      this.events.emit("missed", { id, name, topic: null, count, total });
    }
  }
}
