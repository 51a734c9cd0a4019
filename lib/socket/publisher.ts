import { oneOf, resolveOptions } from "../options.ts";
import { patientSend } from "../transport/patient-send.ts";
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
import { NO_STATS, type SocketStats } from "./socket-stats.ts";
import { SubscriberCensus } from "./subscriber-census.ts";
import { checkTopic } from "./topic-pattern.ts";
import { type SocketEvents, TypedSocket } from "./typed-socket.ts";

/** Topic names and the type of the values under each; template-literal names are welcome. */
export type TopicMap = object;
/** The topics of a map that can be published. */
export type TopicOf<Topics extends TopicMap> = keyof Topics & string;

/** Options of a {@link Publisher}. */
export interface PublisherOptions<Topics extends TopicMap>
  extends ValueOptions<Topics[TopicOf<Topics>]> {
  /**
   * What happens when ZeroMQ holds `peerFramesMax` frames for a subscriber: `"drop"` (default) drops the
   * newest for that subscriber, silently, as PUB does; `"wait"` holds all back until there is room.
   */
  readonly slowSubscribers?: "drop" | "wait" | undefined;
}

/** What a publisher tells of itself. */
export interface PublisherEvents extends SocketEvents {
  /** How many subscribers will get what is published from now on, after a change. */
  readonly subscribers: { readonly count: number };
  /** A subscription arrived; the prefix is what ZeroMQ filters by. */
  readonly subscribe: { readonly prefix: string };
  readonly unsubscribe: { readonly prefix: string };
}

interface Resolved extends ResolvedCommon, ResolvedValue {
  readonly slowSubscribers: "drop" | "wait";
}

/** Frames that ZeroMQ holds for each subscriber: dropping is the alternative (count). */
const PEER_FRAMES = 1_000;
/** Topics whose bytes are remembered; the memory starts afresh beyond it (count). */
const TOPICS_MAX = 4_096;

/**
 * Sends every message to all {@link Subscriber} sockets that asked for its topic.
 *
 * `ready({ peers })` counts subscribers whose subscriptions have arrived: what is published after it
 * reaches them, so the first message is not lost.
 *
 * Promises: order over all topics. Does not promise: delivery. A subscriber that is away, or too slow,
 * misses messages. `publish` resolves at `queued`. On the wire: ZeroMQ's PUB, two frames a message:
 * the topic, and a batch of values of that topic.
 *
 * @see docs/guarantees.md
 */
export class Publisher<
  Topics extends TopicMap = Record<string, unknown>,
> extends TypedSocket<PublisherEvents> {
  readonly #outbound: Outbound<string>;
  readonly #census = new SubscriberCensus();
  readonly #topics = new Map<string, Buffer>();
  #subscribers = 0;

  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  constructor(options?: PublisherOptions<Topics>) {
    const resolved = resolveOptions<Resolved>("Publisher", options, {
      rules: { ...COMMON_RULES, ...VALUE_RULES, slowSubscribers: oneOf("drop", "wait") },
      defaults: { ...COMMON_DEFAULTS, ...valueDefaults(), slowSubscribers: "drop" },
    });
    super("xpub", resolved, { peerFramesMax: PEER_FRAMES });
    const waits = resolved.slowSubscribers === "wait";
    if (waits) {
      this.channel.native.noDrop = true;
      this.channel.native.sendTimeout = 0;
    }
    this.#outbound = new Outbound<string>({
      common: resolved,
      codec: resolved.codec,
      schema: resolved.schema,
      peers: () => 1,
      send: waits
        ? (message) => patientSend(this.channel, message)
        : (message) => this.channel.send(message),
      address: (frame, topic) => [this.#topicBytes(topic), frame],
      firstKey: "",
      onFailed: (error) => this.reportFailure(error),
      onRefused: (error) => this.report(error),
    });
    void this.#readSubscriptions();
  }

  /**
   * Publishes one message; waits while the queue is full.
   *
   * @param topic words between dots, at most 1,024 bytes
   * @throws TypeError for a malformed topic; BrokerlessError `BROKERLESS_CODEC`, `_SCHEMA`, `_TOO_LARGE`,
   * `_CLOSED`, `_TIMEOUT`; or the signal's reason. Nothing is published then.
   */
  publish<K extends TopicOf<Topics>>(
    topic: K,
    value: Topics[K],
    options?: SendOptions,
  ): Promise<void> {
    try {
      if (!this.#topics.has(topic)) checkTopic(topic, "publish: topic");
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#outbound.send(value, topic, options);
  }

  /** Like `publish`, but says `false` where `publish` would wait. */
  tryPublish<K extends TopicOf<Topics>>(topic: K, value: Topics[K]): boolean {
    checkTopic(topic, "tryPublish: topic");
    return this.#outbound.trySend(value, topic);
  }

  override stats(): SocketStats {
    return { ...NO_STATS, ...this.#outbound.stats(), peers: this.peers };
  }

  /** Subscribers whose subscriptions have arrived. */
  protected override get peers(): number {
    return this.#census.count(this.channel.peers);
  }

  protected override flushAll(options: WaitOptions | undefined): Promise<void> {
    return this.#outbound.drain(options);
  }

  protected override stop(): void {
    this.#outbound.close();
  }

  protected override onPeerChange(type: "peer" | "peerLost", address: string): void {
    this.reportPeers(type, address, this.channel.peers);
    this.#count();
  }

  async #readSubscriptions(): Promise<void> {
    try {
      for (;;) {
        const parts = await this.channel.receive();
        const change = parts.length === 1 ? this.#census.read(parts[0]!) : null;
        if (change === null) continue;
        if (change.type !== "mark") this.events.emit(change.type, { prefix: change.prefix });
        this.#count();
      }
    } catch (error) {
      if (!this.channel.closed) this.reportFailure(error);
    }
  }

  #count(): void {
    const count = this.peers;
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
