import { resolveOptions } from "../options.ts";
import type { WaitOptions } from "../wait.ts";
import { Inbound, onlyFrame } from "./inbound.ts";
import {
  COMMON_DEFAULTS,
  COMMON_RULES,
  TWO_WAY_RULES,
  type TwoWayOptions,
  twoWayDefaults,
} from "./options.ts";
import { Outbound, type SendOptions } from "./outbound.ts";
import { NO_STATS, type SocketStats } from "./socket-stats.ts";
import { TypedSocket } from "./typed-socket.ts";

/** Options of a {@link Dealer}. */
export type DealerOptions<Out, In> = TwoWayOptions<Out, In>;

/**
 * Sends to the connected peers in turn and receives from all of them: the free form of a requester, and
 * the usual peer of a {@link Router}.
 *
 * Promises: order to and from each peer; even shares; bounded memory. Does not promise: delivery.
 * `send` resolves at `queued`. On the wire: ZeroMQ's DEALER, one frame a message.
 *
 * @see docs/guarantees.md
 */
export class Dealer<Out = unknown, In = Out> extends TypedSocket {
  readonly #outbound: Outbound<null>;
  readonly #inbound: Inbound<In>;

  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  constructor(options?: DealerOptions<Out, In>) {
    const resolved = resolveOptions("Dealer", options, {
      rules: { ...COMMON_RULES, ...TWO_WAY_RULES },
      defaults: { ...COMMON_DEFAULTS, ...twoWayDefaults() },
    });
    super("dealer", resolved);
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
    this.#inbound = new Inbound<In>({
      common: resolved,
      codec: resolved.codec,
      schema: resolved.receiveSchema,
      receive: () => this.channel.receive(),
      open: onlyFrame,
      onRefused: (error) => this.report(error),
    });
  }

  /**
   * Sends one message to the next peer; waits while the queue is full.
   *
   * @throws BrokerlessError `BROKERLESS_CODEC`, `_SCHEMA`, `_TOO_LARGE`, `_CLOSED`, `_TIMEOUT`; or the
   * signal's reason. Nothing is sent then.
   */
  send(value: Out, options?: SendOptions): Promise<void> {
    return this.#outbound.send(value, null, options);
  }

  /** Like `send`, but says `false` where `send` would wait. */
  trySend(value: Out): boolean {
    return this.#outbound.trySend(value, null);
  }

  /**
   * Takes one message. A call that gives up takes none.
   *
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason
   */
  receive(options?: WaitOptions): Promise<In> {
    return this.#inbound.inbox.receive(options);
  }

  /** One message at a time; ends when the socket is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<In> {
    return this.#inbound.inbox.values();
  }

  /** All messages of a frame at a time: the fast way. Ends when the socket is closed. */
  batches(): AsyncIterableIterator<In[]> {
    return this.#inbound.inbox.batches();
  }

  override stats(): SocketStats {
    return {
      ...NO_STATS,
      ...this.#outbound.stats(),
      ...this.#inbound.stats(),
      peers: this.peers,
    };
  }

  protected override flushAll(options: WaitOptions | undefined): Promise<void> {
    return this.#outbound.drain(options);
  }

  protected override stop(): void {
    this.#outbound.close();
    this.#inbound.inbox.close();
  }
}
