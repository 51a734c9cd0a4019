/**
 * A peer, as far as a socket can identify it. Id and name are the peer's own claims, and prove nothing.
 *
 * @see docs/decisions/0063-names-of-peers.md
 */
export interface Peer {
  /**
   * The address of its connection: of a bound socket the socket's own address, of a connected socket the peer's.
   * `"bound"` at a `Publisher`, or a socket with acknowledgements, that has several addresses: ZeroMQ does not report
   * which of them a peer used.
   */
  readonly address: string;
  /**
   * With acknowledgements: the peer's identity across connections (32 hex digits), of a sender the id of its stream.
   * With a journal or an inbox it stays the same across restarts too. Of a subscriber: a random text. Null where a
   * socket cannot know it.
   */
  readonly id: string | null;
  /** The peer's option `name`, without control characters; null where it has none, or the socket cannot know it. */
  readonly name: string | null;
}

/** The event of a peer that has connected or disconnected. */
export interface PeerEvent extends Peer {
  /** Peers that are connected after the event (count). */
  readonly peers: number;
}

/** A peer of which only the address is known. */
export function strangerAt(address: string): Peer {
  return { address, id: null, name: null };
}
