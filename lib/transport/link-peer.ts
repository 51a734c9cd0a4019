/** The other end of a connection, to which messages can be sent. */
export interface LinkPeer {
  /** The endpoint of the connection, for people. */
  readonly address: string;
  /** The name of the peer, safe to display; null until it has sent one. */
  name: string | null;
  /** Sends a message, in order, as soon as there is room; never throws, never waits. */
  send(parts: readonly Uint8Array[]): void;
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
