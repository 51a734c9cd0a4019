import type { Peer } from "../../../core/events/peer.ts";
import { nameOf } from "../../../delivery/protocol/epochs.ts";
import { parseWelcome, type Welcome } from "../../../delivery/protocol/handshake.ts";
import {
  LINK_FLAG,
  type LinkMessage,
  WORD_STREAM_ENDS,
} from "../../../delivery/protocol/link-message.ts";
import type { SeqRange } from "../../../delivery/range/range.ts";
import { without } from "../../../delivery/range/range-set.ts";
import { windowEvent } from "../../../delivery/window/window-events.ts";
import { BrokerlessError } from "../../../errors.ts";
import { peerLabel } from "../../../peer-text.ts";
import type { LinkPeer } from "../../../transport/link-peer.ts";
import { Refusals, readLinkMessage, sameRole } from "../../link/refusals.ts";
import { BatchIntake } from "./batch-intake.ts";
import { InFlightMessages } from "./in-flight-messages.ts";
import { ReceiverSessions, type ReceiverSessionsOptions } from "./receiver-sessions.ts";
import {
  type ReceiverCounts,
  type ReceiverLink,
  type ReceiverStream,
  senderOf,
} from "./receiver-stream.ts";
import { ReceiverStreams, type ReceiverStreamsOptions } from "./receiver-streams.ts";

/** Dependencies of {@link ReceiveDriver}. */
export interface ReceiveDriverOptions
  extends ReceiverSessionsOptions,
    Omit<ReceiverStreamsOptions, "onExpired" | "hello"> {
  /** Messages wait for the application. */
  readonly onWaiting: () => void;
  /** The sender has given, or will give, these to others. */
  readonly onLost: (stream: ReceiverStream, ranges: readonly SeqRange[]) => void;
  /** What was known of these is of another history of the stream: they mean other messages now. */
  readonly onDiverged: (stream: ReceiverStream, ranges: readonly SeqRange[]) => void;
  readonly onProblem: (error: BrokerlessError) => void;
}

/**
 * A receiver's sessions: takes what senders send to the window of their stream, and tells them what became
 * of it.
 *
 * All effects of the receiving side of delivery are here: time, peers, and the memory in the inbox.
 *
 * @see docs/decisions/0040-link-protocol.md
 */
export class ReceiveDriver {
  readonly #options: ReceiveDriverOptions;
  readonly #streams: ReceiverStreams;
  readonly #sessions: ReceiverSessions;
  /** The application's side. */
  readonly inFlight: InFlightMessages;
  readonly #intake: BatchIntake;
  readonly #refusals: Refusals;
  #framesRefused = 0;
  #closed = false;

