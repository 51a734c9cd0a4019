import { type MessageHeaders, NO_HEADERS } from "../batch/headers.ts";
import type { Message } from "../core/queue/receive-queue.ts";
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
import type { BrokerlessError } from "../errors.ts";
import { resolveOptions } from "../options.ts";
import { bodyAlone, Inbound } from "../plain/inbound.ts";
import { JournalClaim } from "../reliable/journal-claim.ts";
import type { Delivery, ReliableDelivery } from "../reliable/receiver/delivery.ts";
import type { DeliveredMessage } from "../reliable/receiver/reliable-inbound.ts";
import { ReliableReceiver } from "../reliable/receiver/reliable-receiver.ts";
import {
  type Acknowledged,
  assertConsistent,
  assertNeedless,
  RELIABLE_RECEIVE_DEFAULTS,
  RELIABLE_RECEIVE_RULES,
  type ReliableReceiveOptions,
  type Remembering,
  type ResolvedReliableReceive,
} from "../reliable/reliable-options.ts";
import type { Role } from "../role.ts";
import type { WaitOptions } from "../wait.ts";
import { explainReceiver, type Guarantee } from "./explain.ts";

/** Options of a plain {@link Pull}, without those of the ack layer. */
export interface PlainPullOptions<T> extends ValueOptions<T> {
  /** A value known only at run time is allowed here; the socket is typed as plain then, since no more is certain. */
  readonly reliable?: boolean | undefined;
  /** Not allowed: an inbox makes the socket reliable. */
  readonly inbox?: undefined;
}

/** Options of a {@link ReliablePull}: `reliable: true`, or an `inbox`. */
export type ReliablePullOptions<T> = ValueOptions<T> &
  ReliableReceiveOptions &
  (Acknowledged | Remembering);

/** Options of a {@link Pull}. */
export type PullOptions<T> = PlainPullOptions<T> | ReliablePullOptions<T>;

/**
 * Receives the messages that the connected {@link Push} sockets distribute, fair-queued among them.
 *
 * Promises: order from each peer; a slow consumer holds back its senders. Does not promise: delivery. Messages received
 * and not yet processed are lost when the process dies. On the wire: ZeroMQ's PULL, one frame a message. With
 * `reliable: true` or an `inbox` it is a {@link ReliablePull}.
 *
 * Any number of loops and of calls of `receive` may take messages at the same time; each message goes to one of them.
 *
 * @example
 * ```ts
 * const pull = new Pull<Job>();
 * pull.connect("tcp://127.0.0.1:5555");
 * await pull.run(({ path }) => resize(path), { concurrency: 4 });
 * ```
 *
 * @see docs/guarantees.md
 * @see docs/decisions/0078-plain-and-reliable-types.md
 */
export interface Pull<T = unknown> extends TypedSocket {
  /**
   * Receives one message. A call that ends with an error takes none.
   *
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason
   */
  receive(options?: WaitOptions): Promise<T>;
  /** Iterates over single messages; ends when the socket is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T>;
  /** Iterates over single messages with their headers; ends when the socket is closed. */
  messages(): AsyncIterableIterator<Message<T>>;
  /** Iterates over frames, each as the array of its messages: the fast way. Ends when the socket is closed. */
  batches(): AsyncIterableIterator<T[]>;
  /**
   * Calls `handler` for every message, `concurrency` (default 1) at a time.
   *
   * @returns resolves when the socket is closed and the handler calls under way have ended
   * @throws the error that `handler` threw: its message cannot be delivered again; TypeError for a handler that is not
   * a function, or a wrong option; or the signal's reason
   */
  run(handler: (value: T, delivery: Delivery) => unknown, options?: RunOptions): Promise<void>;
  /**
   * The guarantees of this configuration: for each kind of failure, which messages are lost, duplicated or reordered.
   *
   * @see docs/guarantees.md
   */
  explain(): readonly Guarantee[];
}

