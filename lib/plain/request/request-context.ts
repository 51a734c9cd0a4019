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
  readonly #routingId: Buffer;
  /**
   * Aborts when the socket closes, since the reply can no longer be sent. It does not abort when the requester's time
   * limit has passed, which is not sent with the request. All requests of the socket share this one signal, with any
   * number of listeners: a handler must remove its listeners when it ends.
   */
  readonly signal: AbortSignal;
  /** The headers, from names to texts, as they were sent; empty where there were none. Frozen. */
  readonly headers: MessageHeaders;

  /** @param routingId first frame of the request, as ZeroMQ delivers it */
  constructor(routingId: Buffer, signal: AbortSignal, headers: MessageHeaders) {
    this.#routingId = routingId;
    this.signal = signal;
    this.headers = headers;
  }

  /** The peer that sent the request. Not proof of its identity. */
  get peer(): PeerId {
    return peerIdOf(this.#routingId);
  }
}
