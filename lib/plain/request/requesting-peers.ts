/** A connection on which requests came that have no reply yet. */
export interface RequestingPeer {
  /** Whether the connection has ended: whoever has its routing id now is another. */
  readonly isGone: boolean;
  /** Whether it was waited for in vain, and has taken no reply since. */
  isDeaf: boolean;
}

interface Requesting {
  readonly key: string;
  isGone: boolean;
  isDeaf: boolean;
  /** Requests of it without a reply (count). */
  open: number;
}

/**
 * The peers of a ROUTER that wait for replies, by routing id. A peer chooses its id, and ZeroMQ's own ids can be
 * guessed: so an id alone does not say that the one who has it is the one who made the request.
 *
 * Pure. As many are remembered as have open requests.
 */
export class RequestingPeers {
  readonly #requesting = new Map<string, Requesting>();

  /** Connections that have open requests (count). */
  get count(): number {
    return this.#requesting.size;
  }

  /** A request was read. Its reply must {@link end} it. */
  begin(routingId: Buffer): RequestingPeer {
    const key = routingId.toString("latin1");
    let requesting = this.#requesting.get(key);
    if (requesting === undefined) {
      requesting = { key, isGone: false, isDeaf: false, open: 0 };
      this.#requesting.set(key, requesting);
    }
    requesting.open += 1;
    return requesting;
  }

  /** The request has its reply, or nobody is there to get one. */
  end(peer: RequestingPeer): void {
    const requesting = peer as Requesting;
    requesting.open -= 1;
    if (requesting.open === 0 && !requesting.isGone) this.#requesting.delete(requesting.key);
  }

  /**
   * The connection that had this routing id has ended.
   *
   * @returns null where it has no open requests
   */
  lost(routingId: Buffer): RequestingPeer | null {
    const key = routingId.toString("latin1");
    const requesting = this.#requesting.get(key);
    if (requesting === undefined) return null;
    requesting.isGone = true;
    this.#requesting.delete(key);
    return requesting;
  }
}
