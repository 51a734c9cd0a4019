import type { MessageHeaders } from "../batch/headers.ts";
import { systemClock } from "../clock.ts";
import type { ReceiveQueue } from "../core/queue/receive-queue.ts";
import { checkHandler, type RunOptions, runEach } from "../core/run.ts";
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
import { boolean, integer, resolveOptions } from "../options.ts";
import { FreshQueue } from "../plain/fresh/fresh-queue.ts";
import { Gaps } from "../plain/gap/gaps.ts";
import { hexOf, MissedReporter } from "../plain/gap/missed-reporter.ts";
import { type Counts, PacedCounts } from "../plain/gap/paced-counts.ts";
import { bodyBehind, type Envelope, Inbound } from "../plain/inbound.ts";
import { FrameOrder, isOrderFrame, PUBLISHER_BYTES } from "../plain/round/order-frame.ts";
import { RoundReader } from "../plain/round/round-reader.ts";
import { SubscriptionAnnouncer } from "../plain/topic/subscription-announcer.ts";
import { Subscriptions } from "../plain/topic/subscriptions.ts";
import { TopicPattern } from "../plain/topic/topic-pattern.ts";
import type { Role } from "../role.ts";
import type { WaitOptions } from "../wait.ts";
import type { TopicMap, TopicOf } from "./publisher.ts";

/** Options of a {@link Subscriber}. */
export interface SubscriberOptions<Topics extends TopicMap>
  extends ValueOptions<Topics[TopicOf<Topics>]> {
  /**
   * Whether a message is delivered only while it is the newest of its topic: a newer one takes its place, and it is
   * counted in `messagesConflated`. Topics are delivered in the order in which they changed first since their last
   * delivery. Default false.
   *
   * The socket reads all the time, until 16,384 topics or 32 MiB wait. Then it stops until the program takes some, and
   * its publishers drop, or wait, as for any slow subscriber.
   */
  readonly conflate?: boolean | undefined;
  /**
   * Longest time that a message may wait for the program (milliseconds, 1 to 2^31 - 1). One that has waited longer is not
   * delivered, but counted in `messagesExpired`. Default: no limit.
   *
   * The time counts from the moment at which the socket has read the message, which it does all the time, until 16,384
   * messages or 32 MiB wait. The clock of the publisher does not matter, nor the time on the way.
   *
   * @see docs/decisions/0083-missed-and-stale-messages.md
   */
  readonly maxAgeMs?: number | undefined;
}

/** The options of a subscriber, resolved. */
interface Resolved extends ResolvedCommon, ResolvedValue {
  readonly conflate: boolean;
  /** Null: no limit. */
  readonly maxAgeMs: number | null;
}

/** Longest `maxAgeMs`, that of a timer (milliseconds). */
const AGE_MS_MAX = 2 ** 31 - 1;

/** A received message with its topic, which determines the type of the value. */
export type Publication<Topics extends TopicMap> = {
  [K in TopicOf<Topics>]: {
    readonly topic: K;
    readonly value: Topics[K];
    /** The headers, from names to texts, as they were sent; empty where there were none. Frozen. */
    readonly headers: MessageHeaders;
  };
}[TopicOf<Topics>];

/** Frames that ZeroMQ holds for a slow consumer; beyond it the publisher's side fills (count). */
const PEER_FRAMES = 1_000;

/**
 * Receives the messages of the topics it has subscribed to, from all connected {@link Publisher} sockets.
 *
 * Promises: order from each publisher, over all its topics; only matching topics. Does not promise: delivery. Messages
 * published while it was away or too slow are missed, and counted when later ones of the same topic come: event
 * `missed`.
 *
 * @example
 * ```ts
 * const subscriber = new Subscriber<{ trades: Trade }>();
 * subscriber.subscribe("trades");
 * subscriber.connect("tcp://127.0.0.1:5556");
 * for await (const { topic, value } of subscriber) console.log(topic, value.price);
 * ```
 *
 * @see docs/guarantees.md
 */
