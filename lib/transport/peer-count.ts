/** What happened to a peer, for those who listen. */
export interface PeerChange {
  readonly type: "peer" | "peerLost";
  /** The endpoint over which it came: of a bound socket our own, of a connected one the peer's. */
  readonly address: string;
  /** Peers connected after the change (count). */
  readonly peers: number;
}

/**
 * Counts the peers that have completed the handshake, from monitor events.
 *
 * libzmq reports the end of every connection, also of those that failed their handshake, and tells
 * them apart by the endpoint alone. So failures are remembered for each endpoint and swallow one end
 * each. Pure. Invariant: `count` is the sum of all endpoints, and never negative.
 */
export class PeerCount {
  readonly #onChange: (change: PeerChange) => void;
  readonly #endpoints = new Map<string, { connected: number; failed: number }>();
  #count = 0;

  constructor(onChange: (change: PeerChange) => void) {
    this.#onChange = onChange;
  }

  /** Peers connected now (count). */
  get count(): number {
    return this.#count;
  }

  /** A handshake with a peer was completed. */
  joined(address: string): void {
    this.#endpoint(address).connected += 1;
    this.#count += 1;
    this.#onChange({ type: "peer", address, peers: this.#count });
  }

  /** A handshake failed; the end of that connection is still to be reported. */
  failed(address: string): void {
    this.#endpoint(address).failed += 1;
  }

  /** A connection ended, whether its handshake had been completed or not. */
  ended(address: string): void {
    const endpoint = this.#endpoint(address);
    if (endpoint.failed > 0) endpoint.failed -= 1;
    else if (endpoint.connected > 0) {
      endpoint.connected -= 1;
      this.#lost(address);
    }
    if (endpoint.failed === 0 && endpoint.connected === 0) this.#endpoints.delete(address);
  }

  /** We gave the endpoint up ourselves: libzmq reports no ends for it. */
  forget(address: string): void {
    const connected = this.#endpoints.get(address)?.connected ?? 0;
    this.#endpoints.delete(address);
    for (let i = 0; i < connected; i++) this.#lost(address);
  }

  #lost(address: string): void {
    this.#count -= 1;
    this.#onChange({ type: "peerLost", address, peers: this.#count });
  }

  #endpoint(address: string): { connected: number; failed: number } {
    let endpoint = this.#endpoints.get(address);
    if (endpoint === undefined) {
      endpoint = { connected: 0, failed: 0 };
      this.#endpoints.set(address, endpoint);
    }
    return endpoint;
  }
}