  constructor(options: ReceiveDriverOptions) {
    this.#options = options;
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
    this.#refusals = new Refusals({
      clock: options.clock,
      peers: "sender",
      say: (peer, message) => sessions.say(peer, message),
      onProblem,
    });
    this.#intake = new BatchIntake({ hello, waitingBytesMax: streams.waitingBytesMax });
    this.inFlight = new InFlightMessages({
      ...options,
      sessions,
      streams,
      prefetch: hello.prefetch,
    });
  }

  /** The senders of the sessions that messages may come over. */
  list(): readonly Peer[] {
    return this.#sessions.list();
  }

  /** Sessions that messages may come over (count). */
  get peers(): number {
    return this.#sessions.openCount;
  }

  get counts(): ReceiverCounts {
    let duplicates = 0;
    let waiting = 0;
    for (const { window } of this.#streams) {
      duplicates += window.duplicates;
      waiting += window.waitingCount + window.inHandCount;
    }
    const { frames, bytes } = this.#intake;
    return { frames, framesRefused: this.#framesRefused, bytes, duplicates, waiting };
  }

  /** A connection of our making is up: we speak first. */
  onConnect(peer: LinkPeer): void {
    this.#sessions.ask(peer);
  }

  onMessage(peer: LinkPeer, parts: readonly Buffer[]): void {
    if (this.#closed) return;
    const message = readLinkMessage(parts, 2);
    if (typeof message === "string") {
      this.#refuse(peer, 1, message);
      return;
    }
    if ((parts.length === 2) !== (message.type === "data")) {
      this.#refuse(peer, message.session || 1, `${message.type} of ${parts.length} frames`);
      return;
    }
    if (message.type === "offer") {
      this.#offered(peer, message);
      return;
    }
    if (message.type === "hello") {
      this.#refuse(peer, message.session, sameRole("receiver"));
      return;
    }
    const link = this.#sessions.of(peer);
    if (message.type === "refuse") {
      this.#refused(link, message);
      return;
    }
    if (link === undefined || link.session !== message.session) {
      // What was on its way when the session ended; only a sender that does not know it is told.
      if (link !== undefined) return;
      this.#refusals.noSession(peer, message.session);
      peer.forget();
      return;
    }
    this.#sessions.heard(link);
    if (message.type === "welcome") {
      this.#welcomed(link, message);
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

  /** Somebody is gone: who, is seen by speaking to each. */
  onSuspect(): void {
    for (const stream of this.#streams) this.#sessions.tell(stream, { type: "extend" });
  }

  /** Says what is done now. @returns resolves when that is with the transport */
  async flush(): Promise<void> {
    await this.inFlight.acks.flush([...this.#streams]);
  }

  /**
   * Gives back what waits, and says good-bye. What the application still has in its hands goes to others with that: it
   * is this receiver's no more, and an effect of it is not stored.
   */
  close(): void {
    if (this.#closed) return;
    for (const stream of this.#streams) {
      const { window } = stream;
      this.#sessions.tellRanges(stream, { type: "release" }, window.release());
      this.#sessions.tell(stream, { type: "bye" });
      window.step({ type: "lost", ranges: window.inHand() });
    }
    this.abandon();
  }

  /** Stops as a process does that is killed: without a word. */
  abandon(): void {
    this.#closed = true;
    this.#sessions.stop();
    this.inFlight.stop();
  }

  #offered(peer: LinkPeer, { text }: LinkMessage): void {
    if (!this.#refusals.allows(peer)) return;
    const welcome = parseWelcome(text);
    if (typeof welcome === "string") {
      this.#refuse(peer, 1, `offer: ${welcome}`);
      return;
    }
    peer.name = welcome.name ?? null;
    this.#sessions.ask(peer);
  }

  #welcomed(link: ReceiverLink, { text }: LinkMessage): void {
    if (link.stream !== null) {
      this.#sessions.answered(link);
      return;
    }
    const welcome = this.#sessions.check(link.peer, text);
    if (typeof welcome === "string") {
      this.#refuse(link.peer, link.session, welcome);
      return;
    }
    const lack = this.#streams.lackFor(welcome);
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
    const held = stream.window.inHand();
    const claimed = this.inFlight.acks.claim(link, stream);
    const parted = stream.window.takeVoid();
    void claimed.then(() => {
      this.#sessions.tellRanges(stream, { type: "diverged" }, parted);
      this.inFlight.resume(stream);
    });
    // Where history parted seqs are given anew: the application's are not the sender's any more.
    this.#options.onLost(stream, without(held, stream.window.inHand()));
    this.inFlight.changed();
    if (parted.length > 0) this.#options.onDiverged(stream, parted);
    this.#options.onPeer("peer", senderOf(link, stream), this.#sessions.openCount);
  }

  /** Another sender has the stream, and is there. */
  #refuseRival(link: ReceiverLink, { stream, epochs }: Welcome, rival: ReceiverLink): void {
    const one = `${peerLabel(rival.peer)} (${nameOf(rival.stream?.welcome.epochs ?? [])})`;
    const other = `${peerLabel(link.peer)} (${nameOf(epochs)})`;
    const text = `stream ${stream} has a sender that is there, ${one}, and another one asks for it, ${other}`;
    const { peer, session } = link;
    this.#refusals.refuseRival(peer, session, text);
    this.#sessions.requests.defer(link, stream);
  }

  #data(stream: ReceiverStream, message: LinkMessage, bytes: Buffer): void {
    const taken = this.#intake.take(stream, message, bytes);
    if (typeof taken === "string") {
      const { peer, session } = stream.link!;
      this.#refuse(peer, session, taken);
      return;
    }
    const range = { first: taken.seqFirst, last: taken.seqLast };
    if ((message.flags & LINK_FLAG.receipt) !== 0) {
      this.#sessions.tell(stream, { type: "receipt", ranges: [range] });
    }
    this.inFlight.arrived(stream, range);
  }

  #hear(link: ReceiverLink, stream: ReceiverStream, message: LinkMessage): void {
    if (message.type === "bye") {
      if (message.word === WORD_STREAM_ENDS) this.#streams.ended(stream);
      this.onGone(link.peer);
      return;
    }
    const event = windowEvent(message);
    if (event === null) {
      this.#refuse(link.peer, link.session, `a sender does not say ${message.type}`);
      return;
    }
    stream.window.step(event);
    this.inFlight.heard(stream, event);
  }

  #refused(link: ReceiverLink | undefined, message: LinkMessage): void {
    if (link === undefined || link.session !== message.session) return;
    const hadSession = link.stream !== null;
    this.#sessions.close(link);
    const isRival = this.#refusals.refused(link.peer, message);
    // A session may end for many reasons; one that never began was refused for what we are.
    if (isRival) this.#sessions.requests.defer(link, "");
    else if (!hadSession) this.#sessions.forget(link);
    else if (this.#refusals.allows(link.peer)) this.#sessions.ask(link.peer);
    else this.#sessions.requests.askLater(link);
  }

  /** Says why, on both sides, and ends the session. */
  #refuse(peer: LinkPeer, session: number, text: string): void {
    this.#framesRefused += 1;
    const link = this.#sessions.of(peer);
    this.#refusals.refuse(peer, session, text);
    if (link === undefined) peer.forget();
    else this.#sessions.forget(link);
  }
}