/**
 * A {@link Pull} with an ack layer: a message is acknowledged when it has been processed, and delivered again when it
 * has not. Loops acknowledge a message when they take the next one, `run` when its handler resolves. While this process
 * and its sender live, no message is delivered twice, except for retries; with `inbox` this holds after a restart too.
 *
 * @example
 * ```ts
 * const pull = new Pull<Job>({ reliable: true });
 * pull.connect("tcp://127.0.0.1:5555");
 * for await (const { path } of pull) await resize(path); // acknowledged when the loop takes the next one
 * ```
 *
 * @see docs/guarantees.md
 * @see docs/durable-work.md
 */
export interface ReliablePull<T = unknown> extends Pull<T> {
  /**
   * Receives one message, which counts as processed when the next one is taken in this way, or at `drain`. So only one
   * call may wait at a time: for several consumers use a loop for each, or `run` with `concurrency`. A call that ends
   * with an error takes none.
   *
   * @throws TypeError while another call waits: nothing is taken, and nothing acknowledged
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason
   */
  receive(options?: WaitOptions): Promise<T>;
  /**
   * Iterates over single messages with headers, `seq`, `attempt` and `id`; each is acknowledged when the next one is
   * taken.
   */
  messages(): AsyncIterableIterator<DeliveredMessage<T>>;
  /**
   * Iterates over single messages that the caller settles with `ack`, `nack` or `reject`.
   *
   * @example
   * ```ts
   * for await (const delivery of pull.deliveries()) {
   *   try {
   *     await resize(delivery.value.path);
   *     delivery.ack();
   *   } catch (error) {
   *     delivery.nack({ error }); // retried after a back-off
   *   }
   * }
   * ```
   */
  deliveries(): AsyncIterableIterator<ReliableDelivery<T>>;
  /**
   * Calls `handler` for every message, `concurrency` (default 1) at a time. A message whose handler throws is retried
   * after a back-off.
   *
   * @returns resolves when the socket is closed and the handler calls under way have ended
   * @throws TypeError for a handler that is not a function, or a wrong option: no message is taken; or the signal's
   * reason
   */
  run(
    handler: (value: T, delivery: ReliableDelivery<T>) => unknown,
    options?: RunOptions,
  ): Promise<void>;
}

/**
 * The constructor of {@link Pull}. The options decide between plain and reliable, so it cannot be extended by a class.
 */
export interface PullConstructor {
  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  new <T = unknown>(options: ReliablePullOptions<T>): ReliablePull<T>;
  /**
   * @throws TypeError for an unknown option, a wrong type, a value out of range, or an option of the ack layer without
   * it
   */
  new <T = unknown>(options?: PullOptions<T>): Pull<T>;
  /** The prototype of both kinds, for `instanceof`. */
  readonly prototype: Pull;
}

const PLAIN = Object.freeze({ attempt: 1, seq: 0, id: "", headers: NO_HEADERS });

/** The receive path of a {@link Pull}: plain, or with an ack layer. */
interface PullWay<T> {
  receive(options: WaitOptions | undefined): Promise<T>;
  values(): AsyncIterableIterator<T>;
  messages(): AsyncIterableIterator<DeliveredMessage<T>>;
  batches(): AsyncIterableIterator<T[]>;
  run(handler: Handle<T>, options: RunOptions): Promise<void>;
  close(): void;
}

type Handle<T> = (value: T, delivery: ReliableDelivery<T>) => unknown;
type Resolved = ResolvedCommon & ResolvedValue & ResolvedReliableReceive;

/**
 * Both kinds in one class: members that a plain socket lacks throw a TypeError when a JavaScript program calls them.
 */
class PullSocket<T> extends TypedSocket implements ReliablePull<T> {
  readonly #way: PullWay<T>;
  readonly #kind: "plain" | "memory" | "inbox";
  readonly #inbound: Inbound<T> | null;
  readonly #reliable: ReliableReceiver<T> | null;

