import { resolveOptions } from "../options.ts";
import type { WaitOptions } from "../wait.ts";
import { Inbound, onlyFrame } from "./inbound.ts";
import {
  COMMON_DEFAULTS,
  COMMON_RULES,
  VALUE_RULES,
  type ValueOptions,
  valueDefaults,
} from "./options.ts";
import { type RunOptions, runEach } from "./run.ts";
import { NO_STATS, type SocketStats, TypedSocket } from "./typed-socket.ts";

/** Options of a {@link Pull}. */
export type PullOptions<T> = ValueOptions<T>;

/** What is known of a message beside its value. */
export interface Delivery {
  /** How often the message was handed out, this time included; without an ack layer always 1. */
  readonly attempt: number;
}

const FIRST: Delivery = Object.freeze({ attempt: 1 });

/**
 * Receives what the connected {@link Push} sockets hand out, fairly among them.
 *
 * Promises: order from each peer; a slow consumer holds back its senders. Does not promise: delivery.
 * What was received and not processed when the process dies, is lost.
 *
 * Any number of loops and calls may take messages at the same time; each message goes to one of them.
 * On the wire: ZeroMQ's PULL, one frame a message.
 *
 * @see docs/guarantees.md
 */
export class Pull<T = unknown> extends TypedSocket {
  readonly #inbound: Inbound<T>;

  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  constructor(options?: PullOptions<T>) {
    const resolved = resolveOptions("Pull", options, {
      rules: { ...COMMON_RULES, ...VALUE_RULES },
      defaults: { ...COMMON_DEFAULTS, ...valueDefaults() },
    });
    super("pull", resolved);
    this.#inbound = new Inbound<T>({
      common: resolved,
      codec: resolved.codec,
      schema: resolved.schema,
      receive: () => this.channel.receive(),
      open: onlyFrame,
      onRefused: (error) => this.report(error),
    });
  }

  /**
   * Takes one message. A call that gives up takes none.
   *
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason
   */
  receive(options?: WaitOptions): Promise<T> {
    return this.#inbound.inbox.receive(options);
  }

  /** One message at a time; ends when the socket is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return this.#inbound.inbox.values();
  }

  /** All messages of a frame at a time: the fast way. Ends when the socket is closed. */
  batches(): AsyncIterableIterator<T[]> {
    return this.#inbound.inbox.batches();
  }

  /**
   * Calls `handler` for every message, `concurrency` (default 1) at a time.
   *
   * @returns resolves when the socket is closed
   * @throws what `handler` threw: without an ack layer nobody can give the message again
   */
  run(handler: (value: T, delivery: Delivery) => unknown, options: RunOptions = {}): Promise<void> {
    const items = this.#inbound.inbox.values();
    return runEach(items, (value) => handler(value, FIRST), options);
  }

  override stats(): SocketStats {
    return { ...NO_STATS, ...this.#inbound.stats(), peers: this.peers };
  }

  protected override flushAll(): Promise<void> {
    return Promise.resolve();
  }

  protected override stop(): void {
    this.#inbound.inbox.close();
  }
}
