import { Batch, checkBatch } from "../../../batch/batch.ts";
import type { Peer } from "../../../core/events/peer.ts";
import { nameOf } from "../../../delivery/protocol/epochs.ts";
import type { Rejection } from "../../../delivery/protocol/error-words.ts";
import { parseWelcome, type Welcome } from "../../../delivery/protocol/handshake.ts";
import {
  LINK_FLAG,
  type LinkMessage,
  type LinkMessageInput,
  WORD_GO,
  WORD_STREAM_ENDS,
} from "../../../delivery/protocol/link-message.ts";
import type { SeqRange } from "../../../delivery/range/range.ts";
import { without } from "../../../delivery/range/range-set.ts";
import type { WindowItem } from "../../../delivery/window/window-events.ts";
import { windowEvent } from "../../../delivery/window/window-events.ts";
import { BrokerlessError } from "../../../errors.ts";
import { peerLabel } from "../../../peer-text.ts";
import type { LinkPeer } from "../../../transport/link-peer.ts";
import { Refusals, readLinkMessage, sameRole } from "../../link/refusals.ts";
import { Guard } from "./guard.ts";
import { ReceiverAcks } from "./receiver-acks.ts";
import { ReceiverSessions, type ReceiverSessionsOptions } from "./receiver-sessions.ts";
import {
  type ReceiverCounts,
  type ReceiverLink,
  type ReceiverStream,
  senderOf,
} from "./receiver-stream.ts";
import { ReceiverStreams, type ReceiverStreamsOptions } from "./receiver-streams.ts";
import { ALL, Rejections } from "./rejections.ts";

