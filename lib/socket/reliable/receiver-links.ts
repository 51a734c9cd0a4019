import { Batch, checkBatch } from "../../batch/batch.ts";
import { parseWelcome } from "../../delivery/handshake.ts";
import {
  decodeLinkMessage,
  LINK_FLAG,
  type LinkMessage,
  type LinkMessageInput,
} from "../../delivery/link-message.ts";
import type { SeqRange } from "../../delivery/range.ts";
import { without } from "../../delivery/range-set.ts";
import { windowEvent } from "../../delivery/sender-words.ts";
import type { WindowItem } from "../../delivery/window-events.ts";
import { BrokerlessError } from "../../errors.ts";
import type { LinkPeer } from "../../transport/link-hub.ts";
import { ReceiverAcks } from "./receiver-acks.ts";
import { ReceiverSessions, type ReceiverSessionsOptions } from "./receiver-sessions.ts";
import type { ReceiverCounts, ReceiverLink, ReceiverStream } from "./receiver-stream.ts";
import { ALL, Rejections } from "./rejections.ts";

/** What {@link ReceiverLinks} are made of. */
export interface ReceiverLinksOptions extends Omit<ReceiverSessionsOptions, "onExpired"> {
  /** Messages wait for the application. */
  readonly onWaiting: () => void;
  /** The sender has given, or will give, these to others. */
  readonly onLost: (stream: ReceiverStream, ranges: readonly SeqRange[]) => void;
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
export class ReceiverLinks {
  readonly #options: ReceiverLinksOptions;
  readonly #sessions: ReceiverSessions;
  /** What is done, and how the senders hear of it. */
  readonly acks: ReceiverAcks;
  readonly #rejections: Rejections;
  /** Streams that have something for the application, in the order of their turns. */
  readonly #waiting = new Set<ReceiverStream>();
  #frames = 0;
  #framesRefused = 0;
  #bytes = 0;
  #closed = false;

  constructor(options: ReceiverLinksOptions) {
    this.#options = options;
    const { memory, hello, onProblem } = options;
    const onExpired = (stream: ReceiverStream) => this.#expire(stream);
    const sessions = new ReceiverSessions({ ...options, onExpired });
    this.#sessions = sessions;
    this.#rejections = new Rejections(sessions);
    this.acks = new ReceiverAcks({ sessions, memory, prefetch: hello.prefetch, onProblem });
  }

  /** Sessions that messages may come over (count). */
  get peers(): number {
    return this.#sessions.openCount;
  }

