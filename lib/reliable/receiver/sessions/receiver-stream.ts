import type { Batch } from "../../../batch/batch.ts";
import type { Peer } from "../../../core/events/peer.ts";
import type { Rejection } from "../../../delivery/protocol/error-texts.ts";
import type { Welcome } from "../../../delivery/protocol/handshake.ts";
import type { Window } from "../../../delivery/window/window.ts";
import type { LinkPeer } from "../../../transport/link-peer.ts";

/** The receiver's state of one session with one sender. */
export interface ReceiverLink {
  readonly peer: LinkPeer;
  /** The session number chosen by this receiver. */
  session: number;
  /** The stream of the session; null before the sender's welcome. */
  stream: ReceiverStream | null;
  /** Acks sent in this session, including the claim (count). */
  acks: number;
  /** When the last message of the sender arrived (ms). */
  heardMs: number;
  /** Cancels the timer for the next hello; null if there is none. */
  cancelRetry: (() => void) | null;
  /** Hellos without a reply (count). */
  hellos: number;
  /** The stream for which it was refused because another sender has it; null: it was not. */
  rivalOf: string | null;
  /** Consecutive sessions that ended because nothing could be stored (count). */
  postponed: number;
}

/** One stream, across its sessions. */
export interface ReceiverStream {
  /** The stream id (32 hex digits). */
  readonly id: string;
  /** The name of its history: streams with one id but no common incarnation are different streams. */
  readonly key: string;
  readonly window: Window<Batch>;
  welcome: Welcome;
  link: ReceiverLink | null;
  /** Whether its sender has reported that it will never be continued: no acks are needed any more. */
  isEnded: boolean;
  /** Cancels the timer of the grace, after which the sender gives the messages to others; null if none runs. */
  cancelGrace: (() => void) | null;
  /** Reasons of rejections, by seq, kept while the sender may send those messages again. */
  readonly rejections: Map<number, Rejection>;
  /** The open request that a `go` will grant: a guarded message's seq; 0: earlier reports; null: none. */
  asksFor: number | null;
  /** Whether its sender asks to be told soon which messages begin. */
  isWatched: boolean;
  /** An ack is due at the end of this turn. */
  isAckDue: boolean;
  /** Whether all processed messages are stored in the inbox, or being stored. */
  isRemembered: boolean;
  /** Messages whose effects are being stored in the inbox: seqs, with the version of the history of each. */
  readonly storing: Map<number, number>;
  /** Processed messages are being stored in the inbox, and then acknowledged. */
  acking: Promise<void> | null;
}

/** The sender of a stream as shown to the application of the receiver. */
export function senderOf({ peer }: ReceiverLink, { id }: ReceiverStream): Peer {
  return { address: peer.address, id, name: peer.name };
}

/** Whether a seq still identifies the message that was delivered. */
export function isSame(stream: ReceiverStream, seq: number, historyVersion: number): boolean {
  const { window } = stream;
  return (
    historyVersion === window.historyVersion ||
    window.valid({ first: seq, last: seq }, historyVersion) !== null
  );
}

/** Counters of a receiver. */
export interface ReceiverCounts {
  readonly frames: number;
  readonly framesRefused: number;
  /** Size of these frames. */
  readonly bytes: number;
  /** Messages that came again and were not delivered (count). */
  readonly duplicates: number;
  /** Messages that are received and not processed (count). */
  readonly waiting: number;
}
