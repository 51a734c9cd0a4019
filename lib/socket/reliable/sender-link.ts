import type { Hello } from "../../delivery/handshake.ts";
import type { LinkPeer } from "../../transport/link-hub.ts";

/** A range on its way to a receiver. */
export interface Outgoing {
  readonly first: number;
  readonly last: number;
  readonly attempt: number;
}

/** One session with one receiver, as the sender keeps it. */
export interface SenderLink {
  readonly id: number;
  readonly peer: LinkPeer;
  /** The number that the receiver gave it. */
  readonly session: number;
  readonly receiver: string;
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
  /** Ranges to be sent, in order. */
  readonly outgoing: Outgoing[];
  /** A batch is being read back from the journal. */
  isLoading: boolean;
  /** Acks taken into account (count). */
  acks: number;
  /** Of these, what survives a restart of ours (count). */
  acksDurable: number;
  /** What of that the receiver has been told (count). */
  acksTold: number;
  /** When anything was heard of the receiver last (ms). */
  heardMs: number;
}

/** @returns a session that was just asked for */
export function newSenderLink(
  id: number,
  from: {
    readonly peer: LinkPeer;
    readonly session: number;
    readonly hello: Hello;
    readonly nowMs: number;
  },
): SenderLink {
  const { peer, session, hello, nowMs } = from;
  return {
    id,
    peer,
    session,
    receiver: hello.receiver,
    prefetch: hello.prefetch,
    prefetchBytesMax: hello.prefetchBytesMax,
    isLive: false,
    isKnown: false,
    handOuts: 0,
    outgoing: [],
    isLoading: false,
    acks: 0,
    acksDurable: 0,
    acksTold: 0,
    heardMs: nowMs,
  };
}
