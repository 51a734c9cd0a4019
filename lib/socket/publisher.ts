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
import { Outbound } from "../plain/outbound.ts";
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
   * that subscriber, silently, as PUB does; `"wait"` holds back all subscribers until there is room.
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
/** Most topics whose bytes are cached; beyond it the cache is cleared (count). */
const TOPICS_MAX = 4_096;

/**
 * Sends every message to all {@link Subscriber} sockets that are subscribed to its topic.
 *
 * `ready({ peers })` counts subscribers whose subscriptions have arrived: messages published after it reach them, so
 * the first message is not lost.
 *
 * Promises: order over all topics. Does not promise: delivery. A subscriber that is away or too slow misses messages.
 * `publish` resolves at `queued`. On the wire: ZeroMQ's PUB, two frames a message: the topic, and a batch of values of
 * that topic. Topics that change with each value are regrouped, with an order frame for subscribers of this package.
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
  readonly #topics = new Map<string, Buffer>();
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
          topicBytes: (topic) => this.#topicBytes(topic),
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

  #topicBytes(topic: string): Buffer {
    let bytes = this.#topics.get(topic);
    if (bytes === undefined) {
      if (this.#topics.size >= TOPICS_MAX) this.#topics.clear();
      bytes = Buffer.from(topic);
      this.#topics.set(topic, bytes);
    }
    return bytes;
  }
}
