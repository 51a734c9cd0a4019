/** What happened to a peer, for those who listen. */
export interface PeerChange {
  readonly type: "peer" | "peerLost";
  /** The endpoint over which it came: of a bound socket our own, of a connected one the peer's. */
  readonly address: string;
  /** Peers connected after the change (count). */
  readonly peers: number;
}

/** Connections that came to a bound endpoint, by how far they have come (counts). */
interface Bound {
  /** Handshake under way. */
  begun: number;
  joined: number;
  /** Handshake failed, end still to be reported. */
  failed: number;
}

/**
 * Counts the peers that have completed the handshake, from monitor events.
 *
 * libzmq tells connections apart by the endpoint alone. A connected endpoint has one connection at a time:
 * the latest report says whether it stands. (Reports of a connection that was given up right before the
 * same address was connected again may come late, and are taken for the new one's; it then makes its own.)
 *
 * At a bound endpoint the end of every connection is reported, but of some failed handshakes (a wrong
 * socket type, no ZMTP at all) nothing else. So an end is taken for that of a failed connection while one
 * is known, else of one whose handshake is under way, else of a peer. A guess that was wrong shows when
 * more handshakes settle than were under way, and is put right then.
 *
 * Pure. Invariant: `count` is the sum of all endpoints, and never negative; when no handshake is under
 * way, it is the number of open connections.
 *
 * @see docs/decisions/0001-native-sockets.md
 */
export class PeerCount {
  readonly #onChange: (change: PeerChange) => void;
  readonly #bound = new Map<string, Bound>();
  /** Connected endpoints whose connection stands. */
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

  /** Whether the connection to a connected endpoint stands. */
  isUp(address: string): boolean {
    return this.#up.has(address);
  }

  /** Connected: the handshake was completed. */
  up(address: string): void {
    if (this.#up.has(address)) return;
    this.#up.add(address);
    this.#gained(address);
  }

  /** Connected: there is no connection. It has ended, its handshake has failed, or libzmq is going to dial again. */
  down(address: string): void {
    if (this.#up.delete(address)) this.#lost(address);
  }

  /** Bound: a connection came; its handshake is under way. */
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

  /** Bound: a handshake failed; the end of that connection is still to be reported. */
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

  /** We gave the endpoint up ourselves: libzmq reports no ends for it. */
  forget(address: string): void {
    this.down(address);
    const endpoint = this.#bound.get(address);
    this.#bound.delete(address);
    while (endpoint !== undefined && endpoint.joined > 0) this.#left(address, endpoint);
  }

  /** One handshake less is under way; where none was, an end was blamed on it that was a peer's. */
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
