/** What happened to a peer, for those who listen. */
export interface PeerChange {
  readonly type: "peer" | "peerLost";
  /** The endpoint over which it came: of a bound socket our own, of a connected one the peer's. */
  readonly address: string;
  /** Peers connected after the change (count). */
  readonly peers: number;
}

/** Connections of one endpoint, by how far they have come (counts). */
interface Endpoint {
  /** Handshake under way. */
  begun: number;
  connected: number;
  /** Handshake failed, end still to be reported. */
  failed: number;
}

/**
 * Counts the peers that have completed the handshake, from monitor events.
 *
 * libzmq reports the end of every connection and tells connections apart by the endpoint alone; of some
 * failed handshakes (a wrong socket type, no ZMTP at all) it reports nothing but the end. So an end is
 * taken for that of a failed connection while one is known, else of one whose handshake is under way,
 * else of a peer. A guess that was wrong shows when more handshakes settle than were under way, and is
 * put right then. Pure. Invariant: `count` is the sum of all endpoints, and never negative; when no
 * handshake is under way, it is the number of open connections.
 */
export class PeerCount {
  readonly #onChange: (change: PeerChange) => void;
  readonly #endpoints = new Map<string, Endpoint>();
  #count = 0;

  constructor(onChange: (change: PeerChange) => void) {
    this.#onChange = onChange;
  }

  /** Peers connected now (count). */
  get count(): number {
    return this.#count;
  }

  /**
   * A connection was made; its handshake is under way.
   *
   * @param only whether the endpoint has one connection at a time, so that an earlier one is no more
   */
  began(address: string, only: boolean): void {
    const endpoint = this.#endpoint(address);
    endpoint.begun = only ? 1 : endpoint.begun + 1;
    if (only) endpoint.failed = 0;
  }

  /**
   * A handshake with a peer was completed.
   *
   * @param only whether the endpoint has one connection at a time: then a second handshake without an
   * end belongs to a connection that was given up and made again
   */
  joined(address: string, only: boolean): void {
    const endpoint = this.#endpoint(address);
    if (only) endpoint.failed = 0;
    if (only && endpoint.connected > 0) {
      endpoint.begun = 0;
      return;
    }
    endpoint.connected += 1;
    this.#count += 1;
    this.#onChange({ type: "peer", address, peers: this.#count });
    this.#settled(address, endpoint);
  }

  /** A handshake failed; the end of that connection is still to be reported. */
  failed(address: string): void {
    const endpoint = this.#endpoint(address);
    endpoint.failed += 1;
    this.#settled(address, endpoint);
  }

  /** A connection ended, whether its handshake had been completed or not. */
  ended(address: string): void {
    const endpoint = this.#endpoint(address);
    if (endpoint.failed > 0) endpoint.failed -= 1;
    else if (endpoint.begun > 0) endpoint.begun -= 1;
    else this.#lost(address, endpoint);
    this.#tidy(address, endpoint);
  }

  /** We gave the endpoint up ourselves: libzmq reports no ends for it. */
  forget(address: string): void {
    const endpoint = this.#endpoint(address);
    this.#endpoints.delete(address);
    while (endpoint.connected > 0) this.#lost(address, endpoint);
  }

  /** One handshake less is under way; where none was, an end was blamed on it that was a peer's. */
  #settled(address: string, endpoint: Endpoint): void {
    if (endpoint.begun > 0) endpoint.begun -= 1;
    else this.#lost(address, endpoint);
    this.#tidy(address, endpoint);
  }

  #lost(address: string, endpoint: Endpoint): void {
    if (endpoint.connected === 0) return;
    endpoint.connected -= 1;
    this.#count -= 1;
    this.#onChange({ type: "peerLost", address, peers: this.#count });
  }

  #tidy(address: string, { begun, connected, failed }: Endpoint): void {
    if (begun + connected + failed === 0) this.#endpoints.delete(address);
  }

  #endpoint(address: string): Endpoint {
    let endpoint = this.#endpoints.get(address);
    if (endpoint === undefined) {
      endpoint = { begun: 0, connected: 0, failed: 0 };
      this.#endpoints.set(address, endpoint);
    }
    return endpoint;
  }
}
