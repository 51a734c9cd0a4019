import type { Batch } from "../../batch/batch.ts";
import { BATCH_HEADER_BYTES } from "../../batch/layout.ts";
import type { Clock } from "../../clock.ts";
import type { Peer } from "../../core/events/peer.ts";
import { historyKey, isSameLife } from "../../delivery/protocol/epochs.ts";
import { type Hello, parseWelcome, type Welcome } from "../../delivery/protocol/handshake.ts";
import {
  encodeLinkMessage,
  type LinkMessageInput,
  RANGES_MAX,
} from "../../delivery/protocol/link-message.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import type { BatchMeasure } from "../../delivery/window/waiting-items.ts";
import { Window } from "../../delivery/window/window.ts";
import { BrokerlessError } from "../../errors.ts";
import type { LinkPeer } from "../../transport/link-peer.ts";
import { AttentiveClock, HEARTBEATS_MISSED_MAX } from "../link/attentive-clock.ts";
import { Probes } from "../link/probes.ts";
import type { InboxStore } from "./inbox-store.ts";
import { type ReceiverLink, type ReceiverStream, senderOf } from "./receiver-stream.ts";

/** Dependencies of {@link ReceiverSessions}. */
export interface ReceiverSessionsOptions {
  readonly clock: Clock;
  /** A random whole number from 1 to 2^53 - 1. */
  readonly session: () => number;
  readonly hello: Hello;
  readonly heartbeatMs: number;
  readonly memory: InboxStore | null;
  /** Messages of the application's that are not yet looked at, to be kept for it. */
  readonly untouched: () => readonly {
    readonly stream: ReceiverStream;
    readonly range: SeqRange;
  }[];
  readonly onPeer: (type: "peer" | "peerLost", peer: Peer, peers: number) => void;
  /** The sender has given what we did not come back for to others by now. */
  readonly onExpired: (stream: ReceiverStream) => void;
  readonly onProblem: (error: BrokerlessError) => void;
}

/** First wait for an answer to a hello; it doubles (milliseconds). */
const HELLO_MS = 1_000;
const HELLO_MS_MAX = 30_000;
/** A lease is so many heartbeats long (count). */
const BEATS_PER_LEASE = 3;
/** Longest time from one heartbeat to the next (milliseconds). */
const BEAT_MS_MAX = 1_000;
/** How often a receiver looks whether it is busy (milliseconds). */
const LOOK_MS = 500;
/** A sender that was refused since another has its stream is asked again after so long (milliseconds). */
const RIVAL_MS = 30_000;
/** Streams that are kept in memory without a session, before some are forgotten (count). */
const STREAMS_IDLE_MAX = 1_024;
/** Streams that are kept in memory without a session, whatever is to be remembered of them (count). */
const STREAMS_MAX = 16_384;
/** First rest before another session is asked for, where nothing could be remembered; it doubles (milliseconds). */
const POSTPONE_MS = 200;
const POSTPONE_MS_MAX = 10_000;

/** The sessions of a receiver, the streams that they carry, and the heartbeats on them. */
export class ReceiverSessions {
  readonly #options: ReceiverSessionsOptions;
  readonly #links = new Map<LinkPeer, ReceiverLink>();
  /** By the names of their histories. */
  readonly #streams = new Map<string, ReceiverStream>();
  /** Those that have a session, by their ids: one sender at a time. */
  readonly #holders = new Map<string, ReceiverLink>();
  /** Senders that want a stream which another has. */
  readonly #probes: Probes<ReceiverLink, ReceiverLink>;
  #rivalCount = 0;
  #openCount = 0;
  #cancelBeat: (() => void) | null = null;
  /** From one heartbeat to the next (milliseconds). */
  #beatMs = 0;
  readonly #clock: AttentiveClock;
  #stopped = false;

