/** Counters since construction, and gauges. All are counts or bytes, according to their names. */
export interface SocketStats {
  /** Messages handed to ZeroMQ. Of a reliable sender: messages that were processed, or became dead letters. */
  readonly messagesSent: number;
  /** Frames handed to ZeroMQ. */
  readonly framesSent: number;
  /** Bytes of the frames handed to ZeroMQ. */
  readonly bytesSent: number;
  /** Messages received and accepted. */
  readonly messagesReceived: number;
  /** Frames received and accepted. */
  readonly framesReceived: number;
  /** Bytes of the frames received and accepted. */
  readonly bytesReceived: number;
  /** Frames that were malformed or could not be decoded, and were skipped. */
  readonly framesRefused: number;
  /**
   * Messages refused at `send`, and replies of handlers that were refused: too large, not encodable, or not valid by
   * the schema.
   */
  readonly sendsRefused: number;
  /** Received messages that were not valid by the schema, and were skipped. */
  readonly messagesRefused: number;
  /**
   * Messages that could not be handed over, because their peer was gone or had never connected. Of a reliable sender:
   * those that could not be stored, and those that `overflow: "dropOldest"` dropped.
   */
  readonly messagesDropped: number;
  /** Messages of a reliable sender's journal that were damaged there, or freed before they were processed. */
  readonly messagesLost: number;
  /**
   * Of a `Subscriber`: messages that its publishers sent to its topics and that never came, as far as later ones of the
   * same topic prove it. Of a `Publisher`: the sum of what its subscribers have reported of that, each for itself.
   */
  readonly messagesMissed: number;
  /** Of a `Subscriber` with `conflate`: messages in whose place a newer one of their topic was delivered. */
  readonly messagesConflated: number;
  /** Of a `Subscriber` with `maxAgeMs`: messages that had waited for too long, and were not delivered. */
  readonly messagesExpired: number;
  /** Messages accepted and not yet handed to ZeroMQ. */
  readonly queuedMessages: number;
  /** Bytes of the messages accepted and not yet handed to ZeroMQ. */
  readonly queuedBytes: number;
  /** Calls of `send` that wait for room. */
  readonly waitingSends: number;
  /**
   * Requests without a reply. Of a Requester: its open requests. Of a Replier: requests that it has read, whether they
   * wait for a handler, are in one, or their replies wait for their peers.
   */
  readonly pendingRequests: number;
  /** Of a Replier: requests whose handler threw or rejected, except with a `RemoteError`, which is a reply. */
  readonly requestsFailed: number;
  /** Peers that have completed the handshake and are connected. */
  readonly peers: number;
  /**
   * Connections at bound addresses that were refused: by a gate, which may also cut them off later, or in the handshake,
   * for an unknown or wrong key, or for keys on one side only.
   */
  readonly connectionsRefused: number;
}

/** All counters at zero. */
export const NO_STATS: SocketStats = Object.freeze({
  messagesSent: 0,
  framesSent: 0,
  bytesSent: 0,
  messagesReceived: 0,
  framesReceived: 0,
  bytesReceived: 0,
  framesRefused: 0,
  sendsRefused: 0,
  messagesRefused: 0,
  messagesDropped: 0,
  messagesLost: 0,
  messagesMissed: 0,
  messagesConflated: 0,
  messagesExpired: 0,
  queuedMessages: 0,
  queuedBytes: 0,
  waitingSends: 0,
  pendingRequests: 0,
  requestsFailed: 0,
  peers: 0,
  connectionsRefused: 0,
});

/** Whether a socket accepts messages, drains, or is closed. */
export type SocketStatus = "open" | "draining" | "closed";
