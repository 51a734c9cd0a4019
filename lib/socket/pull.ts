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

/** Options of a plain {@link Pull}, which has nothing of the ack layer. */
export interface PlainPullOptions<T> extends ValueOptions<T> {
  /** Where it is known at run time only, what is made is typed as plain: no more is certain. */
  readonly reliable?: boolean | undefined;
  /** None: an inbox makes it reliable. */
  readonly inbox?: undefined;
}

/** Options of a {@link ReliablePull}: `reliable: true`, or an `inbox`. */
export type ReliablePullOptions<T> = ValueOptions<T> &
  ReliableReceiveOptions &
  (Acknowledged | Remembering);

/** Options of a {@link Pull}. */
export type PullOptions<T> = PlainPullOptions<T> | ReliablePullOptions<T>;

/**
 * Receives what the connected {@link Push} sockets hand out, fairly among them.
 *
 * Promises: order from each peer; a slow consumer holds back its senders. Not delivery: what was received and not
 * processed when the process dies, is lost. On the wire: ZeroMQ's PULL, one frame a message. With `reliable: true` or
 * an `inbox` it is a {@link ReliablePull}.
 *
 * Any number of loops, and of calls of `receive`, may take messages at the same time; each message goes to one of them.
 *
 * @see docs/guarantees.md
 */
export interface Pull<T = unknown> extends TypedSocket {
  /**
   * Takes one message. A call that gives up takes none.
   *
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason
   */
  receive(options?: WaitOptions): Promise<T>;
  /** One message at a time; ends when the socket is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T>;
  /** One message at a time, with its headers; ends when the socket is closed. */
  messages(): AsyncIterableIterator<Message<T>>;
  /** All messages of a frame at a time: the fast way. Ends when the socket is closed. */
  batches(): AsyncIterableIterator<T[]>;
  /**
   * Calls `handler` for every message, `concurrency` (default 1) at a time.
   *
   * @returns resolves when the socket is closed
   * @throws what `handler` threw: nobody can give the message again; TypeError for what is no function, or a wrong option
   */
  run(handler: (value: T, delivery: Delivery) => unknown, options?: RunOptions): Promise<void>;
  /** What this configuration promises: failures, and what is lost or duplicated by each. */
  explain(): readonly Guarantee[];
}

/**
 * A {@link Pull} with an ack layer: a message is acknowledged when it was processed, and comes again when it was not.
 * Loops acknowledge a message when they ask for the next, `run` when its handler resolves. No message comes twice while
 * this process and its sender live, but for retries; with `inbox` not after a restart either.
 *
 * @example
 * ```ts
 * const pull = new Pull<Job>({ reliable: true });
 * pull.connect("tcp://127.0.0.1:5555");
 * for await (const { path } of pull) await resize(path); // acknowledged when the next one is asked for
 * ```
 *
 * @see docs/guarantees.md
 */
export interface ReliablePull<T = unknown> extends Pull<T> {
  /**
   * Takes one message, which counts as processed when the next is asked for in this way, or at `drain`. So there is one
   * caller at a time: for several, use a loop for each, or `run` with `concurrency`. A call that gives up takes none.
   *
   * @throws TypeError while another call waits: nothing is taken, and nothing acknowledged
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason
   */
  receive(options?: WaitOptions): Promise<T>;
  /** One message at a time, with its headers, `seq`, `attempt` and `id`; acknowledged when the next is asked for. */
  messages(): AsyncIterableIterator<DeliveredMessage<T>>;
  /** One message at a time, which the caller ends with `ack`, `nack` or `reject`. */
  deliveries(): AsyncIterableIterator<ReliableDelivery<T>>;
  /**
   * Calls `handler` for every message, `concurrency` (default 1) at a time. A message whose handler throws is tried again,
   * after a back-off.
   *
   * @returns resolves when the socket is closed
   * @throws TypeError for what is no function, or a wrong option: no message is taken
   */
  run(
    handler: (value: T, delivery: ReliableDelivery<T>) => unknown,
    options?: RunOptions,
  ): Promise<void>;
}

/** Makes a {@link Pull}. Its options say which: so it cannot be extended by a class. */
export interface PullConstructor {
  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  new <T = unknown>(options: ReliablePullOptions<T>): ReliablePull<T>;
  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  new <T = unknown>(options?: PullOptions<T>): Pull<T>;
  /** Of all of them, for `instanceof`. */
  readonly prototype: Pull;
}

const PLAIN = Object.freeze({ attempt: 1, seq: 0, id: "", headers: NO_HEADERS });

/** The way into a {@link Pull}: plain, or with an ack layer. */
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

/** Both kinds in one: what is missing in a plain one is a TypeError when a JavaScript program calls it. */
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
      assertNeedless("Pull", options, ["prefetch", "prefetchBytesMax"]);
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
      onLost: (stream, seqFirst, seqLast) =>
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

/** What a plain socket knows of a message. */
function plainDelivery(headers: MessageHeaders): Delivery {
  return headers === NO_HEADERS ? PLAIN : { ...PLAIN, headers };
}

/** @see PullConstructor */
export const Pull: PullConstructor = PullSocket as PullConstructor;
