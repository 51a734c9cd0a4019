import { Batch, checkBatch } from "../../batch/batch.ts";
import type { Clock } from "../../clock.ts";
import { type Hello, parseWelcome, type Welcome } from "../../delivery/handshake.ts";
import {
  decodeLinkMessage,
  encodeLinkMessage,
  LINK_FLAG,
  type LinkMessage,
  type LinkMessageInput,
  RANGES_MAX,
} from "../../delivery/link-message.ts";
import type { SeqRange } from "../../delivery/range.ts";
import { Window } from "../../delivery/window.ts";
import type { WindowItem } from "../../delivery/window-events.ts";
import { BrokerlessError } from "../../errors.ts";
import type { LinkPeer } from "../../transport/link-hub.ts";
import type { InboxMemory } from "./inbox-memory.ts";
import type { ReceiverLink, ReceiverStream } from "./receiver-stream.ts";

/** What {@link ReceiverLinks} are made of. */
export interface ReceiverLinksOptions {
  readonly clock: Clock;
  /** A random whole number from 1 to 2^53 - 1. */
  readonly session: () => number;
  readonly hello: Hello;
  readonly heartbeatMs: number;
  /** Where it is remembered what was done; null: in memory alone. */
  readonly memory: InboxMemory | null;
  /** Messages of the application's that are not yet looked at, to be kept for it. */
  readonly untouched: () => readonly {
    readonly stream: ReceiverStream;
    readonly range: SeqRange;
  }[];
  /** Messages wait for the application. */
  readonly onWaiting: () => void;
  readonly onPeer: (type: "peer" | "peerLost", address: string, peers: number) => void;
  /** The sender has given, or will give, these to others. */
  readonly onLost: (stream: ReceiverStream, ranges: readonly SeqRange[]) => void;
  readonly onProblem: (error: BrokerlessError) => void;
}

