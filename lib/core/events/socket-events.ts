import type { BrokerlessError } from "../../errors.ts";
import type { PeerEvent } from "./peer.ts";
import type { WhyDead } from "./why-dead.ts";

/** The events of every socket. */
export interface SocketEvents {
  /** A peer completed the handshake; with acknowledgements, a session with it began. */
  readonly peer: PeerEvent;
  /** A peer's connection ended; with acknowledgements, the session with it ended. */
  readonly peerLost: PeerEvent;
  /**
   * Something was refused or lost: a malformed frame, a message that is not valid by the schema, a failed handshake. A
   * message refused at `send` is reported here too, since its promise may not be awaited. Of each code the first 64
   * events in a second are emitted, and then the number of further ones. The first event without a listener becomes a
   * process warning (`process.emitWarning`), once for each socket.
   *
   * @see docs/decisions/0058-unheard-errors-and-codecs.md
   */
  readonly error: BrokerlessError;
  /**
   * Messages of a reliable sender were rejected, or failed too often: they are dead letters now. The event has the
   * reason.
   */
  readonly deadLetter: DeadMessages;
  /** Messages of a reliable sender were dropped to make room for newer ones. */
  readonly dropped: MessageRange;
  /** Messages of a reliable sender are damaged in its journal, or were freed unprocessed: no receiver gets them. */
  readonly lost: MessageRange;
  /**
   * A reliable receiver lost its lease of messages: the sender gives them to other receivers, and this one's acks of
   * them are ignored. After a restore of the sender they may be messages that this receiver has processed; where it
   * remembers them, it does not deliver them again.
   */
  readonly leaseLost: MessageRange;
  /**
   * The history of a stream differs from the one that a receiver knew: its sender lost its newest messages, was
   * restored from a backup, or runs on a copy of another's journal. The receiver's results and deliveries of these seqs
   * belong to messages that no longer exist. They are void, and the seqs are used for other messages from now on. Both
   * sides emit the event.
   */
  readonly diverged: MessageRanges;
  /** A handler of a reliable receiver's `run` threw; its message will be retried. */
  readonly retry: { readonly id: string; readonly attempt: number; readonly error: unknown };
  /**
   * A handler of a `Replier` threw or rejected; the requester gets a `RemoteError` without the stack. Not emitted for a
   * `RemoteError` that the handler threw, which is a reply, nor for handlers that are aborted when the socket closes.
   */
  readonly requestFailed: FailedRequest;
  /**
   * At a `Subscriber`: messages of its topics were sent and never came. At a `Publisher`: a `Subscriber` has reported
   * that, of itself. At most 65 events a second: one for each topic of a publisher, or for each subscriber; what is
   * found meanwhile is in the next one.
   *
   * @see docs/decisions/0083-missed-and-stale-messages.md
   */
  readonly missed: MissedMessages;
}

/** A request whose handler failed. */
export interface FailedRequest {
  /** The requester: `context.peer` of the handler. */
  readonly peer: string;
  /** The error that the handler threw. */
  readonly error: unknown;
}

/** Consecutive messages of one stream. */
export interface MessageRange {
  /** The id of the stream (32 hex digits). */
  readonly stream: string;
  /** The seq of the first message. */
  readonly seqFirst: number;
  /** The seq of the last message. */
  readonly seqLast: number;
}

/** Consecutive messages that were dead-lettered together. */
export interface DeadMessages extends MessageRange, WhyDead {
  /** The `id` of each message's deliveries. */
  readonly ids: readonly string[];
}

/** Messages of one stream, in order. */
export interface MessageRanges {
  /** The id of the stream (32 hex digits). */
  readonly stream: string;
  /** Ranges of seqs, ascending, both ends included. */
  readonly ranges: readonly { readonly seqFirst: number; readonly seqLast: number }[];
}

/** A subscriber that has joined or left. Id and name are its own claims, and prove nothing. */
export interface SubscriberEvent {
  /** A random text, new for each `Subscriber`. */
  readonly id: string;
  /** Its option `name`, without control characters; null where it has none. */
  readonly name: string | null;
}

/** Messages that a subscriber has missed. */
export interface MissedMessages {
  /**
   * At a `Subscriber`: the publisher, by an id of this life of its socket (16 hex digits). At a `Publisher`: the
   * subscriber, by the id of {@link SubscriberEvent}. Null where there are several.
   */
  readonly id: string | null;
  /** At a `Publisher`: the subscriber's name. Null where it has none, where there are several, and at a `Subscriber`. */
  readonly name: string | null;
  /** At a `Subscriber`: the topic; null where there are several. Null at a `Publisher`. */
  readonly topic: string | null;
  /** Messages of which no earlier event told (count). */
  readonly count: number;
  /** All messages of which this socket knows, as in `stats()` (count). */
  readonly total: number;
}

/** The events of a publisher. */
export interface PublisherEvents extends SocketEvents {
  /** The number of subscribers has changed: `count` of them get the messages published from now on. */
  readonly subscribers: { readonly count: number };
  /** A subscription arrived. The prefix is the one that ZeroMQ filters by. */
  readonly subscribe: { readonly prefix: string };
  /** The last subscription with this prefix was cancelled. */
  readonly unsubscribe: { readonly prefix: string };
  /**
   * A `Subscriber` has announced itself: the first of its subscriptions has arrived. Peers without this package do not.
   */
  readonly subscriberJoined: SubscriberEvent;
  /** A `Subscriber` has cancelled its last subscription, or its connection has ended. */
  readonly subscriberLeft: SubscriberEvent;
}
