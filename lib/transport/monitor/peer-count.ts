/** A change of the connected peers. */
export interface PeerChange {
  readonly type: "peer" | "peerLost";
  /**
   * The endpoint of the connection: the socket's own for a bound socket, the peer's for a connected
   * one.
   */
  readonly address: string;
  /** Peers connected after the change (count). */
  readonly peers: number;
}

/** Connections at a bound endpoint, by state (counts). */
interface Bound {
  /** Handshake in progress. */
  begun: number;
  joined: number;
  /** Handshake failed, end of the connection not yet reported. */
  failed: number;
}

/**
 * Counts the peers that have completed the handshake, from monitor events.
 *
 * libzmq identifies connections by the endpoint alone. A connected endpoint has one connection at a
 * time: the latest report says whether it is up. (Reports of a connection that was released right
 * before the same address was connected again may arrive late, and are attributed to the new one,
 * which then reports its own state.)
 *
 * At a bound endpoint the end of every connection is reported, but for some failed handshakes (a
 * wrong socket type, no ZMTP at all) nothing else. So an end is attributed to a failed connection
 * if one is known, otherwise to one whose handshake is in progress, otherwise to a peer. A wrong
 * attribution shows when more handshakes settle than were in progress, and is corrected then.
 *
 * Pure. Invariant: `count` is the sum of all endpoints, and never negative; when no handshake is in
 * progress, it is the number of open connections.
 *
 * @see docs/decisions/0001-native-sockets.md
 */
export class PeerCount {
  readonly #onChange: (change: PeerChange) => void;
  readonly #bound = new Map<string, Bound>();
  /** Connected endpoints whose connection is up. */
  readonly #up = new Set<string>();
  #count = 0;

  constructor(onChange: (change: PeerChange) => void) {
    this.#onChange = onChange;
  }

  /** Peers connected now (count). */
  get count(): number {
    return this.#count;
  }

  /** The endpoint of each peer. */
  addresses(): string[] {
    const bound = [...this.#bound].flatMap(([address, { joined }]) => Array(joined).fill(address));
    return [...this.#up, ...bound];
  }

  /** Whether the connection to a connected endpoint is up. */
  isUp(address: string): boolean {
    return this.#up.has(address);
  }

  /** Connected: the handshake was completed. */
  up(address: string): void {
    if (this.#up.has(address)) return;
    this.#up.add(address);
    this.#gained(address);
  }

  /**
   * Connected: there is no connection. It has ended, its handshake has failed, or libzmq is about
   * to reconnect.
   */
  down(address: string): void {
    if (this.#up.delete(address)) this.#lost(address);
  }

  /** Bound: a connection arrived; its handshake is in progress. */
  began(address: string): void {
    this.#endpoint(address).begun += 1;
  }

  /** Bound: a handshake with a peer was completed. */
  joined(address: string): void {
    const endpoint = this.#endpoint(address);
    endpoint.joined += 1;
    this.#gained(address);
    this.#settled(address, endpoint);
  }

  /** Bound: a handshake failed; the end of that connection will still be reported. */
  failed(address: string): void {
    const endpoint = this.#endpoint(address);
    endpoint.failed += 1;
    this.#settled(address, endpoint);
  }

  /** Bound: a connection ended, whether its handshake had been completed or not. */
  ended(address: string): void {
    const endpoint = this.#endpoint(address);
    if (endpoint.failed > 0) endpoint.failed -= 1;
    else if (endpoint.begun > 0) endpoint.begun -= 1;
    else this.#left(address, endpoint);
    this.#tidy(address, endpoint);
  }

  /** The endpoint was released by this socket: libzmq reports no ends for it. */
  forget(address: string): void {
    this.down(address);
    const endpoint = this.#bound.get(address);
    this.#bound.delete(address);
    while (endpoint !== undefined && endpoint.joined > 0) this.#left(address, endpoint);
  }

  /**
   * Counts one handshake less as in progress; where none was, an end was wrongly attributed to it
   * instead of to a peer.
   */
  #settled(address: string, endpoint: Bound): void {
    if (endpoint.begun > 0) endpoint.begun -= 1;
    else this.#left(address, endpoint);
    this.#tidy(address, endpoint);
  }

  #left(address: string, endpoint: Bound): void {
    if (endpoint.joined === 0) return;
    endpoint.joined -= 1;
    this.#lost(address);
  }

  #gained(address: string): void {
    this.#count += 1;
    this.#onChange({ type: "peer", address, peers: this.#count });
  }

  #lost(address: string): void {
    this.#count -= 1;
    this.#onChange({ type: "peerLost", address, peers: this.#count });
  }

  #tidy(address: string, { begun, joined, failed }: Bound): void {
    if (begun + joined + failed === 0) this.#bound.delete(address);
  }

  #endpoint(address: string): Bound {
    let endpoint = this.#bound.get(address);
    if (endpoint === undefined) {
      endpoint = { begun: 0, joined: 0, failed: 0 };
      this.#bound.set(address, endpoint);
    }
    return endpoint;
  }
}
