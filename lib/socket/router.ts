import type { MessageHeaders } from "../batch/headers.ts";
import { systemClock } from "../clock.ts";
import { type PeerId, peerIdOf, routingIdOf, shownPeer } from "../core/peer-id.ts";
import type { PlainSendOptions } from "../core/send-options.ts";
import {
  COMMON_DEFAULTS,
  COMMON_RULES,
  type ResolvedCommon,
  type ResolvedTwoWay,
  TWO_WAY_RULES,
  type TwoWayOptions,
  twoWayDefaults,
} from "../core/socket-options.ts";
import { NO_STATS, type SocketStats } from "../core/socket-stats.ts";
import { TypedSocket } from "../core/typed-socket.ts";
import { BrokerlessError } from "../errors.ts";
import { resolveOptions } from "../options.ts";
import { bodyBehind, type Envelope, Inbound } from "../plain/inbound.ts";
import { Route } from "../plain/route.ts";
import { Routes } from "../plain/routes.ts";
import type { Role } from "../role.ts";
import { errnoOf } from "../transport/native/errno.ts";
import { sendWithRetry } from "../transport/send-with-retry.ts";
import { quiet, type WaitOptions } from "../wait.ts";

/** Options of a {@link Router}. `queueBytesMax` applies to each peer; default 4 MiB. */
export type RouterOptions<Out, In> = TwoWayOptions<Out, In>;

/** A received message and the id of its sender. */
export interface Routed<In> {
  /** The sender, and the address for a message back. */
  readonly peer: PeerId;
  /** The value that was sent. */
  readonly value: In;
  /** The headers, from names to texts, as they were sent; empty where there were none. Frozen. */
  readonly headers: MessageHeaders;
}

/** Default of `queueBytesMax`, for each peer (bytes). */
const PEER_QUEUE_BYTES = 4 * 2 ** 20;

/**
 * Receives from many peers and sends to each by its id: the usual peer of {@link Dealer} sockets.
 *
 * `send` to a peer that is not connected rejects with `BROKERLESS_UNROUTABLE`. When a peer disconnects, messages
 * accepted for it and not yet handed to ZeroMQ are dropped, counted, and reported as an `error` event.
 *
 * Promises: order to and from each peer; a stuck peer holds back only its own messages. Does not promise: delivery. On
 * the wire: ZeroMQ's ROUTER, the peer's id and one frame a message.
 *
 * @example
 * ```ts
 * const router = new Router<string, string>();
 * await router.bind("tcp://127.0.0.1:5558");
 * for await (const { peer, value } of router) await router.send(peer, value.toUpperCase());
 * ```
 *
 * @see docs/guarantees.md
 */
export class Router<Out = unknown, In = Out> extends TypedSocket {
  readonly #resolved: ResolvedCommon & ResolvedTwoWay;
  readonly #inbound: Inbound<Routed<In>>;
  readonly #routes = new Routes<Route>(systemClock);

  /** @throws TypeError for an unknown option, a wrong type or a value out of range */
  constructor(options?: RouterOptions<Out, In>) {
    const resolved = resolveOptions("Router", options, {
      rules: { ...COMMON_RULES, ...TWO_WAY_RULES },
      defaults: { ...COMMON_DEFAULTS, ...twoWayDefaults(), queueBytesMax: PEER_QUEUE_BYTES },
    });
    super("router", resolved, { partsMax: 2 });
    this.#resolved = resolved;
    this.#inbound = new Inbound<Routed<In>>({
      common: resolved,
      codec: resolved.codec,
      schema: resolved.receiveSchema,
      receive: () => this.channel.receive(),
      open: openRouted<In>,
      onRefused: (error) => this.report(error),
      // Once, without waiting: a peer that does not read its messages need not get it.
      onStray: ([id], refusal) => void quiet(this.channel.send([id!, refusal])),
    });
  }

  /**
   * Sends one message to one peer; waits while that peer's queue is full.
   *
   * @param peer the `peer` of a received message
   * @returns resolves when the message is in bounded memory; the first one to a peer, when ZeroMQ has accepted it
   * @throws BrokerlessError `BROKERLESS_UNROUTABLE` when no such peer is connected, `_CODEC`, `_SCHEMA`, `_TOO_LARGE`,
   * `_CLOSED`, `_TIMEOUT`; or the signal's reason. TypeError for a malformed peer id, wrong options or headers.
   */
  send(peer: PeerId, value: Out, options?: PlainSendOptions): Promise<void> {
    try {
      this.assertOpen();
      return (this.#routes.get(peer) ?? this.#open(peer)).send(value, options);
    } catch (error) {
      return quiet(Promise.reject(error));
    }
  }

  /**
   * Receives one message. A call that ends with an error takes none.
   *
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason
   */
  receive(options?: WaitOptions): Promise<Routed<In>> {
    return this.#inbound.inbox.receive(options);
  }

  /** Iterates over single messages; ends when the socket is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Routed<In>> {
    return this.#inbound.inbox.values();
  }

  /**
   * Iterates over frames, each as the array of its messages, which came from one peer. Ends when the socket is closed.
   */
  batches(): AsyncIterableIterator<Routed<In>[]> {
    return this.#inbound.inbox.batches();
  }

  override stats(): SocketStats {
    return {
      ...NO_STATS,
      ...this.#routes.stats(),
      ...this.#inbound.stats(),
      peers: this.peerCount,
      connectionsRefused: this.connectionsRefused,
    };
  }

  protected override get role(): Role {
    return "Router";
  }

  protected override async flushAll(options: WaitOptions | undefined): Promise<void> {
    await Promise.all(this.#routes.all().map((route) => route.outbound.drain(options)));
  }

  protected override stop(): void {
    this.#inbound.inbox.close();
    this.#routes.close();
    for (const route of this.#routes.all()) route.outbound.close();
  }

  #open(peer: PeerId): Route {
    const { codec, schema } = this.#resolved;
    const route: Route = new Route({
      id: routingIdOf(peer),
      common: this.#resolved,
      codec,
      schema,
      send: (message) => sendWithRetry(this.channel, message),
      onUnroutable: (cause, count) => this.#lose(peer, route, { cause, count }),
      onRefused: (error) => this.report(error),
    });
    this.#routes.add(peer, route);
    return route;
  }

  #lose(
    peer: PeerId,
    route: Route,
    { cause, count }: { readonly cause: unknown; readonly count: number },
  ): BrokerlessError {
    const gone = errnoOf(cause) === "EHOSTUNREACH" ? "no such peer is connected" : String(cause);
    const text = `cannot send ${count} message${count === 1 ? "" : "s"} to peer ${shownPeer(peer)}: ${gone}`;
    const error = new BrokerlessError("BROKERLESS_UNROUTABLE", text, { cause });
    this.report(error);
    // A peer that connects later under the same id gets a new route, behind the failing sends of this one.
    const { outbound } = route;
    if (outbound.stats().queuedMessages === 0 && !outbound.isChecking) {
      this.#routes.forget(peer, route);
    }
    return error;
  }
}

function openRouted<In>(parts: Buffer[]): Envelope<Routed<In>> {
  const peer = peerIdOf(parts[0]!);
  return bodyBehind(1, parts, (value, headers) => ({ peer, value: value as In, headers }));
}
