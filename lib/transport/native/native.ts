import { randomInt } from "node:crypto";
import {
  type Context,
  capability,
  Dealer,
  context as globalContext,
  Pull,
  Push,
  Request,
  Router,
  type Socket,
  Subscriber,
  XPublisher,
} from "zeromq";
import { takingDescriptors } from "./out-of-descriptors.ts";
import { NAME_PROPERTY } from "./ready-command.ts";

/** The native sockets in use; every role is built on one of them. */
export type NativeKind = "push" | "pull" | "xpub" | "sub" | "router" | "dealer";

/**
 * Settings of a native socket, applied before its first bind or connect. All are resolved and
 * checked.
 */
export interface NativeSettings {
  /** How long ZeroMQ continues to send the messages of a closed socket (milliseconds). */
  readonly lingerMs: number;
  /**
   * Silence after which the system probes whether the peer's machine is alive (milliseconds); 0:
   * never.
   */
  readonly heartbeatMs: number;
  /** A longer frame from a peer ends its connection (bytes). */
  readonly frameBytesMax: number;
  /** ZeroMQ's high-water marks: frames held for and from each peer (count). */
  readonly peerFramesMax: number;
  /** Name of the socket in the handshake, for peers that can read it; null for none. */
  readonly name: string | null;
}

/** The part of zeromq's sockets in use, whatever the kind. */
export interface NativeSocket extends Socket {
  send(message: NativeMessage | NativeText): Promise<void>;
  receive(): Promise<Buffer[]>;
  linger: number;
  sendTimeout: number;
  receiveTimeout: number;
  mandatory: boolean;
  immediate: boolean;
  verbosity: "allSubs" | "allSubsUnsubs" | null;
  noDrop: boolean;
  subscribe(...prefixes: (Buffer | string)[]): void;
  unsubscribe(...prefixes: (Buffer | string)[]): void;
}

/** One frame, or several as a multipart message. */
export type NativeMessage = Uint8Array | readonly Uint8Array[];
/** zeromq.js copies strings; they reach the peer as UTF-8. */
export type NativeText = readonly (Uint8Array | string)[];

/** First pause before a reconnection; ZeroMQ doubles it and adds jitter (milliseconds). */
const RECONNECT_MS = 100;
/**
 * Longest pause between two attempts (milliseconds). It is shorter than the default grace of a
 * reliable sender, so that a live receiver reconnects in time to keep its unacked messages, however
 * long its sender was away.
 */
const RECONNECT_MS_MAX = 2_000;
/** A connection whose handshake takes longer is dropped (milliseconds). */
const HANDSHAKE_MS_MAX = 2_000;
/**
 * Upper limit of the random numbers that are drawn from libzmq before the first ROUTER draws its
 * own (count of pairs).
 */
const DRAWS_MAX = 64;

let drawn = false;
/**
 * Unanswered probes after which a machine counts as gone: with the silence before, three heartbeats
 * (count).
 */
const KEEPALIVE_PROBES_MAX = 2;
/** Connections that may wait to be accepted (count). */
const BACKLOG = 1_024;
/**
 * With any domain, libzmq refuses connections that do not speak ZMTP 3. Without one, every
 * connection is a peer at once, even an HTTP request, without an event, and a PUSH sends it
 * messages. A ZAP handler, which would be consulted about peers, exists only where the application
 * has one in this context. CURVE servers get domains of their own.
 *
 * @see docs/decisions/0004-security.md
 */
const ZAP_DOMAIN = "brokerless";
/** libzmq's ZMQ_SNDHWM, which zeromq.js does not offer on a SUB. */
const SEND_HIGH_WATER_MARK = 23;
/** libzmq's ZMQ_ROUTER_NOTIFY, and its values for the beginnings and the ends of connections. */
const ROUTER_NOTIFY = 97;
const NOTIFY_CONNECT = 1;
const NOTIFY_DISCONNECT = 2;
/** libzmq's ZMQ_METADATA: a custom property in the handshake. */
const METADATA = 95;
/**
 * Subscriptions that ZeroMQ holds for each peer of a publisher; more of them wait at the peer
 * (count). XPUB reads all available ones at once, and keeps them without a limit until the program
 * reads them. The smaller the number, the sooner the event loop continues, and the less memory a
 * flood takes. A peer can still send tens of thousands a second.
 */
const PEER_SUBSCRIPTIONS_MAX = 16;
/** libzmq's upper limit of sockets in a context, in place of its default of 1,023 (count). */
const CONTEXT_SOCKETS_MAX = 65_535;

/**
 * Longest frame that a peer may send to a socket that only sends: a handshake, a subscription
 * (bytes). libzmq would keep frames sent to a PUSH, and 55 bytes for each byte of a subscription.
 */
const INCIDENTAL_BYTES_MAX = 2_048;

const CLASSES = {
  push: Push,
  pull: Pull,
  xpub: XPublisher,
  sub: Subscriber,
  router: Router,
  dealer: Dealer,
} as const;

let contextPrepared = false;

/**
 * Makes a native socket with all options set.
 *
 * Options are set one by one on a socket made without any: an option that throws inside zeromq's
 * constructor leaves a partly constructed object that crashes the process when it ends.
 *
 * @param construction the context, unless it is the one that all threads of the process share
 * @throws BrokerlessError `BROKERLESS_NO_SPACE` where no descriptor is left
 */
