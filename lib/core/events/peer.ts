/** A peer, as far as a socket knows it. What it says of itself is a claim, and proves nothing. */
export interface Peer {
  /**
   * The address over which it came: of a bound socket our own, of a connected one the peer's. `"bound"` at a socket
   * with acknowledgements that is bound to several: ZeroMQ does not say to which of them a peer came.
   */
  readonly address: string;
  /**
   * With acknowledgements: who it is across connections (32 hex digits), of a sender the id of its stream; with a
   * journal, or an inbox, across restarts too. Of a subscriber a random text. Null where a socket cannot know.
   */
  readonly id: string | null;
  /** Its option `name`, where it has one and the socket can know it; without control characters. */
  readonly name: string | null;
}

/** A peer came or went. */
export interface PeerEvent extends Peer {
  /** Peers that are there after that (count). */
  readonly peers: number;
}

/** A peer of which the address alone is known. */
export function strangerAt(address: string): Peer {
  return { address, id: null, name: null };
}