  get counts(): ReceiverCounts {
    let duplicates = 0;
    let waiting = 0;
    for (const { window } of this.#sessions.streams) {
      duplicates += window.duplicates;
      waiting += window.waitingCount + window.inHandCount;
    }
    const [frames, bytes] = [this.#frames, this.#bytes];
    return { frames, framesRefused: this.#framesRefused, bytes, duplicates, waiting };
  }

  /** The next messages for the application, of the streams in turn; null when there are none. */
  next(
    countMax: number,
  ): { readonly stream: ReceiverStream; readonly item: WindowItem<Batch> } | null {
    for (const stream of this.#waiting) {
      this.#waiting.delete(stream);
      const item = stream.window.next(countMax);
      if (item === null) continue;
      if (stream.window.waitingCount > 0) this.#waiting.add(stream);
      return { stream, item };
    }
    return null;
  }

  /** The application has finished with messages. */
  done(stream: ReceiverStream, first: number, last: number): void {
    stream.window.step({ type: "done", first, last });
    this.acks.done(stream);
  }

  /** The application gives messages back. @param word ms, or `WORD_NONE` */
  nack(stream: ReceiverStream, range: SeqRange, word: number): void {
    this.#giveBack(stream, range, { type: "nack", word });
    if (stream.window.waitingCount > 0) this.#waiting.add(stream);
  }

  /** The application never wants to see a message again. */
  reject(stream: ReceiverStream, seq: number, text: string): void {
    const isHeld = stream.window.holds(seq);
    stream.window.step({ type: "rejected", first: seq, last: seq });
    if (!isHeld) return;
    stream.reasons.set(seq, text === "" ? "rejected" : text);
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
    const message = parts.length === 1 || parts.length === 2 ? decodeLinkMessage(parts[0]!) : null;
    if (message === null || "fault" in message) {
      const fault = message === null ? `it has ${parts.length} frames` : message.fault;
      this.#refuse(peer, 1, `not a message of the link protocol: ${fault}`);
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
    const link = this.#sessions.of(peer);
    if (message.type === "refuse") {
      this.#refused(link, message);
      return;
    }
    if (link === undefined || link.session !== message.session) {
      // What was on its way when the session ended; only a sender that does not know it is told.
      if (link !== undefined) return;
      const text = "no such session: it has ended, or never was";
      this.#sessions.say(peer, { type: "refuse", session: message.session, text });
      peer.forget();
      return;
    }
    link.heardMs = this.#options.clock.nowMs();
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
    for (const stream of this.#sessions.streams) this.#sessions.tell(stream, { type: "extend" });
  }

  /** Says what is done now. @returns resolves when that is with the transport */
  async flush(): Promise<void> {
    await this.acks.flush([...this.#sessions.streams]);
  }

  /** Gives back what waits, and says good-bye. */
  close(): void {
    if (this.#closed) return;
    for (const stream of this.#sessions.streams) {
      this.#sessions.tellRanges(stream, { type: "release" }, stream.window.release());
      this.#sessions.tell(stream, { type: "bye" });
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
    const welcome = parseWelcome(text);
    if (typeof welcome === "string") {
      this.#refuse(peer, 1, `offer: ${welcome}`);
      return;
    }
    this.#sessions.ask(peer);
  }

  #welcomed(link: ReceiverLink, { text }: LinkMessage): void {
    if (link.stream !== null) return;
    const stream = this.#sessions.open(link, text);
    if (typeof stream === "string") {
      this.#refuse(link.peer, link.session, stream);
      return;
    }
    const held = stream.window.inHand();
    void this.acks.claim(link, stream).then(() => this.#rejections.say(stream, ALL));
    // A newer epoch gives seqs anew: the application's are not the sender's any more.
    this.#options.onLost(stream, without(held, stream.window.inHand()));
    this.#options.onPeer("peer", link.peer.address, this.#sessions.openCount);
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
    if (batch.stream !== stream.id || batch.epoch > stream.welcome.epoch) {
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
    this.#frames += 1;
    this.#bytes += bytes.length;
    window.step({ type: "news", acks: message.number, floor: 0 });
    window.step({ type: "data", first, last, attempt: message.word, batch });
    if ((message.flags & LINK_FLAG.receipt) !== 0) {
      this.#sessions.tell(stream, { type: "receipt", ranges: [{ first, last }] });
    }
    this.#rejections.say(stream, { first, last });
    this.acks.soon(stream);
    this.#wake(stream);
  }

  #hear(link: ReceiverLink, stream: ReceiverStream, message: LinkMessage): void {
    if (message.type === "bye") {
      this.onGone(link.peer);
      return;
    }
    const event = windowEvent(message);
    if (event === null) {
      this.#refuse(link.peer, link.session, `a sender does not say ${message.type}`);
      return;
    }
    stream.window.step(event);
    if (event.type === "news") this.#rejections.forget(stream);
    if (event.type === "lost") this.#options.onLost(stream, event.ranges);
    else this.#wake(stream);
  }

  #wake(stream: ReceiverStream): void {
    if (stream.window.waitingCount === 0) return;
    this.#waiting.add(stream);
    this.#options.onWaiting();
  }

  #refused(link: ReceiverLink | undefined, { session, text }: LinkMessage): void {
    if (link === undefined || link.session !== session) return;
    const hadSession = link.stream !== null;
    this.#sessions.close(link);
    this.#options.onProblem(
      new BrokerlessError("BROKERLESS_PROTOCOL", `refused by a peer: ${text}`),
    );
    // A session may end for many reasons; one that never began was refused for what we are.
    if (hadSession) this.#sessions.ask(link.peer);
    else this.#sessions.forget(link);
  }

  /** Says why, on both sides, and ends the session. */
  #refuse(peer: LinkPeer, session: number, text: string): void {
    this.#framesRefused += 1;
    this.#sessions.say(peer, { type: "refuse", session, text });
    const link = this.#sessions.of(peer);
    if (link === undefined) peer.forget();
    else this.#sessions.forget(link);
    this.#options.onProblem(new BrokerlessError("BROKERLESS_PROTOCOL", `refused a peer: ${text}`));
  }

  /** The sender has given to others by now what we did not come back for. */
  #expire(stream: ReceiverStream): void {
    const ranges = [...stream.window.release(), ...stream.window.inHand()];
    stream.window.step({ type: "lost", ranges });
    this.#waiting.delete(stream);
    if (ranges.length > 0) this.#options.onLost(stream, ranges);
  }

  #giveBack(
    stream: ReceiverStream,
    { first, last }: SeqRange,
    message: Omit<LinkMessageInput, "session">,
  ): void {
    const ranges = stream.window.heldOf(first, last);
    stream.window.step({ type: "returned", first, last });
    this.#sessions.tellRanges(stream, message, ranges);
  }
}
