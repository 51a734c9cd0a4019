import type { Writable } from "node:stream";
import type { Message } from "../core/queue/receive-queue.ts";
import type { PlainSendOptions, TrySendOptions } from "../core/send-options.ts";
import {
  COMMON_DEFAULTS,
  COMMON_RULES,
  TWO_WAY_RULES,
  type TwoWayOptions,
  twoWayDefaults,
} from "../core/socket-options.ts";
import { NO_STATS, type SocketStats } from "../core/socket-stats.ts";
import { TypedSocket } from "../core/typed-socket.ts";
import { resolveWritable, type WritableOptions } from "../core/writable.ts";
import { resolveOptions } from "../options.ts";
import { AddressedFrameSink } from "../plain/frame-sink.ts";
import { bodyAlone, Inbound } from "../plain/inbound.ts";
import { Outbound } from "../plain/outbound.ts";
import type { Role } from "../role.ts";
import type { WaitOptions } from "../wait.ts";

/** Options of a {@link Dealer}. */
export type DealerOptions<Out, In> = TwoWayOptions<Out, In>;

/**
 * Sends to the connected peers round-robin and receives from all of them: an asynchronous requester without a fixed
 * pairing of request and reply, and the usual peer of a {@link Router}.
 *
 * Promises: order to and from each peer; round-robin distribution; bounded memory. Does not promise: delivery. `send`
 * resolves at `queued`. On the wire: ZeroMQ's DEALER, one frame a message.
 *
 * @example
 * ```ts
 * const dealer = new Dealer<string, string>();
 * dealer.connect("tcp://127.0.0.1:5558");
 * await dealer.send("hello");
 * console.log(await dealer.receive());
 * ```
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
    super("dealer", resolved, { partsMax: 2 });
    this.#outbound = new Outbound({
      common: resolved,
      codec: resolved.codec,
      schema: resolved.schema,
      send: (message) => this.channel.send(message),
      sink: (writer) =>
        new AddressedFrameSink(writer, {
          peers: () => this.channel.peers,
          address: (frame) => frame,
        }),
      firstKey: null,
      onFailed: (error) => this.reportFailure(error),
      onRefused: (error) => this.report(error),
    });
    this.#inbound = new Inbound<In>({
      common: resolved,
      codec: resolved.codec,
      schema: resolved.receiveSchema,
      receive: () => this.channel.receive(),
      open: bodyAlone,
      onRefused: (error) => this.report(error),
    });
  }

  /**
   * Sends one message to the next peer; waits while the queue is full.
   *
   * @returns resolves when the message is in bounded memory
   * @throws BrokerlessError `BROKERLESS_CODEC`, `_SCHEMA`, `_TOO_LARGE`, `_CLOSED`, `_TIMEOUT`; TypeError for wrong
   * options or headers; or the signal's reason. Nothing is sent then.
   */
  send(value: Out, options?: PlainSendOptions): Promise<void> {
    return this.#outbound.send(value, null, options);
  }

  /**
   * Like `send`, but returns `false` where `send` would wait.
   *
   * @throws as `send` rejects; TypeError for an asynchronous schema
   */
  trySend(value: Out, options?: TrySendOptions): boolean {
    return this.#outbound.trySend(value, null, options);
  }

  /**
   * A stream in object mode that sends the values written to it, in order, and waits where `send` would. It finishes
   * when all of them have been handed to ZeroMQ; the socket stays open. A refused message ends the stream with that
   * error. When the stream is destroyed, messages that still wait for room are not sent.
   *
   * @throws TypeError for a wrong option; BrokerlessError `BROKERLESS_CLOSED`
   */
  writable(options?: WritableOptions): Writable {
    const { highWaterMark } = resolveWritable("Dealer", options);
    const send = (value: Out, signal: AbortSignal) => this.send(value, { signal });
    return this.openWritable({ highWaterMark, level: "queued", send });
  }

  /**
   * Receives one message. A call that ends with an error takes none.
   *
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason
   */
  receive(options?: WaitOptions): Promise<In> {
    return this.#inbound.inbox.receive(options);
  }

  /** Iterates over single messages; ends when the socket is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<In> {
    return this.#inbound.inbox.values();
  }

  /** Iterates over single messages with their headers; ends when the socket is closed. */
  messages(): AsyncIterableIterator<Message<In>> {
    return this.#inbound.inbox.messages();
  }

  /** Iterates over frames, each as the array of its messages: the fast way. Ends when the socket is closed. */
  batches(): AsyncIterableIterator<In[]> {
    return this.#inbound.inbox.batches();
  }

  override stats(): SocketStats {
    return {
      ...NO_STATS,
      ...this.#outbound.stats(),
      ...this.#inbound.stats(),
      peers: this.peerCount,
      connectionsRefused: this.connectionsRefused,
    };
  }

  protected override get role(): Role {
    return "Dealer";
  }

  protected override flushAll(options: WaitOptions | undefined): Promise<void> {
    return this.#outbound.drain(options);
  }

  protected override stop(): void {
    this.#outbound.close();
    this.#inbound.inbox.close();
  }
}
