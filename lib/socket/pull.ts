import type { BrokerlessError } from "../errors.ts";
import { resolveOptions } from "../options.ts";
import type { WaitOptions } from "../wait.ts";
import { Inbound, onlyFrame } from "./inbound.ts";
import {
  COMMON_DEFAULTS,
  COMMON_RULES,
  type ResolvedCommon,
  type ResolvedValue,
  VALUE_RULES,
  type ValueOptions,
  valueDefaults,
} from "./options.ts";
import type { Delivery, ReliableDelivery } from "./reliable/delivery.ts";
import { explainReceiver, type Guarantee } from "./reliable/explain.ts";
import {
  assertNeedless,
  RELIABLE_RECEIVE_DEFAULTS,
  RELIABLE_RECEIVE_RULES,
  type ReliableReceiveOptions,
  type ResolvedReliableReceive,
} from "./reliable/options.ts";
import { ReliableReceiver } from "./reliable/reliable-receiver.ts";
import { type RunOptions, runEach } from "./run.ts";
import { NO_STATS, type SocketStats } from "./socket-stats.ts";
import { TypedSocket } from "./typed-socket.ts";

/** Options of a {@link Pull}. */
export interface PullOptions<T> extends ValueOptions<T>, ReliableReceiveOptions {}

const PLAIN: Delivery = Object.freeze({ attempt: 1, seq: 0, id: "" });

/** The way into a {@link Pull}: plain, or with an ack layer. */
interface PullWay<T> {
  receive(options: WaitOptions | undefined): Promise<T>;
  values(): AsyncIterableIterator<T>;
  batches(): AsyncIterableIterator<T[]>;
  run(handler: Handle<T>, options: RunOptions): Promise<void>;
  close(): void;
}

type Handle<T> = (value: T, delivery: ReliableDelivery<T>) => unknown;
type Resolved = ResolvedCommon & ResolvedValue & ResolvedReliableReceive;

/**
 * Receives what the connected {@link Push} sockets hand out, fairly among them.
 *
 * Plain, it promises: order from each peer; a slow consumer holds back its senders. Not delivery: what was
 * received and not processed when the process dies, is lost. On the wire: ZeroMQ's PULL, one frame a message.
 *
 * With `reliable: true` a message is acknowledged when it was processed, and comes again when it was not:
 * loops acknowledge a message when they ask for the next, `run` when its handler resolves. No message
 * comes twice while this process lives; with `inbox` not after a restart either.
 *
 * Any number of loops and calls may take messages at the same time; each message goes to one of them.
 *
 * @see docs/guarantees.md
 */
export class Pull<T = unknown> extends TypedSocket {
  readonly #way: PullWay<T>;
  readonly #kind: "plain" | "memory" | "inbox";
  readonly #inbound: Inbound<T> | null;
  readonly #reliable: ReliableReceiver<T> | null;

  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  constructor(options?: PullOptions<T>) {
    const resolved: Resolved = resolveOptions("Pull", options, {
      rules: { ...COMMON_RULES, ...VALUE_RULES, ...RELIABLE_RECEIVE_RULES },
      defaults: { ...COMMON_DEFAULTS, ...valueDefaults(), ...RELIABLE_RECEIVE_DEFAULTS },
    });
    if (!resolved.reliable && resolved.inbox === null) {
      assertNeedless("Pull", options, ["prefetch", "prefetchBytesMax"]);
      super("pull", resolved);
      this.#kind = "plain";
      const inbound = this.#plain(resolved);
      this.#inbound = inbound;
      this.#reliable = null;
      const { inbox } = inbound;
      this.#way = {
        receive: (wait) => inbox.receive(wait),
        values: () => inbox.values(),
        batches: () => inbox.batches(),
        run: (handler, running) =>
          runEach(inbox.values(), (value) => handler(value, PLAIN as ReliableDelivery<T>), running),
        close: () => inbox.close(),
      };
      return;
    }
    const receiver = new ReliableReceiver<T>({
      common: resolved,
      codec: resolved.codec,
      schema: resolved.schema,
      rules: resolved,
      onPeer: (type, address, peers) => this.reportPeers(type, address, peers),
      onLost: (stream, seqFirst, seqLast) =>
        this.events.emit("leaseLost", { stream, seqFirst, seqLast }),
      onRetry: ({ id, attempt }, error) => this.events.emit("retry", { id, attempt, error }),
      onError: (error: BrokerlessError) => this.report(error),
    });
    super((channel) => receiver.open(channel), resolved);
    this.#kind = resolved.inbox === null ? "memory" : "inbox";
    this.#inbound = null;
    this.#reliable = receiver;
    this.#way = receiver.inbound;
  }

  /**
   * Takes one message. A call that gives up takes none. With an ack layer the message counts as processed
   * when the next is asked for in this way, or at `drain`.
   *
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason
   */
  receive(options?: WaitOptions): Promise<T> {
    return this.#way.receive(options);
  }

  /** One message at a time; ends when the socket is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return this.#way.values();
  }

  /** All messages of a frame at a time: the fast way. Ends when the socket is closed. */
  batches(): AsyncIterableIterator<T[]> {
    return this.#way.batches();
  }

  /**
   * One message at a time, which the caller answers for with `ack`, `nack` or `reject`.
   *
   * @throws TypeError without an ack layer
   */
  deliveries(): AsyncIterableIterator<ReliableDelivery<T>> {
    if (this.#reliable !== null) return this.#reliable.inbound.deliveries();
    throw new TypeError("deliveries needs reliable: true, or an inbox");
  }

  /**
   * Calls `handler` for every message, `concurrency` (default 1) at a time. With an ack layer a message
   * whose handler throws is tried again, after a rest.
   *
   * @returns resolves when the socket is closed
   * @throws without an ack layer, what `handler` threw: nobody can give the message again
   */
  run(handler: Handle<T>, options: RunOptions = {}): Promise<void> {
    return this.#way.run(handler, options);
  }

  /** What this configuration promises: failures, and what is lost or duplicated by each. */
  explain(): readonly Guarantee[] {
    return explainReceiver(this.#kind);
  }

  override stats(): SocketStats {
    const received = this.#reliable?.stats() ?? this.#inbound?.stats();
    return { ...NO_STATS, ...received, peers: this.peers };
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
      open: onlyFrame,
      onRefused: (error) => this.report(error),
    });
  }
}