export class Subscriber<Topics extends TopicMap = Record<string, unknown>> extends TypedSocket {
  readonly #inbound: Inbound<Publication<Topics>>;
  /** Where messages are replaced or become too old; null where they are not. */
  readonly #fresh: FreshQueue<Publication<Topics>> | null;
  readonly #inbox: FreshQueue<Publication<Topics>> | ReceiveQueue<Publication<Topics>>;
  readonly #subscriptions: Subscriptions;
  readonly #announcer: SubscriptionAnnouncer;
  readonly #rounds = new RoundReader<Publication<Topics>>({
    clock: systemClock,
    matches: (topic) => this.#subscriptions.match(topic),
    onFrame: (topic, order, count) => {
      if (order === null) this.#gaps.pass(topic, count);
      else this.#compare(order, count);
    },
  });
  readonly #gaps = new Gaps(systemClock);
  readonly #reporter: MissedReporter;
  readonly #missed = new PacedCounts(systemClock, (counts) => this.#tellMissed(counts));
  #missedCount = 0;
  #announcing = false;

  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  constructor(options?: SubscriberOptions<Topics>) {
    const resolved = resolveOptions<Resolved>("Subscriber", options, {
      rules: {
        ...COMMON_RULES,
        ...VALUE_RULES,
        conflate: boolean,
        maxAgeMs: integer(1, AGE_MS_MAX),
      },
      defaults: { ...COMMON_DEFAULTS, ...valueDefaults(), conflate: false, maxAgeMs: null },
    });
    super("sub", resolved, { peerFramesMax: PEER_FRAMES, partsMax: 4 });
    this.#announcer = new SubscriptionAnnouncer(this.channel.native, resolved.name);
    this.#reporter = new MissedReporter(this.channel.native, this.#announcer.id);
    this.#subscriptions = new Subscriptions(this.#announcer);
    this.#inbound = new Inbound<Publication<Topics>>({
      common: resolved,
      codec: resolved.codec,
      schema: resolved.schema,
      receive: () => this.channel.receive(),
      open: (parts) => this.#open(parts),
      reorder: (read) => this.#rounds.read(read),
      onRefused: (error) => this.report(error),
    });
    this.#fresh = this.#freshQueue(resolved);
    this.#inbox = this.#fresh ?? this.#inbound.inbox;
  }

  /**
   * Subscribes to topics. A pattern is words separated by dots, where `*` stands for one word and `#` for zero or more;
   * without either it matches exactly one topic.
   *
   * @example
   * ```ts
   * subscriber.subscribe("trades.*.eu"); // trades.energy.eu, not trades.eu
   * subscriber.subscribe("alerts.#"); // alerts, alerts.disk, alerts.disk.full
   * ```
   *
   * @throws TypeError for a malformed pattern; BrokerlessError `BROKERLESS_CLOSED`
   */
  subscribe(pattern: string): void {
    this.assertOpen();
    if (this.#subscriptions.add(pattern)) this.#announce();
  }

  /**
   * Cancels a subscription. A pattern that was not given to `subscribe` changes nothing.
   *
   * @throws BrokerlessError `BROKERLESS_CLOSED`
   */
  unsubscribe(pattern: string): void {
    this.assertOpen();
    if (!this.#subscriptions.remove(pattern)) return;
    this.#gaps.cancel(new TopicPattern(pattern));
    this.#announce();
  }

  /**
   * Receives one message. A call that ends with an error takes none.
   *
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason
   */
  receive(options?: WaitOptions): Promise<Publication<Topics>> {
    return this.#inbox.receive(options);
  }

  /** Iterates over single messages; ends when the socket is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Publication<Topics>> {
    return this.#inbox.values();
  }

  /**
   * Iterates over frames, each as the array of its messages; the frames of a round of several topics are one array. With
   * `conflate` or `maxAgeMs` an array has all messages that wait. Ends when the socket is closed.
   */
  batches(): AsyncIterableIterator<Publication<Topics>[]> {
    return this.#inbox.batches();
  }

  /**
   * Calls `handler` for every message, `concurrency` (default 1) at a time.
   *
   * @returns resolves when the socket is closed and the handler calls under way have ended
   * @throws the error that `handler` threw; TypeError for a handler that is not a function, or a wrong option; or the
   * signal's reason
   */
  async run(
    handler: (publication: Publication<Topics>) => unknown,
    options: RunOptions = {},
  ): Promise<void> {
    checkHandler("run", handler);
    await runEach(this.#inbox.values(), handler, options);
  }

  override stats(): SocketStats {
    return {
      ...NO_STATS,
      ...this.#inbound.stats(),
      messagesDropped: this.#rounds.dropped,
      messagesMissed: this.#missedCount,
      messagesConflated: this.#fresh?.replaced ?? 0,
      messagesExpired: this.#fresh?.expired ?? 0,
      peers: this.peerCount,
      connectionsRefused: this.connectionsRefused,
    };
  }

  protected override get role(): Role {
    return "Subscriber";
  }

  protected override flushAll(): Promise<void> {
    return Promise.resolve();
  }

  protected override stop(): void {
    this.#inbox.close();
    this.#missed.stop();
  }

  #freshQueue({ conflate, maxAgeMs }: Resolved): FreshQueue<Publication<Topics>> | null {
    if (!conflate && maxAgeMs === null) return null;
    const inbound = this.#inbound;
    return new FreshQueue<Publication<Topics>>({
      clock: systemClock,
      topicOf: conflate ? ({ topic }) => topic : null,
      maxAgeMs: maxAgeMs ?? Number.POSITIVE_INFINITY,
      async read() {
        const before = inbound.bytes;
        const { values } = await inbound.read();
        return { values, bytes: inbound.bytes - before };
      },
    });
  }

  #open(parts: Buffer[]): Envelope<Publication<Topics>> | null {
    const topic = parts[0]!.toString();
    const isOrdered = parts.length > 2 && isOrderFrame(parts.at(-1)!);
    const envelope = bodyBehind<Publication<Topics>>(
      1,
      isOrdered ? parts.slice(0, -1) : parts,
      (value, headers) => ({ topic, value, headers }) as Publication<Topics>,
      topic,
    );
    if (!this.#subscriptions.match(topic)) return null;
    if (isOrdered) envelope.order = new FrameOrder(parts.at(-1)!, topic);
    return envelope;
  }

  /** Counts what is missing between a message and the one of its topic before it. */
  #compare(order: FrameOrder, count: number | null): void {
    const missed = this.#gaps.take(order, count);
    if (missed === 0) return;
    this.#missedCount = Math.min(this.#missedCount + missed, Number.MAX_SAFE_INTEGER);
    this.#reporter.add(order.publisher, missed);
    this.#missed.add(order.publisher + order.topic, missed);
  }

  /** Emits what was missed, and reports it to the publishers. */
  #tellMissed(counts: Counts): void {
    const total = this.#missedCount;
    for (const [key, count] of counts) {
      const id = key === null ? null : hexOf(key.slice(0, PUBLISHER_BYTES));
      const topic = key === null ? null : key.slice(PUBLISHER_BYTES);
      this.events.emit("missed", { id, name: null, topic, count, total });
    }
    if (!this.channel.closed) this.#reporter.flush();
  }

  /** Sends publishers all changes of this turn together. */
  #announce(): void {
    if (this.#announcing) return;
    this.#announcing = true;
    queueMicrotask(() => {
      this.#announcing = false;
      if (!this.channel.closed) this.#announcer.flush();
    });
  }
}
