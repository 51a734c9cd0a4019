import type { Peer } from "../../../core/events/peer.ts";
import {
  ARGUMENT_STREAM_ENDS,
  LINK_FLAG,
  type LinkMessage,
} from "../../../delivery/protocol/link-message.ts";
import type { SeqRange } from "../../../delivery/range/range.ts";
import { windowEvent } from "../../../delivery/window/window-events.ts";
import type { BrokerlessError } from "../../../errors.ts";
import type { LinkPeer } from "../../../transport/link-peer.ts";
import { Refusals, readLinkMessage, sameRole } from "../../link/refusals.ts";
import { BatchIntake } from "./batch-intake.ts";
import { InFlightMessages } from "./in-flight-messages.ts";
import { ReceiverHandshake } from "./receiver-handshake.ts";
import { ReceiverSessions, type ReceiverSessionsOptions } from "./receiver-sessions.ts";
import type { ReceiverCounts, ReceiverLink, ReceiverStream } from "./receiver-stream.ts";
import { ReceiverStreams, type ReceiverStreamsOptions } from "./receiver-streams.ts";

/** Dependencies of {@link ReceiveDriver}. */
export interface ReceiveDriverOptions
  extends ReceiverSessionsOptions,
    Omit<ReceiverStreamsOptions, "onExpired" | "hello"> {
  /** Limit on headers decoded in one turn of the event loop (count). Default: no limit. */
  readonly headersMax?: number;
  /** Messages wait for the application. */
  readonly onWaiting: () => void;
  /** The sender has given, or will give, these messages to other receivers. */
  readonly onRevoked: (stream: ReceiverStream, ranges: readonly SeqRange[]) => void;
  /** The receiver's state of these belonged to another history of the stream: the seqs mean other messages now. */
  readonly onDiverged: (stream: ReceiverStream, ranges: readonly SeqRange[]) => void;
  readonly onProblem: (error: BrokerlessError) => void;
}

/**
 * The sessions of a receiver: puts messages from senders into the window of their stream, and reports to the senders
 * how they were settled.
 *
 * All effects of the receiving side of delivery are here: time, peers, and the state in the inbox.
 *
 * @see docs/decisions/0040-link-protocol.md
 */
export class ReceiveDriver {
  readonly #streams: ReceiverStreams;
  readonly #sessions: ReceiverSessions;
  /** The application's side. */
  readonly inFlight: InFlightMessages;
  readonly #intake: BatchIntake;
  readonly #refusals: Refusals;
  readonly #handshake: ReceiverHandshake;
  #closed = false;

  constructor(options: ReceiveDriverOptions) {
    const { hello, onProblem } = options;
    const streams = new ReceiverStreams({
      ...options,
      onExpired: (stream) => this.inFlight.expired(stream),
    });
    const sessions = new ReceiverSessions(
      {
        ...options,
        onPeer: (...happened) => {
          this.inFlight.changed();
          options.onPeer(...happened);
        },
      },
      streams,
    );
    this.#streams = streams;
    this.#sessions = sessions;
    const refusals = new Refusals({
      clock: options.clock,
      peers: "sender",
      sendTo: (peer, message) => sessions.sendTo(peer, message),
      onProblem,
    });
    const { waitingBytesMax } = streams;
    const headersMax = options.headersMax ?? Number.POSITIVE_INFINITY;
    this.#intake = new BatchIntake({ hello, waitingBytesMax, headersMax });
    const inFlight = new InFlightMessages({
      ...options,
      sessions,
      streams,
      prefetch: hello.prefetch,
    });
    this.#refusals = refusals;
    this.inFlight = inFlight;
    this.#handshake = new ReceiverHandshake({ ...options, sessions, streams, inFlight, refusals });
  }

  /** The senders of the open sessions. */
  list(): readonly Peer[] {
    return this.#sessions.list();
  }

  /** Open sessions (count). */
  get peers(): number {
    return this.#sessions.openCount;
  }

