/** The other end of a connection, to which messages can be sent. */
export interface LinkPeer {
  /** The endpoint of the connection, for people. */
  readonly address: string;
  /** Whether it stands for all peers at a bound address: ZeroMQ decides which of them gets a message. */
  readonly isShared: boolean;
  /** The name of the peer, safe to display; null until it has sent one. */
  name: string | null;
  /**
   * Sends a message, in order, as soon as there is room; never throws, never waits.
   *
   * @param isData whether it counts for `isFull`; default: whether it has several frames
   */
  send(parts: readonly Uint8Array[], isData?: boolean): void;
  /**
   * Whether so much data waits for the peer that it must get no more until some of it has been
   * sent.
   */
  readonly isFull: boolean;
  /**
   * Calls back once when little data waits. Only the last callback is called, and none after the
   * peer is forgotten.
   */
  onRoom(call: () => void): void;
  /** Forgets the peer: unsent messages are dropped. */
  close(): void;
  /**
   * Marks the peer as one that nothing is expected of: once it has sent nothing for a second, and
   * has received its messages, it is forgotten. An outgoing connection stays.
   */
  forget(): void;
}