  constructor(options?: PullOptions<T>) {
    const resolved: Resolved = resolveOptions("Pull", options, {
      rules: { ...COMMON_RULES, ...VALUE_RULES, ...RELIABLE_RECEIVE_RULES },
      defaults: { ...COMMON_DEFAULTS, ...valueDefaults(), ...RELIABLE_RECEIVE_DEFAULTS },
    });
    assertConsistent("Pull", options, "inbox");
    if (!resolved.reliable && resolved.inbox === null) {
      assertNeedless("Pull", options, { names: ["prefetch", "prefetchBytesMax"], keeper: "inbox" });
      super("pull", resolved, { partsMax: 2 });
      this.#kind = "plain";
      const inbound = this.#plain(resolved);
      this.#inbound = inbound;
      this.#reliable = null;
      const { inbox } = inbound;
      this.#way = {
        receive: (wait) => inbox.receive(wait),
        values: () => inbox.values(),
        messages: () => inbox.messages() as AsyncIterableIterator<DeliveredMessage<T>>,
        batches: () => inbox.batches(),
        run: (handler, running) =>
          runEach(
            inbox.messages(),
            ({ value, headers }) => handler(value, plainDelivery(headers) as ReliableDelivery<T>),
            running,
          ),
        close: () => inbox.close(),
      };
      return;
    }
    const claim = new JournalClaim(resolved.inbox, "the inbox of a Pull");
    const receiver = new ReliableReceiver<T>({
      common: resolved,
      codec: resolved.codec,
      schema: resolved.schema,
      rules: resolved,
      onPeer: (type, peer, peers) => this.reportPeers(type, peer, peers),
      onRevoked: (stream, seqFirst, seqLast) =>
        this.events.emit("leaseLost", { stream, seqFirst, seqLast }),
      onDiverged: (ranges) => this.events.emit("diverged", ranges),
      onRetry: ({ id, attempt }, error) => this.events.emit("retry", { id, attempt, error }),
      onError: (error: BrokerlessError) => this.report(error),
    });
    super((channel) => claim.hold(() => receiver.open(channel)), resolved);
    this.#kind = resolved.inbox === null ? "memory" : "inbox";
    this.#inbound = null;
    this.#reliable = receiver;
    this.#way = receiver.inbound;
  }

  receive(options?: WaitOptions): Promise<T> {
    return this.#way.receive(options);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return this.#way.values();
  }

  messages(): AsyncIterableIterator<DeliveredMessage<T>> {
    return this.#way.messages();
  }

  batches(): AsyncIterableIterator<T[]> {
    return this.#way.batches();
  }

  /** @throws TypeError without an ack layer */
  deliveries(): AsyncIterableIterator<ReliableDelivery<T>> {
    if (this.#reliable !== null) return this.#reliable.inbound.deliveries();
    throw new TypeError("deliveries needs reliable: true, or an inbox");
  }

  async run(handler: Handle<T>, options: RunOptions = {}): Promise<void> {
    checkHandler("run", handler);
    await this.#way.run(handler, options);
  }

  explain(): readonly Guarantee[] {
    return explainReceiver(this.#kind);
  }

  override stats(): SocketStats {
    const received = this.#reliable?.stats() ?? this.#inbound?.stats();
    return {
      ...NO_STATS,
      ...received,
      peers: this.peerCount,
      connectionsRefused: this.connectionsRefused,
    };
  }

  protected override get role(): Role {
    return "Pull";
  }

  protected override async flushAll(): Promise<void> {
    await this.#reliable?.drain();
  }

  protected override stop(): void {
    this.#way.close();
  }

  #plain(resolved: Resolved): Inbound<T> {
    return new Inbound<T>({
      common: resolved,
      codec: resolved.codec,
      schema: resolved.schema,
      receive: () => this.channel.receive(),
      open: bodyAlone,
      onRefused: (error) => this.report(error),
    });
  }
}

/** The delivery of a message at a plain socket. */
function plainDelivery(headers: MessageHeaders): Delivery {
  return headers === NO_HEADERS ? PLAIN : { ...PLAIN, headers };
}

/** @see PullConstructor */
export const Pull: PullConstructor = PullSocket as PullConstructor;