/** What is said of a message that is to be tried again. */
export interface Nack {
  /** After so many ms, or `WORD_NONE`. */
  readonly word: number;
  /** The handler's error, encoded; or empty. */
  readonly text: string;
}

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
  /** What is done, and how the senders hear of it. */
  readonly acks: ReceiverAcks;
  readonly #rejections: Rejections;
  readonly #refusals: Refusals;
  readonly #guard: Guard;
  /** Streams that have something for the application, in the order of their turns. */
  readonly #waiting = new Set<ReceiverStream>();
  #frames = 0;
  #framesRefused = 0;
  #bytes = 0;
  #closed = false;

  constructor(options: ReceiveDriverOptions) {
    this.#options = options;
    const { memory, hello, onProblem } = options;
    const streams = new ReceiverStreams({
      ...options,
      onExpired: (stream) => this.#expire(stream),
    });
    const sessions = new ReceiverSessions(
      {
        ...options,
        onPeer: (...happened) => {
          this.#guard.answered();
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
    this.#rejections = new Rejections(sessions);
    this.#guard = new Guard({
      streams: () => streams,
      ask: (stream, ranges) => sessions.tell(stream, { type: "begun", word: WORD_GO, ranges }),
      sayDone: (stream) => this.acks.now(stream),
      onFree: () => options.onWaiting(),
    });
    this.acks = new ReceiverAcks({
      sessions,
      streams,
      memory,
      prefetch: hello.prefetch,
      onProblem,
      onDone: () => this.#guard.answered(),
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
    const [frames, bytes] = [this.#frames, this.#bytes];
    return { frames, framesRefused: this.#framesRefused, bytes, duplicates, waiting };
  }

  /** Whether a sender wants to hear soon what is begun: one of its receivers died, and it does not know of what. */
  get isWatched(): boolean {
    for (const { isWatched, link } of this.#streams) {
      if (isWatched && link !== null) return true;
    }
    return false;
  }

  /** The next messages for the application, of the streams round-robin; null when there are none. */
  next(
    countMax: number,
  ): { readonly stream: ReceiverStream; readonly item: WindowItem<Batch> } | null {
    for (const stream of this.#waiting) {
      if (this.#guard.isClosed(stream)) continue;
      const guarded = stream.window.guardedNext;
      if (guarded !== 0) {
        const may = this.#guard.next(stream, guarded);
        if (may === "nothing") return null;
        if (may === "others") continue;
      }
      this.#waiting.delete(stream);
      const item = stream.window.next(countMax);
      if (item === null) continue;
      if (guarded !== 0) this.#guard.enter(stream, guarded);
      if (stream.window.waitingCount > 0) this.#waiting.add(stream);
      return { stream, item };
    }
    return null;
  }

  /** Of a range that the application was given, it has in its hands what it has not answered for. */
  begun(stream: ReceiverStream, { first, last }: SeqRange): void {
    this.#sayBegun(stream, stream.window.heldOf(first, last));
  }

  /** The application has finished with messages. */
  done(stream: ReceiverStream, first: number, last: number): void {
    stream.window.step({ type: "done", first, last });
    if (stream.isEnded) this.#streams.review(stream);
    else this.acks.done(stream);
    this.#guard.answered();
  }

  /** The application gives messages back. */
  nack(stream: ReceiverStream, range: SeqRange, said: Nack): void {
    this.#giveBack(stream, range, { type: "nack", ...said });
    if (stream.window.waitingCount > 0) this.#waiting.add(stream);
    this.#guard.answered();
  }

  /** The application never wants to see a message again. */
  reject(stream: ReceiverStream, seq: number, rejection: Rejection): void {
    const isHeld = stream.window.holds(seq);
    stream.window.step({ type: "rejected", first: seq, last: seq });
    if (stream.isEnded) this.#streams.review(stream);
    this.#guard.answered();
    if (!isHeld) return;
    this.#rejections.add(stream, seq, rejection);
    this.#rejections.say(stream, { first: seq, last: seq });
  }

  /** The application gives back what it has not looked at. */
  release(stream: ReceiverStream, range: SeqRange): void {
    this.#giveBack(stream, range, { type: "release" });
  }

  /** The application needs longer. */
  extend(stream: ReceiverStream, seq: number, ms: number): void {
    if (!stream.window.holds(seq)) return;
    this.#sessions.tell(stream, { type: "extend", word: ms, ranges: [{ first: seq, last: seq }] });
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
    if (message.type === "data") this.#data(link, stream, { message, bytes: parts[1]! });
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
    await this.acks.flush([...this.#streams]);
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
    this.acks.close();
    this.#waiting.clear();
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
    const claimed = this.acks.claim(link, stream);
    const parted = stream.window.takeVoid();
    void claimed.then(() => {
      this.#sessions.tellRanges(stream, { type: "diverged" }, parted);
      this.#rejections.say(stream, ALL);
      this.#sayInHand(stream);
      this.#wake(stream);
      this.#guard.answered();
    });
    // Where history parted seqs are given anew: the application's are not the sender's any more.
    this.#options.onLost(stream, without(held, stream.window.inHand()));
    this.#guard.answered();
    if (parted.length > 0) this.#options.onDiverged(stream, parted);
    this.#options.onPeer("peer", senderOf(link, stream), this.#sessions.openCount);
  }

  /** What of the sender's is in the application's hands: it may not have heard of it. */
  #sayInHand(stream: ReceiverStream): void {
    const untouched = this.#options.untouched().filter((one) => one.stream === stream);
    const ranges = untouched.map(({ range }) => range);
    this.#sayBegun(stream, without(stream.window.inHand(), ranges));
  }

  #sayBegun(stream: ReceiverStream, ranges: readonly SeqRange[]): void {
    if (ranges.length > 0) this.#sessions.tellRanges(stream, { type: "begun" }, ranges);
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

  #data(
    link: ReceiverLink,
    stream: ReceiverStream,
    { message, bytes }: { readonly message: LinkMessage; readonly bytes: Buffer },
  ): void {
    const fault = checkBatch(bytes);
    if (fault !== null) {
      this.#refuse(link.peer, link.session, `a batch: ${fault}`);
      return;
    }
    const batch = new Batch(bytes);
    const { seqFirst: first, seqLast: last } = batch;
    if (batch.stream !== stream.id || batch.epoch > stream.welcome.epochs.at(-1)!.epoch) {
      this.#refuse(link.peer, link.session, "a batch of another stream or epoch");
      return;
    }
    const { window } = stream;
    // Twice, since what we gave back and the sender has not heard of counts for us, not for it.
    const room = this.#options.hello.prefetch * 2 + window.unsaidCount;
    if (window.waitingCount + window.inHandCount + batch.count > room) {
      this.#refuse(link.peer, link.session, "more messages than the prefetch allows");
      return;
    }
    if (window.waitingBytes >= this.#streams.waitingBytesMax) {
      const { prefetchBytesMax } = this.#options.hello;
      const text = `${window.waitingBytes} bytes wait, and prefetchBytesMax is ${prefetchBytesMax}`;
      this.#refuse(link.peer, link.session, `more than was granted: ${text}`);
      return;
    }
    this.#frames += 1;
    this.#bytes += bytes.length;
    window.step({ type: "news", acks: message.number, floor: 0 });
    stream.isWatched = (message.flags & LINK_FLAG.watched) !== 0;
    const guarded = (message.flags & LINK_FLAG.guarded) !== 0;
    window.step({ type: "data", first, last, attempt: message.word, guarded, batch });
    if ((message.flags & LINK_FLAG.receipt) !== 0) {
      this.#sessions.tell(stream, { type: "receipt", ranges: [{ first, last }] });
    }
    this.#rejections.say(stream, { first, last });
    this.acks.soon(stream);
    this.#wake(stream);
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
    if (event.type === "go") this.#guard.go(stream, event.ranges);
    if (event.type === "news") this.#rejections.forget(stream);
    if (event.type === "lost") {
      this.#options.onLost(stream, event.ranges);
      this.#guard.lost(stream, event.ranges);
    } else this.#wake(stream);
  }

  #wake(stream: ReceiverStream): void {
    if (stream.window.waitingCount === 0) return;
    this.#waiting.add(stream);
    this.#options.onWaiting();
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

  /** The sender has given to others by now what we did not come back for. */
  #expire(stream: ReceiverStream): void {
    const ranges = [...stream.window.release(), ...stream.window.inHand()];
    stream.window.step({ type: "lost", ranges });
    this.#waiting.delete(stream);
    if (ranges.length > 0) this.#options.onLost(stream, ranges);
    this.#guard.forget(stream);
    this.#options.onWaiting();
  }

  #giveBack(
    stream: ReceiverStream,
    { first, last }: SeqRange,
    message: Omit<LinkMessageInput, "session">,
  ): void {
    const ranges = stream.window.heldOf(first, last);
    stream.window.step({ type: "returned", first, last });
    this.#sessions.tellRanges(stream, message, ranges);
    if (stream.isEnded) this.#streams.review(stream);
  }
}
