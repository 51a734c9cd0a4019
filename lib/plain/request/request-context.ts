import type { MessageHeaders } from "../../batch/headers.ts";
import { type PeerId, peerIdOf } from "../../core/peer-id.ts";

/** What a handler knows of a request beside its value. */
export class RequestContext {
  readonly #routingId: Buffer;
  /**
   * Aborts when the socket closes: nobody will get the reply. Not when the requester has given up, whose time limit does
   * not travel. It is one signal for all requests of the socket, with any number of listeners: those of a handler are to
   * be removed when it ends.
   */
  readonly signal: AbortSignal;
  /** Names to texts, as they were sent; empty where there were none. Frozen. */
  readonly headers: MessageHeaders;

  /** @param routingId first frame of the request, as ZeroMQ gives it */
  constructor(routingId: Buffer, signal: AbortSignal, headers: MessageHeaders) {
    this.#routingId = routingId;
    this.signal = signal;
    this.headers = headers;
  }

  /** Whose request it is. Not a proof of identity. */
  get peer(): PeerId {
    return peerIdOf(this.#routingId);
  }
}