export function openNative(
  kind: NativeKind,
  settings: NativeSettings,
  construction: { context?: Context },
): NativeSocket {
  if (!contextPrepared) {
    contextPrepared = true;
    // Fails where the application has opened a socket before: then the application's limit holds.
    if (globalContext.maxSockets < CONTEXT_SOCKETS_MAX)
      globalContext.maxSockets = CONTEXT_SOCKETS_MAX;
  }
  const native = takingDescriptors(() => {
    if (kind === "router") drawNumbers();
    return new CLASSES[kind](construction);
  }) as unknown as NativeSocket & { [option: string]: unknown };
  // Its subscriptions are all that a SUB sends: nobody needs them once it gives up a connection. One that leads nowhere
  // would stay that long to send them, and NativeCalls.wake waits for the signal of its end.
  native.linger = kind === "sub" ? 0 : settings.lingerMs;
  const receives = kind !== "push" && kind !== "xpub";
  native.maxMessageSize = receives ? settings.frameBytesMax : INCIDENTAL_BYTES_MAX;
  native.handshakeInterval = HANDSHAKE_MS_MAX;
  native.zapDomain = ZAP_DOMAIN;
  native.reconnectInterval = RECONNECT_MS;
  native.reconnectMaxInterval = RECONNECT_MS_MAX;
  native.backlog = BACKLOG;
  keepAlive(native, settings.heartbeatMs);
  if (kind !== "pull" && kind !== "sub") native.sendHighWaterMark = settings.peerFramesMax;
  if (kind !== "push") native.receiveHighWaterMark = settings.peerFramesMax;
  if (kind === "push" || kind === "dealer") native.immediate = true;
  if (kind === "router") {
    native.mandatory = true;
    native.sendTimeout = 0;
  }
  if (kind === "xpub") {
    native.verbosity = "allSubsUnsubs";
    native.receiveHighWaterMark = PEER_SUBSCRIPTIONS_MAX;
  }
  // Subscriptions beyond the mark, which is 1,000 by default, would be dropped silently.
  if (kind === "sub") setNativeOption(native, SEND_HIGH_WATER_MARK, 0);
  if (settings.name !== null) announceName(native, settings.name);
  return native;
}

/**
 * Lets the system detect a dead machine on a connection without traffic.
 *
 * ZeroMQ's heartbeats are not used: a socket at its high-water mark reads neither pings nor pongs,
 * is cut off for being slow, and on the connecting side libzmq then fails an assertion. Nor is a
 * limit on retransmission (`TCP_USER_TIMEOUT`): with it, Linux ends a connection whose window is
 * closed, although its peer responds.
 *
 * @see docs/decisions/0010-liveness.md
 */
function keepAlive(native: { [option: string]: unknown }, heartbeatMs: number): void {
  if (heartbeatMs === 0) return;
  const seconds = Math.max(1, Math.round(heartbeatMs / 1_000));
  native.tcpKeepalive = 1;
  native.tcpKeepaliveIdle = seconds;
  native.tcpKeepaliveInterval = seconds;
  native.tcpKeepaliveCount = KEEPALIVE_PROBES_MAX;
}

/**
 * Sends the name of the socket to peers in the handshake. This is a draft feature of libzmq: a
 * build without it sends nothing.
 */
function announceName(native: NativeSocket, name: string): void {
  if (!capability.draft) return;
  const { setStringOption } = native as unknown as {
    setStringOption(option: number, value: string): void;
  };
  setStringOption.call(native, METADATA, `${NAME_PROPERTY}:${name}`);
}

/** libzmq's ZMQ_ROUTING_ID. */
const ROUTING_ID = 5;

/** Names the connections that a socket makes from now on. Its property in zeromq.js warns of a use between connections. */
export function setRoutingId(native: NativeSocket, id: string): void {
  const { setStringOption } = native as unknown as {
    setStringOption(option: number, value: string): void;
  };
  setStringOption.call(native, ROUTING_ID, id);
}

/** Sets an option of libzmq for which zeromq.js has no property. */
function setNativeOption(native: NativeSocket, option: number, value: number): void {
  (native as unknown as { setInt32Option(option: number, value: number): void }).setInt32Option(
    option,
    value,
  );
}

/**
 * Lets a ROUTER receive an empty message under the routing id of each connection that has ended,
 * after all of its messages; the id is free for another connection only when that was read. This is
 * a draft feature of libzmq, with which zeromq.js is built on all systems.
 *
 * @returns false for a build without it, which reports nothing
 */
export function reportLosses(native: NativeSocket): boolean {
  if (!capability.draft) return false;
  setNativeOption(native, ROUTER_NOTIFY, NOTIFY_DISCONNECT);
  return true;
}

/**
 * Lets a ROUTER receive an empty message under the routing id of each connection that was made, before all of its
 * messages, and of each that has ended, as {@link reportLosses}. Not over inproc.
 *
 * @returns false for a build without drafts, which reports nothing
 */
export function reportConnections(native: NativeSocket): boolean {
  if (!capability.draft) return false;
  setNativeOption(native, ROUTER_NOTIFY, NOTIFY_CONNECT | NOTIFY_DISCONNECT);
  return true;
}

/**
 * Makes the first routing ids of libzmq's ROUTERs unpredictable: nobody seeds its `rand()`, so the
 * first one would be the same in every process. To be called before a ROUTER is created; acts once.
 *
 * @see docs/decisions/0009-assertions.md
 */
function drawNumbers(): void {
  if (drawn) return;
  for (let count = randomInt(DRAWS_MAX); count > 0; count--) new Request({}).close();
  drawn = true;
}
