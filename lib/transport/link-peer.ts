/** The other end of a connection, to which messages can be sent. */
export interface LinkPeer {
  /** The endpoint over which it came or was reached, for people. */
  readonly address: string;
  /** How it calls itself, fit to be shown; null until it has said so. */
  name: string | null;
  /** Hands a message over, in order, as soon as there is room; never throws, never waits. */
  send(parts: readonly Uint8Array[]): void;
  /** Whether so much data waits for it that it is to get no more before some of it has left. */
  readonly isFull: boolean;
  /** Calls back once when little data waits. Who asks last is told; nobody is where the peer is forgotten before. */
  onRoom(call: () => void): void;
  /** Forgets the peer: what was not handed over is dropped. */
  close(): void;
  /**
   * Nothing is expected of the peer: when it has said nothing for a second, and has got what was said to it, it is
   * not remembered any more. A connection of our own making stays as it is.
   */
  forget(): void;
}
