/** Counters and gauges of an Outbound. */
export interface OutboundStats {
  readonly messagesSent: number;
  readonly messagesDropped: number;
  readonly messagesLost: number;
  readonly sendsRefused: number;
  readonly framesSent: number;
  readonly bytesSent: number;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  readonly waitingSends: number;
}

/** All counters at zero. */
export const NO_OUTBOUND_STATS: OutboundStats = Object.freeze({
  messagesSent: 0,
  messagesDropped: 0,
  messagesLost: 0,
  sendsRefused: 0,
  framesSent: 0,
  bytesSent: 0,
  queuedMessages: 0,
  queuedBytes: 0,
  waitingSends: 0,
});

/** The sum of both. */
export function addOutboundStats(a: OutboundStats, b: OutboundStats): OutboundStats {
  return {
    messagesSent: a.messagesSent + b.messagesSent,
    messagesDropped: a.messagesDropped + b.messagesDropped,
    messagesLost: a.messagesLost + b.messagesLost,
    sendsRefused: a.sendsRefused + b.sendsRefused,
    framesSent: a.framesSent + b.framesSent,
    bytesSent: a.bytesSent + b.bytesSent,
    queuedMessages: a.queuedMessages + b.queuedMessages,
    queuedBytes: a.queuedBytes + b.queuedBytes,
    waitingSends: a.waitingSends + b.waitingSends,
  };
}
