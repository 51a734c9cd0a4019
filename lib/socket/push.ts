import { resolveOptions } from "../options.ts";
import type { WaitOptions } from "../wait.ts";
import {
  COMMON_DEFAULTS,
  COMMON_RULES,
  VALUE_RULES,
  type ValueOptions,
  valueDefaults,
} from "./options.ts";
import { Outbound, type SendOptions } from "./outbound.ts";
import { NO_STATS, type SocketStats, TypedSocket } from "./typed-socket.ts";

/** Options of a {@link Push}. */
export type PushOptions<T> = ValueOptions<T>;

/**
 * Hands messages out to the connected {@link Pull} sockets, in turn; each message goes to one of them.
 *
 * Promises: order on the way to one peer; even shares; bounded memory. Does not promise: delivery. What
 * a peer held when it went away is lost. While no peer is there, messages wait here.
 *
 * `send` resolves at `queued`. On the wire: ZeroMQ's PUSH, one frame a message.
 *
 * @see docs/guarantees.md
 */
export class Push<T = unknown> extends TypedSocket {
  readonly #outbound: Outbound<null>;

  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  constructor(options?: PushOptions<T>) {
    const resolved = resolveOptions("Push", options, {
      rules: { ...COMMON_RULES, ...VALUE_RULES },
      defaults: { ...COMMON_DEFAULTS, ...valueDefaults() },
    });
    super("push", resolved);
    this.#outbound = new Outbound({
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

  /**
   * Sends one message; waits while the queue is full.
   *
   * @returns resolves when the message is accepted
   * @throws BrokerlessError `BROKERLESS_CODEC`, `_SCHEMA`, `_TOO_LARGE`, `_CLOSED`, `_TIMEOUT`; or the
   * signal's reason. Nothing is sent then.
   */
  send(value: T, options?: SendOptions): Promise<void> {
    return this.#outbound.send(value, null, options);
  }

  /** Like `send`, but says `false` where `send` would wait. */
  trySend(value: T): boolean {
    return this.#outbound.trySend(value, null);
  }

  override stats(): SocketStats {
    return { ...NO_STATS, ...this.#outbound.stats(), peers: this.peers };
  }

  protected override flushAll(options: WaitOptions | undefined): Promise<void> {
    return this.#outbound.drain(options);
  }

  protected override stop(): void {
    this.#outbound.close();
  }
}
