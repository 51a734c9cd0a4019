/** A connection with requests that have no reply yet. */
export interface RequestingPeer {
  /** Its routing id as text. */
  readonly key: string;
  /** Whether the connection has ended: its routing id may belong to another connection now. */
  readonly isGone: boolean;
  /** Its requests without a reply (count). */
  readonly open: number;
  /** Whether it let its replies wait for the longest time, and has taken none since. */
  isDeaf: boolean;
}

interface Requesting {
  readonly key: string;
  isGone: boolean;
  isDeaf: boolean;
  /** Its requests without a reply (count). */
  open: number;
}

/**
 * The peers of a ROUTER that wait for replies, by routing id. A peer chooses its id, and ZeroMQ's own ids can be
 * guessed. So the id alone does not prove that its present holder made the request.
 *
 * Pure. Remembers only peers with open requests.
 */
export class RequestingPeers {
  readonly #requesting = new Map<string, Requesting>();

  /** Connections that have open requests (count). */
  get count(): number {
    return this.#requesting.size;
  }

  /** The connection with this routing id; null where it has no open requests. */
  find(routingId: Buffer): RequestingPeer | null {
    return this.#requesting.get(routingId.toString("latin1")) ?? null;
  }

  /** Registers a request. Its reply must {@link end} it. */
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

  /** To be called when the request has its reply, or no longer needs one. */
  end(peer: RequestingPeer): void {
    const requesting = peer as Requesting;
    requesting.open -= 1;
    if (requesting.open === 0 && !requesting.isGone) this.#requesting.delete(requesting.key);
  }

  /**
   * To be called when the connection with this routing id has ended.
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