  get counts(): ReceiverCounts {
    let duplicates = 0;
    let waiting = 0;
    for (const { window } of this.#streams) {
      duplicates += window.duplicates;
      waiting += window.waitingCount + window.unackedCount;
    }
    const { frames, bytes } = this.#intake;
    const { framesRefused } = this.#handshake;
    return { frames, framesRefused, bytes, duplicates, waiting };
  }

  /** A connection initiated by this end is up: this end sends first. */
  onConnect(peer: LinkPeer): void {
    this.#sessions.ask(peer);
  }

  onMessage(peer: LinkPeer, parts: readonly Buffer[]): void {
    if (this.#closed) return;
    const message = readLinkMessage(parts, 2);
    if (typeof message === "string") {
      this.#handshake.refuse(peer, 1, message);
      return;
    }
    if ((parts.length === 2) !== (message.type === "data")) {
      this.#handshake.refuse(
        peer,
        message.session || 1,
        `${message.type} of ${parts.length} frames`,
      );
      return;
    }
    if (message.type === "offer") {
      this.#handshake.offered(peer, message);
      return;
    }
    if (message.type === "hello") {
      this.#handshake.refuse(peer, message.session, sameRole("receiver"));
      return;
    }
    const link = this.#sessions.of(peer);
    if (message.type === "refuse") {
      this.#handshake.refused(link, message);
      return;
    }
    if (link === undefined || link.session !== message.session) {
      // A message that was in transit when the session ended; only a sender without a session gets a reply.
      if (link !== undefined) return;
      this.#refusals.noSession(peer, message.session);
      peer.forget();
      return;
    }
    this.#sessions.heard(link);
    if (message.type === "welcome") {
      this.#handshake.welcomed(link, message);
      return;
    }
    const { stream } = link;
    if (stream === null) return;
    if (message.type === "data") this.#data(stream, message, parts[1]!);
    else this.#hear(link, stream, message);
  }

  onGone(peer: LinkPeer): void {
    const link = this.#sessions.of(peer);
    if (link !== undefined) this.#sessions.end(link);
    peer.close();
  }

  /** Some peer is gone: a send to each shows which one. */
  onSuspect(): void {
    for (const stream of this.#streams) this.#sessions.send(stream, { type: "extend" });
  }

  /** Sends the acks of processed messages now. @returns resolves when the transport has them */
  async flush(): Promise<void> {
    await this.inFlight.acks.flush([...this.#streams]);
  }

  /**
   * Gives waiting messages back, and sends `close`. With that, the messages still in flight at the application go to
   * other receivers: this receiver no longer holds them, and stores no effects of them.
   */
  close(): void {
    if (this.#closed) return;
    for (const stream of this.#streams) {
      const { window } = stream;
      this.#sessions.sendRanges(stream, { type: "release" }, window.release());
      this.#sessions.send(stream, { type: "close" });
      window.step({ type: "revoked", ranges: window.unacked() });
    }
    this.abandon();
  }

  /** Stops like a killed process: sends nothing. */
  abandon(): void {
    this.#closed = true;
    this.#sessions.stop();
    this.inFlight.stop();
  }

  #data(stream: ReceiverStream, message: LinkMessage, bytes: Buffer): void {
    const taken = this.#intake.take(stream, message, bytes);
    if (typeof taken === "string") {
      const { peer, session } = stream.link!;
      this.#handshake.refuse(peer, session, taken);
      return;
    }
    const range = { first: taken.seqFirst, last: taken.seqLast };
    if ((message.flags & LINK_FLAG.wantsReceived) !== 0) {
      this.#sessions.send(stream, { type: "received", ranges: [range] });
    }
    this.inFlight.arrived(stream, range);
  }

  #hear(link: ReceiverLink, stream: ReceiverStream, message: LinkMessage): void {
    if (message.type === "close") {
      if (message.argument === ARGUMENT_STREAM_ENDS) this.#streams.ended(stream);
      this.onGone(link.peer);
      return;
    }
    const event = windowEvent(message);
    if (event === null) {
      this.#handshake.refuse(link.peer, link.session, `a sender does not say ${message.type}`);
      return;
    }
    stream.window.step(event);
    this.inFlight.heard(stream, event);
  }
}
