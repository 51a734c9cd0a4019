import type { Peer } from "../../core/events/peer.ts";
import type { Hello } from "../../delivery/protocol/handshake.ts";
import { OutgoingRanges } from "../../delivery/range/outgoing-ranges.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import type { LinkPeer } from "../../transport/link-peer.ts";

/** The sender's state of one session with one receiver. */
export interface SenderSession {
  readonly id: number;
  readonly peer: LinkPeer;
  /** The session number chosen by the receiver. */
  readonly session: number;
  readonly receiver: string;
  /** Identifies the process among those with this receiver id; empty if the receiver does not report one. */
  readonly incarnation: string;
  readonly prefetch: number;
  readonly prefetchBytesMax: number;
  /** False between welcome and claim: the receiver gets no messages yet. */
  isLive: boolean;
  /**
   * Whether the messages it may hold are saved. Until then it gets none: a restart would not wait for it, and would
   * give them to another receiver, or would not count their dispatch.
   */
  isKnown: boolean;
  /** Dispatches that have to be saved before they are sent (count). A save covers those before its start. */
  dispatches: number;
  /** Guarded ranges that the receiver may begin as soon as their begin is saved. */
  readonly going: (readonly SeqRange[])[];
  /** Ranges to be sent, in order. */
  readonly outgoing: OutgoingRanges;
  /** The dispatcher was notified that messages wait for the connection, and dispatches no more. */
  isCongested: boolean;
  /** A batch is being read back from the journal. */
  isLoading: boolean;
  /** The limit of sends for one turn of the event loop was reached; the next turn continues. */
  isPausing: boolean;
  /** Acks applied (count). */
  acks: number;
  /** Applied acks that are saved, and so survive a restart of this sender (count). */
  acksDurable: number;
  /** Saved acks that were reported to the receiver (count). */
  acksReported: number;
  /** When the last message of the receiver arrived (ms). */
  heardMs: number;
}

/** The receiver as shown to the application of the sender. */
export function peerOf({ peer, receiver }: SenderSession): Peer {
  return { address: peer.address, id: receiver, name: peer.name };
}

/** Limit on the messages in flight to one receiver, whatever prefetch it asks for (count): the maximum of a `Pull`. */
const PREFETCH_MAX = 1_000_000;
/** Credit in bytes that every receiver may get, however little memory its sender has for batches (bytes). */
const CREDIT_BYTES_LEAST = 2 ** 20;

/** @returns a new session; its credit is what the receiver asks for, within the limits of the sender */
export function newSenderSession(
  id: number,
  from: {
    /** Limit on batches that the sender keeps in memory (bytes). */
    readonly cacheBytesMax: number;
    readonly peer: LinkPeer;
    readonly session: number;
    readonly hello: Hello;
    readonly nowMs: number;
  },
): SenderSession {
  const { cacheBytesMax, peer, session, hello, nowMs } = from;
  const creditBytesMax = Math.max(cacheBytesMax, CREDIT_BYTES_LEAST);
  return {
    id,
    peer,
    session,
    receiver: hello.receiver,
    incarnation: hello.incarnation,
    prefetch: Math.min(hello.prefetch, PREFETCH_MAX),
    prefetchBytesMax: Math.min(hello.prefetchBytesMax, creditBytesMax),
    isLive: false,
    isKnown: false,
    dispatches: 0,
    going: [],
    outgoing: new OutgoingRanges(),
    isCongested: false,
    isLoading: false,
    isPausing: false,
    acks: 0,
    acksDurable: 0,
    acksReported: 0,
    heardMs: nowMs,
  };
}
