import type { MessageHeaders } from "../../batch/headers.ts";
import { type PeerId, peerIdOf } from "../../core/peer-id.ts";

/**
 * The context of a request that its handler gets beside the value.
 *
 * @example
 * ```ts
 * await replier.serve((path, { signal, headers }) => render(path, { signal, locale: headers.locale }));
 * ```
 */
export class RequestContext {
  /** The headers, from names to texts, as they were sent; empty where there were none. Frozen. */
  readonly headers: MessageHeaders;
  readonly #routingId: Buffer;
  readonly #beganMs: number = Date.now();
  readonly #leftMs: number;
  readonly #signal: () => AbortSignal;

  /**
   * @param routingId first frame of the request, as ZeroMQ delivers it
   * @param leftMs time after which its requester gives it up (milliseconds); infinite where that is not known
   */
  constructor(
    routingId: Buffer,
    headers: MessageHeaders,
    leftMs: number,
    signal: () => AbortSignal,
  ) {
    this.#routingId = routingId;
    this.headers = headers;
    this.#leftMs = leftMs;
    this.#signal = signal;
  }

  /** The peer that sent the request. Not proof of its identity. */
  get peer(): PeerId {
    return peerIdOf(this.#routingId);
  }

  /**
   * When the requester gives the request up, by this machine's clock at the beginning of the handler; `null` where the
   * peer is not a {@link Requester}.
   */
  get deadline(): Date | null {
    return this.#leftMs === Number.POSITIVE_INFINITY
      ? null
      : new Date(this.#beganMs + this.#leftMs);
  }

  /**
   * Aborts when the reply is of no use any more: the requester has given the request up, or its time limit has passed
   * (the reason is then a `BROKERLESS_TIMEOUT`), its connection has ended, or this socket closes.
   */
  get signal(): AbortSignal {
    return this.#signal();
  }
}
