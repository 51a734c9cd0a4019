import type { Peer } from "../../../core/events/peer.ts";
import { parseWelcome, type Welcome } from "../../../delivery/protocol/handshake.ts";
import { incarnationLabel } from "../../../delivery/protocol/incarnations.ts";
import type { LinkMessage } from "../../../delivery/protocol/link-message.ts";
import type { SeqRange } from "../../../delivery/range/range.ts";
import { without } from "../../../delivery/range/range-set.ts";
import { BrokerlessError } from "../../../errors.ts";
import { peerLabel } from "../../../peer-text.ts";
import type { LinkPeer } from "../../../transport/link-peer.ts";
import type { Refusals } from "../../link/refusals.ts";
import type { InFlightMessages } from "./in-flight-messages.ts";
import type { ReceiverSessions } from "./receiver-sessions.ts";
import { type ReceiverLink, type ReceiverStream, senderOf } from "./receiver-stream.ts";
import type { ReceiverStreams } from "./receiver-streams.ts";

/** Dependencies of {@link ReceiverHandshake}. */
export interface ReceiverHandshakeOptions {
  readonly sessions: ReceiverSessions;
  readonly streams: ReceiverStreams;
  readonly inFlight: InFlightMessages;
  readonly refusals: Refusals;
  /** A session began. */
  readonly onPeer: (type: "peer", peer: Peer, peers: number) => void;
  /** The sender has given, or will give, these messages to other receivers. */
  readonly onRevoked: (stream: ReceiverStream, ranges: readonly SeqRange[]) => void;
  /** The receiver's state of these belonged to another history of the stream: the seqs mean other messages now. */
  readonly onDiverged: (stream: ReceiverStream, ranges: readonly SeqRange[]) => void;
  readonly onProblem: (error: BrokerlessError) => void;
}

/**
 * The start of sessions with senders, and the reasons for refusing one: an offer, a hello, a welcome, a claim; one
 * sender for each stream.
 *
 * @see docs/decisions/0040-link-protocol.md
 */
export class ReceiverHandshake {
  readonly #options: ReceiverHandshakeOptions;
  readonly #sessions: ReceiverSessions;
  readonly #refusals: Refusals;
  #framesRefused = 0;

  constructor(options: ReceiverHandshakeOptions) {
    this.#options = options;
    this.#sessions = options.sessions;
    this.#refusals = options.refusals;
  }

  /** Messages of senders that were refused (count). */
  get framesRefused(): number {
    return this.#framesRefused;
  }

  /** A sender sends first: it offers a session, for which this receiver has to ask. */
  offered(peer: LinkPeer, { text }: LinkMessage): void {
    if (!this.#refusals.allows(peer)) return;
    const welcome = parseWelcome(text);
    if (typeof welcome === "string") {
      this.refuse(peer, 1, `offer: ${welcome}`);
      return;
    }
    peer.name = welcome.name ?? null;
    this.#sessions.ask(peer);
  }

  /** A sender accepts: the session begins, if there is room for its stream and no other sender has it. */
  welcomed(link: ReceiverLink, { text }: LinkMessage): void {
    if (link.stream !== null) {
      this.#sessions.replied(link);
      return;
    }
    const welcome = this.#sessions.check(link.peer, text);
    if (typeof welcome === "string") {
      this.refuse(link.peer, link.session, welcome);
      return;
    }
    const lack = this.#options.streams.lackFor(welcome);
    if (lack !== null) {
      if (link.postponed === 0)
        this.#options.onProblem(new BrokerlessError("BROKERLESS_FULL", lack));
      this.#sessions.postpone(link, lack);
      return;
    }
    this.#sessions.seek(link, welcome, (rival) => {
      if (rival === null) this.#open(link, welcome);
      else this.#refuseRival(link, welcome, rival);
    });
  }

  #open(link: ReceiverLink, welcome: Welcome): void {
    const stream = this.#sessions.open(link, welcome);
    const held = stream.window.unacked();
    const claimed = this.#options.inFlight.acks.claim(link, stream);
    const diverged = stream.window.takeVoid();
    void claimed.then(() => {
      this.#sessions.sendRanges(stream, { type: "diverged" }, diverged);
      this.#options.inFlight.resume(stream);
    });
    // Where histories diverge, seqs are reused: the messages held by the application are no longer the sender's.
    this.#options.onRevoked(stream, without(held, stream.window.unacked()));
    this.#options.inFlight.changed();
    if (diverged.length > 0) this.#options.onDiverged(stream, diverged);
    this.#options.onPeer("peer", senderOf(link, stream), this.#sessions.openCount);
  }

  /** Another sender has the stream, and is present. */
  #refuseRival(link: ReceiverLink, { stream, incarnations }: Welcome, rival: ReceiverLink): void {
    const one = `${peerLabel(rival.peer)} (${incarnationLabel(rival.stream?.welcome.incarnations ?? [])})`;
    const other = `${peerLabel(link.peer)} (${incarnationLabel(incarnations)})`;
    const text = `stream ${stream} has a sender that is there, ${one}, and another one asks for it, ${other}`;
    const { peer, session } = link;
    this.#refusals.refuseRival(peer, session, text);
    this.#sessions.requests.defer(link, stream);
  }

  /** A sender refuses this end. */
  refused(link: ReceiverLink | undefined, message: LinkMessage): void {
    if (link === undefined || link.session !== message.session) return;
    const hadSession = link.stream !== null;
    this.#sessions.close(link);
    const isRival = this.#refusals.refused(link.peer, message);
    // A session may end for many reasons; one that never began was refused because of what this end is.
    if (isRival) this.#sessions.requests.defer(link, "");
    else if (!hadSession) this.#sessions.forget(link);
    else if (this.#refusals.allows(link.peer)) this.#sessions.ask(link.peer);
    else this.#sessions.requests.askLater(link);
  }

  /** Reports the reason on both sides, and ends the session. */
  refuse(peer: LinkPeer, session: number, text: string): void {
    this.#framesRefused += 1;
    const link = this.#sessions.of(peer);
    this.#refusals.refuse(peer, session, text);
    if (link === undefined) peer.forget();
    else this.#sessions.forget(link);
  }
}