  constructor(options: ReceiverSessionsOptions) {
    this.#options = options;
    this.#clock = new AttentiveClock(options.clock, LOOK_MS);
    this.#probes = new Probes(this.#clock, ({ peer, session }) => {
      // A hello of the session that there is asks for a sign of life.
      this.say(peer, { type: "hello", session, text: JSON.stringify(options.hello) });
    });
    this.#beat();
  }

  /** Sessions that messages may come over (count). */
  get openCount(): number {
    return this.#openCount;
  }

  /** The senders of these. */
  list(): Peer[] {
    const senders: Peer[] = [];
    for (const link of this.#links.values()) {
      if (link.stream !== null) senders.push(senderOf(link, link.stream));
    }
    return senders;
  }

  get streams(): Iterable<ReceiverStream> {
    return this.#streams.values();
  }

  get links(): Iterable<ReceiverLink> {
    return this.#links.values();
  }

  /** Something was heard of the sender. */
  heard(link: ReceiverLink): void {
    link.heardMs = this.#clock.nowMs();
  }

  /** The session of a connection. */
  of(peer: LinkPeer): ReceiverLink | undefined {
    return this.#links.get(peer);
  }

  /** Asks a little later on a connection whose last sessions ended too quickly one after the other. */
  askLater(link: ReceiverLink): void {
    this.#askAfter(link, HELLO_MS);
  }

  /** Asks for a session on a connection, again until there is an answer. */
  ask(peer: LinkPeer): void {
    const link = this.#linkOf(peer);
    // A connection that has a session: the sender has forgotten it.
    this.close(link);
    this.#probes.withdraw(link);
    link.cancelRetry?.();
    this.#setRival(link, null);
    link.acks = 0;
    link.session = this.#options.session();
    const ask = (): void => {
      const { session } = link;
      this.say(peer, { type: "hello", session, text: JSON.stringify(this.#options.hello) });
      const delayMs = Math.min(HELLO_MS * 2 ** Math.min(link.hellos, 10), HELLO_MS_MAX);
      link.hellos += 1;
      link.cancelRetry = this.#options.clock.after(delayMs, ask);
    };
    ask();
  }

  /** The sender accepts. @returns what it said, or in words why we do not */
  check(peer: LinkPeer, text: string): Welcome | string {
    const welcome = parseWelcome(text);
    if (typeof welcome === "string") return `welcome: ${welcome}`;
    peer.name = welcome.name ?? null;
    const { codec } = this.#options.hello;
    if (welcome.codec !== codec) {
      return `the codecs differ: ${welcome.codec} at the sender, ${codec} at the receiver`;
    }
    return welcome;
  }

  /**
   * Finds out whether another sender holds a stream, and is there. One that comes back over another connection is no
   * other.
   *
   * @param decide told the session of the other; null: there is none, or it is over now
   */
  seek(link: ReceiverLink, welcome: Welcome, decide: (rival: ReceiverLink | null) => void): void {
    link.cancelRetry?.();
    link.cancelRetry = null;
    const holder = this.#holders.get(welcome.stream);
    const isOther = !isSameLife(holder?.stream?.welcome.epochs ?? [], welcome.epochs);
    if (holder === undefined || holder === link || !isOther) {
      decide(null);
      return;
    }
    this.#probes.add(holder, link, (isThere) => {
      if (isThere) {
        decide(holder);
        return;
      }
      this.close(holder);
      this.seek(link, welcome, decide);
    });
  }

  /** The sender of a session has answered that it is there; it may want to know the same. */
  answered(link: ReceiverLink): void {
    this.#probes.answered(link);
    if (link.acks > 0) this.say(link.peer, { type: "claim", session: link.session });
  }

  /** Another has the stream: the sender is asked again later, when that may be over. */
  defer(link: ReceiverLink, stream: string): void {
    this.#setRival(link, stream);
    this.#askAfter(link, RIVAL_MS);
  }

  /** A session begins. @returns the stream that it carries */
  open(link: ReceiverLink, welcome: Welcome): ReceiverStream {
    link.cancelRetry?.();
    link.cancelRetry = null;
    link.hellos = 0;
    const stream = this.#streamOf(welcome);
    // The sender came over a new connection before the end of the old one was noticed.
    const before = this.#holders.get(stream.id);
    if (before !== undefined) this.close(before);
    this.#holders.set(stream.id, link);
    stream.cancelGrace?.();
    stream.cancelGrace = null;
    stream.link = link;
    stream.welcome = welcome;
    link.stream = stream;
    this.#openCount += 1;
    // Each time to a shorter one, so that no number of sessions that begin puts off the heartbeats of others.
    if (this.#cancelBeat !== null && welcome.leaseMs / BEATS_PER_LEASE < this.#beatMs) {
      this.#cancelBeat();
      this.#beat();
    }
    return stream;
  }

  /** The session is over; the connection may carry another. */
  close(link: ReceiverLink): void {
    const { stream } = link;
    if (stream === null) return;
    const { clock, onPeer, onExpired } = this.#options;
    link.stream = null;
    this.#openCount -= 1;
    if (stream.link === link) {
      stream.link = null;
      stream.asksFor = null;
      stream.window.step({ type: "closed" });
      const { graceMs } = stream.welcome;
      stream.cancelGrace = clock.after(graceMs, () => {
        stream.cancelGrace = null;
        onExpired(stream);
        this.review(stream);
      });
      this.#holders.delete(stream.id);
      // It may come back within its grace; then the others may have it.
      for (const rival of this.#rivalCount > 0 ? this.#links.values() : []) {
        if (rival.rivalOf === stream.id) this.#askAfter(rival, graceMs);
      }
      this.#options.memory?.rest(stream);
      this.review(stream);
      this.#shedIdle();
    }
    onPeer("peerLost", senderOf(link, stream), this.#openCount);
    this.#probes.gone(link);
  }

  /** The sender will never continue the stream. */
  ended(stream: ReceiverStream): void {
    stream.isEnded = true;
    this.#options.memory?.forget(stream.key);
  }

  /** Forgets a stream that has ended, when the application holds nothing of it any more. */
  review(stream: ReceiverStream): void {
    if (!stream.isEnded || stream.link !== null || stream.storing.size > 0) return;
    const { window, key } = stream;
    if (window.waitingCount + window.inHandCount > 0 && stream.cancelGrace !== null) return;
    stream.cancelGrace?.();
    stream.cancelGrace = null;
    if (this.#streams.get(key) === stream) this.#streams.delete(key);
  }

  /**
   * Makes room for what is to be remembered in the inbox: forgets what can be spared.
   *
   * @returns whether anything was
   */
  makeRoom(): boolean {
    const { memory, onProblem } = this.#options;
    const isLive = (key: string): boolean => (this.#streams.get(key)?.link ?? null) !== null;
    const forgotten = memory?.forgetOne(isLive) ?? null;
    if (forgotten === null) return false;
    const { key, isExact } = forgotten;
    const idle = this.#streams.get(key);
    if (idle?.window.isIdle) this.#streams.delete(key);
    if (!isExact) onProblem(forgottenError(`the inbox is full: ${memory!.fullness}`, key));
    return true;
  }

  /** Why no session can carry this stream now; null where one can. */
  lackFor({ stream, epochs }: Welcome): string | null {
    const { memory } = this.#options;
    if (memory === null) return null;
    const key = historyKey(stream, epochs);
    if (memory.fault !== null) return `the receiver's inbox has failed: ${memory.fault.message}`;
    while (!memory.hasRoomFor(key)) {
      if (!this.makeRoom())
        return `the receiver's inbox has no room for new streams: ${memory.fullness}`;
    }
    return null;
  }

  /**
   * Ends the session, since nothing can be remembered, and says so; asks for another one after a rest, unless the
   * inbox has failed for good.
   */
  postpone(link: ReceiverLink, text: string): void {
    const { peer, session } = link;
    this.say(peer, { type: "refuse", session, text });
    if (this.#options.memory?.fault != null) {
      this.forget(link);
      return;
    }
    this.close(link);
    const restMs = Math.min(POSTPONE_MS * 2 ** Math.min(link.postponed, 10), POSTPONE_MS_MAX);
    link.postponed += 1;
    this.#askAfter(link, restMs);
  }

  /** Drops the connection. */
  end(link: ReceiverLink): void {
    this.close(link);
    this.#probes.withdraw(link);
    link.cancelRetry?.();
    this.#setRival(link, null);
    this.#links.delete(link.peer);
  }

  /** Drops a connection that is still there. */
  forget(link: ReceiverLink): void {
    this.end(link);
    link.peer.forget();
  }

  /** Says something to the sender of a stream, where there is a session that has begun. */
  tell(stream: ReceiverStream, message: Omit<LinkMessageInput, "session">): void {
    const { link } = stream;
    if (link === null || link.acks === 0) return;
    this.say(link.peer, { ...message, session: link.session });
  }

  /** Says something of ranges, in as many messages as it takes. */
  tellRanges(
    stream: ReceiverStream,
    message: Omit<LinkMessageInput, "session">,
    ranges: readonly SeqRange[],
  ): void {
    for (let at = 0; at < ranges.length; at += RANGES_MAX) {
      this.tell(stream, { ...message, ranges: ranges.slice(at, at + RANGES_MAX) });
    }
  }

  say(peer: LinkPeer, message: LinkMessageInput): void {
    if (!this.#stopped) peer.send([encodeLinkMessage(message)]);
  }

  /** Says nothing more. */
  stop(): void {
    this.#stopped = true;
    this.#clock.stop();
    this.#probes.stop();
    for (const link of this.#links.values()) link.cancelRetry?.();
    for (const stream of this.#streams.values()) stream.cancelGrace?.();
    this.#cancelBeat?.();
    this.#cancelBeat = null;
  }

  #linkOf(peer: LinkPeer): ReceiverLink {
    let link = this.#links.get(peer);
    if (link === undefined) {
      const heardMs = this.#clock.nowMs();
      const session = 0;
      const idle = { stream: null, acks: 0, cancelRetry: null, hellos: 0, rivalOf: null };
      link = { peer, session, heardMs, postponed: 0, ...idle };
      this.#links.set(peer, link);
    }
    return link;
  }

  #streamOf(welcome: Welcome): ReceiverStream {
    const { stream: id, epochs } = welcome;
    const key = historyKey(id, epochs);
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      const window = new Window<Batch>(this.#options.memory?.recall(key) ?? null, MEASURE);
      const idle = {
        link: null,
        asksFor: null,
        cancelGrace: null,
        isEnded: false,
        isWatched: false,
        isAckDue: false,
      };
      stream = {
        id,
        key,
        window,
        welcome,
        rejections: new Map(),
        storing: new Map(),
        acking: null,
        isRemembered: true,
        ...idle,
      };
      this.#forgetIdle();
      this.#streams.set(key, stream);
    }
    return stream;
  }

  #askAfter(link: ReceiverLink, delayMs: number): void {
    link.cancelRetry?.();
    link.cancelRetry = this.#options.clock.after(delayMs, () => this.ask(link.peer));
  }

  #setRival(link: ReceiverLink, stream: string | null): void {
    this.#rivalCount += Number(stream !== null) - Number(link.rivalOf !== null);
    link.rivalOf = stream;
  }

  /**
   * Bytes that may wait here of one stream. The sender counts what it has given and not heard back of, and so gives no
   * more than `prefetchBytesMax` and the rest of a batch; twice, since what comes again and goes first may come beyond.
   */
  get waitingBytesMax(): number {
    const { prefetchBytesMax, messageBytesMax } = this.#options.hello;
    return (prefetchBytesMax + messageBytesMax) * 2;
  }

  /** What waits of streams without a session is together no more than what one with a session may have. */
  #shedIdle(): void {
    let bytes = 0;
    for (const { link, window } of this.#streams.values()) {
      if (link === null) bytes += window.waitingBytes;
    }
    for (const { link, window } of this.#streams.values()) {
      if (bytes <= this.waitingBytesMax) return;
      if (link !== null) continue;
      bytes -= window.waitingBytes;
      // Its sender has it too, and gives it to us again, or to others.
      window.release();
    }
  }

  /** Streams without a session are bounded too: of which nothing is to be remembered, they go first. */
  #forgetIdle(): void {
    let spare = this.#streams.size - STREAMS_IDLE_MAX - this.#links.size;
    for (const stream of this.#streams.values()) {
      if (spare <= 0) return;
      if (!this.#isSpare(stream)) continue;
      this.#streams.delete(stream.key);
      spare -= 1;
    }
    if (this.#streams.size <= STREAMS_MAX + this.#links.size) return;
    for (const stream of this.#streams.values()) {
      const { id, key, link } = stream;
      if (link !== null) continue;
      stream.cancelGrace?.();
      stream.cancelGrace = null;
      this.#streams.delete(key);
      const text = `${STREAMS_MAX} streams without a session are remembered`;
      this.#options.onProblem(forgottenError(text, id));
      return;
    }
  }

  #isSpare({ link, window, storing, acking, isRemembered }: ReceiverStream): boolean {
    if (link !== null || !window.isIdle || storing.size > 0 || acking !== null) return false;
    return window.doneSize === 0 || (this.#options.memory !== null && isRemembered);
  }

  /** Signs of life, and of what waits here unspoilt: its lease goes on. */
  #beat(): void {
    const { heartbeatMs, clock } = this.#options;
    let everyMs = heartbeatMs === 0 ? Number.POSITIVE_INFINITY : heartbeatMs;
    for (const { welcome, link } of this.#streams.values()) {
      if (link !== null) everyMs = Math.min(everyMs, welcome.leaseMs / BEATS_PER_LEASE);
    }
    this.#beatMs = Math.max(1, Math.min(everyMs, BEAT_MS_MAX));
    this.#cancelBeat = clock.after(this.#beatMs, () => {
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
    const silentMs = this.#clock.nowMs() - link.heardMs;
    if (silentMs > silenceMsMax(stream)) {
      this.ask(link.peer);
      return;
    }
    const ranges = [
      ...window.waiting(),
      ...untouched.filter((some) => some.stream === stream).map((some) => some.range),
    ].sort((a, b) => a.first - b.first);
    const word = welcome.leaseMs;
    this.tell(stream, { type: "extend", word, ranges: ranges.slice(0, RANGES_MAX) });
  }
}

/**
 * How long a sender may be silent while its connection is there (milliseconds). One that computes gives nothing to
 * others meanwhile: what is held of it stays as long as its leases.
 */
function silenceMsMax({ window, welcome }: ReceiverStream): number {
  const { heartbeatMs, leaseMs } = welcome;
  if (heartbeatMs === 0) return Number.POSITIVE_INFINITY;
  const missedMs = heartbeatMs * HEARTBEATS_MISSED_MAX;
  const isHolding = window.waitingCount + window.inHandCount > 0;
  return isHolding ? Math.max(missedMs, leaseMs) : missedMs;
}

const MEASURE: BatchMeasure<Batch> = {
  keyOf: (batch) => batch.number,
  /** Its messages. That it may have a header for each is bounded by their number. */
  bytesOf: ({ bytes }) => bytes.length - BATCH_HEADER_BYTES,
};

function forgottenError(why: string, stream: string): BrokerlessError {
  const message = `${why}; stream ${stream}, whose sender left without a word, was forgotten: what it should send again would be done again`;
  return new BrokerlessError("BROKERLESS_FULL", message);
}
