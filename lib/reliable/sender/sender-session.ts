import type { Peer } from "../../core/events/peer.ts";
import type { Hello } from "../../delivery/protocol/handshake.ts";
import { OutgoingRanges } from "../../delivery/range/outgoing-ranges.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import type { LinkPeer } from "../../transport/link-peer.ts";

/** One session with one receiver, as the sender keeps it. */
export interface SenderSession {
  readonly id: number;
  readonly peer: LinkPeer;
  /** The number that the receiver gave it. */
  readonly session: number;
  readonly receiver: string;
  /** Which process of that name it is; empty where it does not say. */
  readonly incarnation: string;
  readonly prefetch: number;
  readonly prefetchBytesMax: number;
  /** Between welcome and claim it gets nothing. */
  isLive: boolean;
  /**
   * Whether it is saved what it may hold: before, it gets none, since a restart would not wait for it, and give
   * them to another, or not count that they were handed out.
   */
  isKnown: boolean;
  /** Hand-outs that have to be saved first; what is saved covers those that there were when it began (count). */
  handOuts: number;
  /** Guarded ranges that the receiver may begin as soon as it is saved that it does. */
  readonly going: (readonly SeqRange[])[];
  /** Ranges to be sent, in order. */
  readonly outgoing: OutgoingRanges;
  /** The dispatcher knows that what it was handed out waits, and hands out nothing more. */
  isCongested: boolean;
  /** A batch is being read back from the journal. */
  isLoading: boolean;
  /** As much was sent as one turn of the event loop is for: the next one goes on. */
  isPausing: boolean;
  /** Acks taken into account (count). */
  acks: number;
  /** Of these, what survives a restart of ours (count). */
  acksDurable: number;
  /** What of that the receiver has been told (count). */
  acksTold: number;
  /** When anything was heard of the receiver last (ms). */
  heardMs: number;
}

/** The receiver, for those who look at the sender. */
export function peerOf({ peer, receiver }: SenderSession): Peer {
  return { address: peer.address, id: receiver, name: peer.name };
}

/** Messages that a receiver may have, whatever it asks for (count): as many as a `Pull` can ask for. */
const PREFETCH_MAX = 1_000_000;
/** Bytes that every receiver may have, however little memory its sender has for batches (bytes). */
const CREDIT_BYTES_LEAST = 2 ** 20;

/** @returns a session that was just asked for; its credit is what the receiver asks for, and the sender can bear */
export function newSenderSession(
  id: number,
  from: {
    /** Batches that the sender keeps in memory (bytes). */
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
    handOuts: 0,
    going: [],
    outgoing: new OutgoingRanges(),
    isCongested: false,
    isLoading: false,
    isPausing: false,
    acks: 0,
    acksDurable: 0,
    acksTold: 0,
    heardMs: nowMs,
  };
}
