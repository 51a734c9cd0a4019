import type { Batch } from "../../../batch/batch.ts";
import type { Peer } from "../../../core/events/peer.ts";
import type { Rejection } from "../../../delivery/protocol/error-words.ts";
import type { Welcome } from "../../../delivery/protocol/handshake.ts";
import type { Window } from "../../../delivery/window/window.ts";
import type { LinkPeer } from "../../../transport/link-peer.ts";

/** One session with one sender, as the receiver keeps it. */
export interface ReceiverLink {
  readonly peer: LinkPeer;
  /** The number that we gave it. */
  session: number;
  /** The stream that it carries; null before the sender's welcome. */
  stream: ReceiverStream | null;
  /** Acks said in this session, the claim included (count). */
  acks: number;
  /** When anything was heard of the sender last (ms). */
  heardMs: number;
  /** Asks again where no answer comes. */
  cancelRetry: (() => void) | null;
  /** Hellos without an answer (count). */
  hellos: number;
  /** The stream that it was refused for, since another sender holds it; null: it was not. */
  rivalOf: string | null;
  /** Sessions in a row that ended because nothing could be remembered (count). */
  postponed: number;
}

/** One stream, across its sessions. */
export interface ReceiverStream {
  /** The id, 32 hex digits. */
  readonly id: string;
  /** The name of its history: streams with one id and no life in common are two. */
  readonly key: string;
  readonly window: Window<Batch>;
  welcome: Welcome;
  link: ReceiverLink | null;
  /** Whether its sender has said that it will never be continued: nobody can ask what was done. */
  isEnded: boolean;
  /** Gives up what waits when the sender has surely given it to others. */
  cancelGrace: (() => void) | null;
  /** Why messages were rejected, by seq, as long as the sender may ask again. */
  readonly rejections: Map<number, Rejection>;
  /** What this session waits for a `go` for: a guarded message, or 0, that what was said is saved; null: nothing. */
  asksFor: number | null;
  /** Whether its sender wants to hear soon what is begun. */
  isWatched: boolean;
  /** An ack is due at the end of this turn. */
  isAckDue: boolean;
  /** Whether all that is done is in the inbox, or on its way there. */
  isRemembered: boolean;
  /** Messages whose effects are on their way into the inbox: seqs, and the epochs in which they have them. */
  readonly storing: Map<number, number>;
  /** What is done is being stored in the inbox, and then said. */
  acking: Promise<void> | null;
}

/** The sender of a stream, for those who look at the receiver. */
export function senderOf({ peer }: ReceiverLink, { id }: ReceiverStream): Peer {
  return { address: peer.address, id, name: peer.name };
}

/** Whether a seq still is the message that was handed out. */
export function isSame(stream: ReceiverStream, seq: number, epoch: number): boolean {
  const { window } = stream;
  return epoch === window.epoch || window.valid({ first: seq, last: seq }, epoch) !== null;
}

/** Counters of a receiver. */
export interface ReceiverCounts {
  readonly frames: number;
  readonly framesRefused: number;
  /** Of the frames received. */
  readonly bytes: number;
  /** Messages that came again and were kept from the application (count). */
  readonly duplicates: number;
  /** Messages that are received and not processed (count). */
  readonly waiting: number;
}
