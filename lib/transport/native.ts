import {
  type Context,
  Dealer,
  context as globalContext,
  Pull,
  Push,
  Router,
  type Socket,
  Subscriber,
  XPublisher,
} from "zeromq";

/** The native sockets we use; every role is built on one of them. */
export type NativeKind = "push" | "pull" | "xpub" | "sub" | "router" | "dealer";

/** What every native socket is told before its first bind or connect. All are resolved and checked. */
export interface NativeSettings {
  /** How long a closed socket goes on delivering what ZeroMQ holds (milliseconds). */
  readonly lingerMs: number;
  /** Pause between pings to an idle peer (milliseconds); 0 sends none. */
  readonly heartbeatMs: number;
  /** A longer frame from a peer ends its connection (bytes). */
  readonly frameBytesMax: number;
  /** ZeroMQ's high-water marks: frames held for and from each peer (count). */
  readonly peerFramesMax: number;
}

/** The part of zeromq's sockets that we use, whatever the kind. */
export interface NativeSocket extends Socket {
  send(message: NativeMessage | NativeText): Promise<void>;
  receive(): Promise<Buffer[]>;
  linger: number;
  sendTimeout: number;
  mandatory: boolean;
  immediate: boolean;
  verbosity: "allSubs" | "allSubsUnsubs" | null;
  noDrop: boolean;
  subscribe(...prefixes: (Buffer | string)[]): void;
  unsubscribe(...prefixes: (Buffer | string)[]): void;
}

/** One frame, or several as a multipart message. */
export type NativeMessage = Uint8Array | readonly Uint8Array[];
/** Of a string zeromq.js makes a copy; it reaches the peer as UTF-8. */
export type NativeText = readonly (Uint8Array | string)[];

/** First pause before a lost connection is tried again; ZeroMQ doubles it and adds jitter (milliseconds). */
const RECONNECT_MS = 100;
/** Longest pause between two tries (milliseconds). */
const RECONNECT_MS_MAX = 5_000;
/** A connection whose handshake takes longer is dropped (milliseconds). */
const HANDSHAKE_MS_MAX = 2_000;
/** A peer that stays silent for so many heartbeats is gone (count). */
const HEARTBEATS_MISSED_MAX = 3;
/** Connections that may wait to be accepted (count). */
const BACKLOG = 1_024;
/** libzmq's upper limit of sockets in a context, in place of its default of 1,023 (count). */
const CONTEXT_SOCKETS_MAX = 65_535;

/**
 * Longest frame that a peer may send to a socket that only sends: a handshake, a subscription (bytes).
 * libzmq would keep what a PUSH is sent, and 55 bytes for each byte of a subscription.
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
 * Options are set one by one on a socket made with none: an option that throws inside zeromq's
 * constructor leaves a half-made object behind that crashes the process when it ends.
 *
 * @param construction the context, where it is not the one that all threads of the process share
 */
export function openNative(
  kind: NativeKind,
  settings: NativeSettings,
  construction: { context?: Context },
): NativeSocket {
  if (!contextPrepared) {
    contextPrepared = true;
    // Fails where the application has opened a socket before: then its limit is the application's.
    if (globalContext.maxSockets < CONTEXT_SOCKETS_MAX)
      globalContext.maxSockets = CONTEXT_SOCKETS_MAX;
  }
  const native = new CLASSES[kind](construction) as unknown as NativeSocket & {
    [option: string]: unknown;
  };
  native.linger = settings.lingerMs;
  const receives = kind !== "push" && kind !== "xpub";
  native.maxMessageSize = receives ? settings.frameBytesMax : INCIDENTAL_BYTES_MAX;
  native.handshakeInterval = HANDSHAKE_MS_MAX;
  native.reconnectInterval = RECONNECT_MS;
  native.reconnectMaxInterval = RECONNECT_MS_MAX;
  native.backlog = BACKLOG;
  if (settings.heartbeatMs > 0) {
    native.heartbeatInterval = settings.heartbeatMs;
    native.heartbeatTimeout = settings.heartbeatMs * HEARTBEATS_MISSED_MAX;
    native.heartbeatTimeToLive = Math.min(settings.heartbeatMs * HEARTBEATS_MISSED_MAX, 6_553_500);
  }
  if (kind !== "pull" && kind !== "sub") native.sendHighWaterMark = settings.peerFramesMax;
  if (kind !== "push") native.receiveHighWaterMark = settings.peerFramesMax;
  if (kind === "push" || kind === "dealer") native.immediate = true;
  if (kind === "router") {
    native.mandatory = true;
    native.sendTimeout = 0;
  }
  if (kind === "xpub") {
    native.verbosity = "allSubsUnsubs";
    native.receiveHighWaterMark = 0;
  }
  return native;
}

/** The errno name that zeromq gives its errors, such as `EADDRINUSE`; empty where there is none. */
export function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
