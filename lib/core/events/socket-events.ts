import type { BrokerlessError } from "../../errors.ts";
import type { PeerEvent } from "./peer.ts";
import type { WhyDead } from "./why-dead.ts";

/** What every socket tells of itself. */
export interface SocketEvents {
  /** A peer completed the handshake; with acknowledgements, a session with it began. */
  readonly peer: PeerEvent;
  /** A peer's connection ended; with acknowledgements, the session with it. */
  readonly peerLost: PeerEvent;
  /**
   * Something was refused or lost: a bad frame, a message that does not fit the schema, a failed
   * handshake. A message refused at `send` is reported here too, since nobody may await its promise. Of each code the
   * first 64 of a second are told, and how many more there were when it is over. The first one that nobody listens to
   * is a warning of the process (`process.emitWarning`), once for each socket.
   */
  readonly error: BrokerlessError;
  /** A reliable sender's messages were rejected, or tried too often: they are dead letters now, and why. */
  readonly deadLetter: DeadMessages;
  /** A reliable sender's messages were given up to make room for newer ones. */
  readonly dropped: MessageRange;
  /** A reliable sender's messages are damaged in its journal, or were freed unprocessed: nobody gets them. */
  readonly lost: MessageRange;
  /**
   * A reliable receiver's right to messages was lost: the sender gives them to others, and what is said of
   * them does not count. After a restore of the sender that may be messages which it has done; they are not shown to it again
   * where it remembers them.
   */
  readonly leaseLost: MessageRange;
  /**
   * The history of a stream is not the one that a receiver knew: its sender lost its newest messages, went on from a
   * backup, or runs on a copy of another's journal. What the receiver had done, or held, of these seqs was of messages
   * that are gone; it counts for nothing, and the seqs mean other messages from now on. Both sides are told.
   */
  readonly diverged: MessageRanges;
  /** A handler of a reliable receiver's `run` threw; its message will be tried again. */
  readonly retry: { readonly id: string; readonly attempt: number; readonly error: unknown };
  /**
   * A handler of a `Replier` threw, or rejected; the caller gets a `RemoteError` without the stack. Not told of a
   * `RemoteError` that it threw, which is a reply, nor of handlers that the end of the socket calls off.
   */
  readonly requestFailed: FailedRequest;
}

/** A request whose handler failed. */
export interface FailedRequest {
  /** Whose request it was: `context.peer` of the handler. */
  readonly peer: string;
  /** What the handler threw. */
  readonly error: unknown;
}

/** Messages of one stream that follow each other. */
export interface MessageRange {
  /** The id of the stream (32 hex digits). */
  readonly stream: string;
  /** The seq of the first one. */
  readonly seqFirst: number;
  /** The seq of the last one. */
  readonly seqLast: number;
}

/** Messages that follow each other, and were given up together. */
export interface DeadMessages extends MessageRange, WhyDead {
  /** The `id` of each one's deliveries. */
  readonly ids: readonly string[];
}

/** Messages of one stream, in order. */
export interface MessageRanges {
  /** The id of the stream (32 hex digits). */
  readonly stream: string;
  /** Ranges of seqs, ascending, both ends included. */
  readonly ranges: readonly { readonly seqFirst: number; readonly seqLast: number }[];
}

/** A subscriber that came or left. What it says of itself is a claim, and proves nothing. */
export interface SubscriberEvent {
  /** A random text, new for each `Subscriber`. */
  readonly id: string;
  /** Its option `name`, without control characters; null where it has none. */
  readonly name: string | null;
}

/** What a publisher tells of itself. */
export interface PublisherEvents extends SocketEvents {
  /** How many subscribers will get what is published from now on, after a change. */
  readonly subscribers: { readonly count: number };
  /** A subscription arrived; the prefix is what ZeroMQ filters by. */
  readonly subscribe: { readonly prefix: string };
  /** The last subscription with this prefix was taken back. */
  readonly unsubscribe: { readonly prefix: string };
  /** A `Subscriber` has announced itself: the first of its subscriptions is here. Peers without this package do not. */
  readonly subscriberJoined: SubscriberEvent;
  /** It has taken back its last subscription, or its connection has ended. */
  readonly subscriberLeft: SubscriberEvent;
}
