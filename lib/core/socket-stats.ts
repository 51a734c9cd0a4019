/** Counters since construction, and gauges. All are counts or bytes, as their names say. */
export interface SocketStats {
  /** Handed to ZeroMQ. */
  readonly messagesSent: number;
  /** Frames handed to ZeroMQ. */
  readonly framesSent: number;
  /** Bytes of those frames. */
  readonly bytesSent: number;
  /** Received and accepted. */
  readonly messagesReceived: number;
  /** Frames received and accepted. */
  readonly framesReceived: number;
  /** Bytes of those frames. */
  readonly bytesReceived: number;
  /** Frames that were malformed, or undecodable, and skipped. */
  readonly framesRefused: number;
  /** Messages refused at `send`, and replies of handlers: too large, not encodable, or not fitting the schema. */
  readonly sendsRefused: number;
  /** Received messages that did not fit the schema, and were skipped. */
  readonly messagesRefused: number;
  /** Messages that could not be handed over, because their peer was gone or never there. */
  readonly messagesDropped: number;
  /** Of a reliable sender's journal: damaged there, or freed before they were processed. */
  readonly messagesLost: number;
  /** Accepted and not yet handed to ZeroMQ. */
  readonly queuedMessages: number;
  /** Bytes of those messages. */
  readonly queuedBytes: number;
  /** Calls of `send` that wait for room. */
  readonly waitingSends: number;
  /**
   * Requests without a reply: of a Requester those that are open, of a Replier those that a handler has, or whose replies
   * wait for their peers.
   */
  readonly pendingRequests: number;
  /** Of a Replier: requests whose handler threw, or rejected, but for a `RemoteError`, which is a reply. */
  readonly requestsFailed: number;
  /** Peers that have completed the handshake and are there. */
  readonly peers: number;
  /** Connections that a gate before our addresses has refused or cut off. */
  readonly connectionsRefused: number;
}

/** Counters of nothing yet. */
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
  queuedMessages: 0,
  queuedBytes: 0,
  waitingSends: 0,
  pendingRequests: 0,
  requestsFailed: 0,
  peers: 0,
  connectionsRefused: 0,
});

/** Whether a socket takes messages, empties itself, or is gone. */
export type SocketStatus = "open" | "draining" | "closed";