/** First wait for an answer to a hello; it doubles (milliseconds). */
const HELLO_MS = 1_000;
const HELLO_MS_MAX = 30_000;
/** A sender that was silent for so many of its heartbeats is gone (count). */
const HEARTBEATS_MISSED_MAX = 3;
/** Streams that are remembered without a session (count). */
const STREAMS_IDLE_MAX = 1_024;
/** Acks are said at once when so much of the prefetch is unsaid, else at the end of the turn (part of 1). */
const ACK_SHARE = 0.25;

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
  readonly #links = new Map<LinkPeer, ReceiverLink>();
  readonly #streams = new Map<string, ReceiverStream>();
  /** Streams that have something for the application, in the order of their turns. */
  readonly #waiting = new Set<ReceiverStream>();
  #openCount = 0;
  #cancelBeat: (() => void) | null = null;
  #frames = 0;
  #framesRefused = 0;
  #bytes = 0;
  #closed = false;

  constructor(options: ReceiverLinksOptions) {
    this.#options = options;
    this.#beat();
  }

  /** Sessions that messages may come over (count). */
  get peers(): number {
    return this.#openCount;
  }

  /** Counters: frames and bytes received, frames refused, duplicates kept away, messages waiting. */
  get counts(): {
    readonly frames: number;
    readonly framesRefused: number;
    readonly bytes: number;
    readonly duplicates: number;
    readonly waiting: number;
  } {
    let duplicates = 0;
    let waiting = 0;
    for (const { window } of this.#streams.values()) {
      duplicates += window.duplicates;
      waiting += window.waitingCount + window.inHandCount;
    }
    const [frames, framesRefused, bytes] = [this.#frames, this.#framesRefused, this.#bytes];
    return { frames, framesRefused, bytes, duplicates, waiting };
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
    this.#ackSoon(stream);
  }

  /** The application gives messages back. @param word ms, or `WORD_NONE` */
  nack(stream: ReceiverStream, range: SeqRange, word: number): void {
    this.#giveBack(stream, range, { type: "nack", word });
    if (stream.window.waitingCount > 0) this.#waiting.add(stream);
  }

  /** The application never wants to see a message again. */
  reject(stream: ReceiverStream, seq: number, text: string): void {
    if (stream.window.holds(seq)) {
      const ranges = [{ first: seq, last: seq }];
      this.#tell(stream, { type: "reject", text: text === "" ? "rejected" : text, ranges });
    }
    stream.window.step({ type: "rejected", first: seq, last: seq });
  }

  /** The application gives back what it has not looked at. */
  release(stream: ReceiverStream, range: SeqRange): void {
    this.#giveBack(stream, range, { type: "release" });
  }

  /** The application needs longer. */
  extend(stream: ReceiverStream, seq: number, ms: number): void {
    if (!stream.window.holds(seq)) return;
    this.#tell(stream, { type: "extend", word: ms, ranges: [{ first: seq, last: seq }] });
  }

  /** A connection of our making is up: we speak first. */
  onConnect(peer: LinkPeer): void {
    this.#sayHello(this.#linkOf(peer));
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
    const link = this.#links.get(peer);
    if (message.type === "refuse") {
      this.#refused(link, message);
      return;
    }
    if (link === undefined || link.session !== message.session) {
      // What was on its way when the session ended; only a sender that does not know it is told.
      if (link !== undefined) return;
      const text = "no such session: it has ended, or never was";
      this.#say(peer, { type: "refuse", session: message.session, text });
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
    const link = this.#links.get(peer);
    if (link !== undefined) this.#end(link);
    peer.close();
  }

  /** Somebody is gone: who, is seen by speaking to each. */
  onSuspect(): void {
    for (const { peer, session, stream } of this.#links.values()) {
      if (stream !== null) this.#say(peer, { type: "extend", session });
    }
  }

  /** Says what is done now. @returns resolves when that is with the transport */
  async flush(): Promise<void> {
    const streams = [...this.#streams.values()];
    await Promise.all(streams.map((stream) => this.#ack(stream)));
  }

  /** Gives back what waits, and says good-bye. */
  close(): void {
    if (this.#closed) return;
    for (const stream of this.#streams.values()) {
      const ranges = stream.window.release();
      for (let at = 0; at < ranges.length; at += RANGES_MAX) {
        this.#tell(stream, { type: "release", ranges: ranges.slice(at, at + RANGES_MAX) });
      }
      this.#tell(stream, { type: "bye" });
    }
    this.abandon();
  }

  /** Stops as a process does that is killed: without a word. */
  abandon(): void {
    this.#closed = true;
    for (const link of this.#links.values()) link.cancelRetry?.();
    for (const stream of this.#streams.values()) stream.cancelGrace?.();
    this.#cancelBeat?.();
    this.#waiting.clear();
  }

  #linkOf(peer: LinkPeer): ReceiverLink {
    let link = this.#links.get(peer);
    if (link === undefined) {
      const heardMs = this.#options.clock.nowMs();
      const session = 0;
      link = { peer, session, stream: null, acks: 0, heardMs, cancelRetry: null, hellos: 0 };
      this.#links.set(peer, link);
    }
    return link;
  }

  #offered(peer: LinkPeer, { text }: LinkMessage): void {
    const welcome = parseWelcome(text);
    if (typeof welcome === "string") {
      this.#refuse(peer, 1, `offer: ${welcome}`);
      return;
    }
    const link = this.#linkOf(peer);
    // An offer on a connection that has a session: the sender has forgotten it.
    if (link.stream !== null) this.#close(link);
    this.#sayHello(link);
  }

  #sayHello(link: ReceiverLink): void {
    link.cancelRetry?.();
    link.session = this.#options.session();
    const ask = (): void => {
      const { peer, session } = link;
      this.#say(peer, { type: "hello", session, text: JSON.stringify(this.#options.hello) });
      const delayMs = Math.min(HELLO_MS * 2 ** Math.min(link.hellos, 10), HELLO_MS_MAX);
      link.hellos += 1;
      link.cancelRetry = this.#options.clock.after(delayMs, ask);
    };
    ask();
  }

  #welcomed(link: ReceiverLink, { text }: LinkMessage): void {
    if (link.stream !== null) return;
    const welcome = parseWelcome(text);
    if (typeof welcome === "string") {
      this.#refuse(link.peer, link.session, `welcome: ${welcome}`);
      return;
    }
    if (welcome.codec !== this.#options.hello.codec) {
      const text = `the codecs differ: ${welcome.codec} at the sender, ${this.#options.hello.codec} at the receiver`;
      this.#refuse(link.peer, link.session, text);
      return;
    }
    link.cancelRetry?.();
    link.cancelRetry = null;
    link.hellos = 0;
    const stream = this.#streamOf(welcome);
    // The sender came over a new connection before the end of the old one was noticed.
    if (stream.link !== null) this.#close(stream.link);
    stream.cancelGrace?.();
    stream.cancelGrace = null;
    stream.link = link;
    stream.welcome = welcome;
    link.stream = stream;
    this.#openCount += 1;
    void this.#claim(link, stream);
    this.#options.onPeer("peer", link.peer.address, this.#openCount);
  }

  /** What is claimed as done must be remembered first, where there is an inbox. */
  async #claim(link: ReceiverLink, stream: ReceiverStream): Promise<void> {
    const { floor, epoch, epochSeqFirst } = stream.welcome;
    stream.window.step({ type: "opened", floor, epoch, epochSeqFirst });
    const { held, done } = stream.window.claim(RANGES_MAX);
    if (this.#options.memory !== null && !(await this.#save(stream))) return;
    if (this.#closed || stream.link !== link) return;
    link.acks = 1;
    const ranges = [...held, ...done];
    this.#say(link.peer, { type: "claim", session: link.session, word: held.length, ranges });
    this.#ackSoon(stream);
  }

  #streamOf(welcome: Welcome): ReceiverStream {
    const id = welcome.stream;
    let stream = this.#streams.get(id);
    if (stream === undefined) {
      const window = new Window<Batch>(this.#options.memory?.recall(id) ?? null);
      stream = {
        id,
        window,
        welcome,
        link: null,
        cancelGrace: null,
        isAckDue: false,
        acking: null,
      };
      this.#streams.set(id, stream);
      this.#forgetIdle();
    }
    return stream;
  }

  #forgetIdle(): void {
    for (const [id, stream] of this.#streams) {
      if (this.#streams.size <= STREAMS_IDLE_MAX + this.#links.size) return;
      if (stream.link === null && stream.window.isEmpty) this.#streams.delete(id);
    }
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
      this.#tell(stream, { type: "receipt", ranges: [{ first, last }] });
    }
    this.#ackSoon(stream);
    if (window.waitingCount === 0) return;
    this.#waiting.add(stream);
    this.#options.onWaiting();
  }

  #hear(link: ReceiverLink, stream: ReceiverStream, message: LinkMessage): void {
    const { window } = stream;
    const { ranges } = message;
    switch (message.type) {
      case "news":
        window.step({ type: "news", acks: message.number, floor: ranges[0]?.last ?? 0 });
        return;
      case "order":
        window.step({ type: "order", ordered: message.word === 1, awaited: ranges });
        this.#wake(stream);
        return;
      case "gone":
        window.step({ type: "gone", ranges });
        this.#wake(stream);
        return;
      case "lost":
        window.step({ type: "lost", ranges });
        this.#options.onLost(stream, ranges);
        return;
      case "bye":
        this.#end(link);
        return;
      default:
        this.#refuse(link.peer, link.session, `a sender does not say ${message.type}`);
        return;
    }
  }

  #wake(stream: ReceiverStream): void {
    if (stream.window.waitingCount === 0) return;
    this.#waiting.add(stream);
    this.#options.onWaiting();
  }

  #refused(link: ReceiverLink | undefined, { session, text }: LinkMessage): void {
    if (link === undefined || link.session !== session) return;
    const hadSession = link.stream !== null;
    this.#close(link);
    this.#options.onProblem(
      new BrokerlessError("BROKERLESS_PROTOCOL", `refused by a peer: ${text}`),
    );
    // A session may end for many reasons; one that never began was refused for what we are.
    if (hadSession) this.#sayHello(link);
    else link.cancelRetry?.();
  }

  /** Says why, on both sides, and ends the session. */
  #refuse(peer: LinkPeer, session: number, text: string): void {
    this.#framesRefused += 1;
    this.#say(peer, { type: "refuse", session, text });
    const link = this.#links.get(peer);
    if (link !== undefined) this.#close(link);
    link?.cancelRetry?.();
    this.#options.onProblem(new BrokerlessError("BROKERLESS_PROTOCOL", `refused a peer: ${text}`));
  }

  /** The connection is of no more use. */
  #end(link: ReceiverLink): void {
    this.#close(link);
    link.cancelRetry?.();
    this.#links.delete(link.peer);
  }

  /** The session is over; the connection may carry another. */
  #close(link: ReceiverLink): void {
    const { stream } = link;
    if (stream === null) return;
    link.stream = null;
    this.#openCount -= 1;
    if (stream.link === link) {
      stream.link = null;
      stream.window.step({ type: "closed" });
      stream.cancelGrace = this.#options.clock.after(stream.welcome.graceMs, () => {
        this.#expire(stream);
      });
    }
    this.#options.onPeer("peerLost", link.peer.address, this.#openCount);
  }

  /** The sender has given to others by now what we did not come back for. */
  #expire(stream: ReceiverStream): void {
    stream.cancelGrace = null;
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
    if (ranges.length > 0) this.#tell(stream, { ...message, ranges });
  }

  #ackSoon(stream: ReceiverStream): void {
    const { window } = stream;
    if (!window.hasUnsaid || stream.link === null) return;
    const memory = this.#options.memory;
    if (memory === null && window.unsaidCount >= this.#options.hello.prefetch * ACK_SHARE) {
      this.#sayAck(stream);
      return;
    }
    if (stream.isAckDue) return;
    stream.isAckDue = true;
    process.nextTick(() => {
      stream.isAckDue = false;
      void this.#ack(stream);
    });
  }

  async #ack(stream: ReceiverStream): Promise<void> {
    if (this.#options.memory === null) return this.#sayAck(stream);
    stream.acking ??= this.#ackRemembered(stream).finally(() => {
      stream.acking = null;
    });
    await stream.acking;
  }

  /** What is remembered is said, and nothing else. */
  async #ackRemembered(stream: ReceiverStream): Promise<void> {
    while (stream.window.hasUnsaid && !this.#closed) {
      const { link } = stream;
      if (link === null || link.acks === 0) return;
      const ranges = stream.window.takeAck(RANGES_MAX);
      if (!(await this.#save(stream))) return;
      if (stream.link === link) this.#sayRanges(link, ranges);
    }
  }

  /** Acks are never said twice in a session: what could not be said is claimed in the next. */
  #sayAck(stream: ReceiverStream): void {
    const { link, window } = stream;
    while (link !== null && link.acks > 0 && window.hasUnsaid && !this.#closed) {
      this.#sayRanges(link, window.takeAck(RANGES_MAX));
    }
  }

  #sayRanges(link: ReceiverLink, ranges: readonly SeqRange[]): void {
    link.acks += 1;
    this.#say(link.peer, { type: "ack", session: link.session, number: link.acks, ranges });
  }

  /** @returns whether what was done at the call is remembered */
  async #save(stream: ReceiverStream): Promise<boolean> {
    const { memory } = this.#options;
    try {
      await memory!.remember(stream.id, stream.window.state());
      return true;
    } catch (error) {
      if (!this.#closed) this.#options.onProblem(error as BrokerlessError);
      if (stream.link !== null) this.#close(stream.link);
      return false;
    }
  }

  #tell(stream: ReceiverStream, message: Omit<LinkMessageInput, "session">): void {
    const { link } = stream;
    if (link === null || link.acks === 0) return;
    this.#say(link.peer, { ...message, session: link.session });
  }

  #say(peer: LinkPeer, message: LinkMessageInput): void {
    if (!this.#closed) peer.send([encodeLinkMessage(message)]);
  }

  /** Signs of life, and of what waits here unspoilt: its lease goes on. */
  #beat(): void {
    const { heartbeatMs, clock } = this.#options;
    let everyMs = heartbeatMs === 0 ? Number.POSITIVE_INFINITY : heartbeatMs;
    for (const { welcome, link } of this.#streams.values()) {
      if (link !== null) everyMs = Math.min(everyMs, welcome.leaseMs / 3);
    }
    const delayMs = Math.max(1, Math.min(everyMs, 1_000));
    this.#cancelBeat = clock.after(delayMs, () => {
      const untouched = this.#options.untouched();
      for (const stream of this.#streams.values()) this.#keep(stream, untouched);
      this.#beat();
    });
  }

  #keep(
    stream: ReceiverStream,
    untouched: readonly { readonly stream: ReceiverStream; readonly range: SeqRange }[],
  ): void {
    const { link, window, welcome } = stream;
    if (link === null) return;
    const silentMs = this.#options.clock.nowMs() - link.heardMs;
    if (welcome.heartbeatMs > 0 && silentMs > welcome.heartbeatMs * HEARTBEATS_MISSED_MAX) {
      this.#close(link);
      this.#sayHello(link);
      return;
    }
    const ranges = [
      ...window.waiting(),
      ...untouched.filter((some) => some.stream === stream).map((some) => some.range),
    ].sort((a, b) => a.first - b.first);
    const word = welcome.leaseMs;
    this.#tell(stream, { type: "extend", word, ranges: ranges.slice(0, RANGES_MAX) });
  }
}
