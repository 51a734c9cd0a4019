import type { Clock } from "../../../clock.ts";
import type { Peer } from "../../../core/events/peer.ts";
import { type Hello, parseWelcome, type Welcome } from "../../../delivery/protocol/handshake.ts";
import { isSameIncarnation } from "../../../delivery/protocol/incarnations.ts";
import {
  encodeLinkMessage,
  type LinkMessageInput,
  RANGES_MAX,
} from "../../../delivery/protocol/link-message.ts";
import type { SeqRange } from "../../../delivery/range/range.ts";
import type { LinkPeer } from "../../../transport/link-peer.ts";
import { AttentiveClock } from "../../link/attentive-clock.ts";
import { Heartbeat, silenceMs } from "../../link/heartbeat.ts";
import { HolderProbes } from "../../link/holder-probes.ts";
import type { InboxStore } from "./inbox-store.ts";
import { type ReceiverLink, type ReceiverStream, senderOf } from "./receiver-stream.ts";
import type { ReceiverStreams } from "./receiver-streams.ts";
import { SessionRequests } from "./session-requests.ts";

/** Dependencies of {@link ReceiverSessions}. */
export interface ReceiverSessionsOptions {
  readonly clock: Clock;
  /** A random integer from 1 to 2^53 - 1. */
  readonly session: () => number;
  readonly hello: Hello;
  readonly heartbeatMs: number;
  readonly inbox: InboxStore | null;
  /** Messages that are decoded and not delivered to the application, whose leases are to be extended. */
  readonly untouched: () => readonly {
    readonly stream: ReceiverStream;
    readonly range: SeqRange;
  }[];
  readonly onPeer: (type: "peer" | "peerLost", peer: Peer, peers: number) => void;
}

/** Heartbeats in the length of a lease (count). */
const HEARTBEATS_PER_LEASE = 3;
/** Longest time between heartbeats (milliseconds). */
const HEARTBEAT_MS_MAX = 1_000;
/** Period of the checks whether the receiver is busy (milliseconds). */
const LOOK_MS = 500;
/** The sessions of a receiver, their streams, and the heartbeats. */
export class ReceiverSessions {
  readonly #options: ReceiverSessionsOptions;
  readonly #links = new Map<LinkPeer, ReceiverLink>();
  readonly #streams: ReceiverStreams;
  /** Sessions of streams, by stream id: one sender at a time. */
  readonly #holders = new Map<string, ReceiverLink>();
  /** Senders that ask for a stream which another sender has. */
  readonly #probes: HolderProbes<ReceiverLink, ReceiverLink>;
  /** The hellos that ask for sessions. */
  readonly requests: SessionRequests;
  #openCount = 0;
  readonly #heartbeat: Heartbeat;
  readonly #clock: AttentiveClock;
  #stopped = false;

  constructor(options: ReceiverSessionsOptions, streams: ReceiverStreams) {
    this.#options = options;
    this.#streams = streams;
    this.#clock = new AttentiveClock(options.clock, LOOK_MS);
    const requests = new SessionRequests({
      ...options,
      sendTo: (peer, message) => this.sendTo(peer, message),
      onDue: ({ peer }) => this.ask(peer),
    });
    this.requests = requests;
    // A hello of an open session asks for a heartbeat.
    this.#probes = new HolderProbes(this.#clock, (link) => requests.sendHello(link));
    this.#heartbeat = new Heartbeat({
      clock: options.clock,
      everyMs: () => this.#beatMs,
      send: () => this.#sendHeartbeats(),
    });
  }

  /** Open sessions (count). */
  get openCount(): number {
    return this.#openCount;
  }

  /** The senders of the open sessions. */
  list(): Peer[] {
    const senders: Peer[] = [];
    for (const link of this.#links.values()) {
      if (link.stream !== null) senders.push(senderOf(link, link.stream));
    }
    return senders;
  }

  /** The sender has sent something. */
  heard(link: ReceiverLink): void {
    link.heardMs = this.#clock.nowMs();
  }

  /** The session of a connection. */
  of(peer: LinkPeer): ReceiverLink | undefined {
    return this.#links.get(peer);
  }

  /** Asks for a session on a connection, and repeats that until there is a reply. */
  ask(peer: LinkPeer): void {
    const link = this.#linkOf(peer);
    // If the connection has a session, the sender no longer has it.
    this.close(link);
    this.#probes.withdraw(link);
    this.requests.ask(link);
  }

  /** Checks the welcome of a sender. @returns the welcome, or as text why it is not accepted */
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
   * Finds out whether another sender has a stream, and is present. The same sender on another connection does not count
   * as another.
   *
   * @param decide called with the session of the other sender; null: there is none, or it has ended
   */
  seek(link: ReceiverLink, welcome: Welcome, decide: (rival: ReceiverLink | null) => void): void {
    this.requests.replied(link);
    const holder = this.#holders.get(welcome.stream);
    const isOther = !isSameIncarnation(
      holder?.stream?.welcome.incarnations ?? [],
      welcome.incarnations,
    );
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

  /** The sender of a session has replied to a probe, or asks for a heartbeat itself. */
  replied(link: ReceiverLink): void {
    this.#probes.replied(link);
    if (link.acks > 0) this.sendTo(link.peer, { type: "claim", session: link.session });
  }

  /** A session begins. @returns its stream */
  open(link: ReceiverLink, welcome: Welcome): ReceiverStream {
    this.requests.begun(link);
    const stream = this.#streams.of(welcome, this.#links.size);
    // The sender has reconnected before the end of the old connection was noticed.
    const before = this.#holders.get(stream.id);
    if (before !== undefined) this.close(before);
    this.#holders.set(stream.id, link);
    this.#streams.begin(stream, link, welcome);
    link.stream = stream;
    this.#openCount += 1;
    this.#heartbeat.within(welcome.leaseMs / HEARTBEATS_PER_LEASE);
    return stream;
  }

  /** The session has ended; the connection may get another. */
  close(link: ReceiverLink): void {
    const { stream } = link;
    if (stream === null) return;
    link.stream = null;
    this.#openCount -= 1;
    if (stream.link === link) {
      this.#streams.rest(stream);
      this.#holders.delete(stream.id);
      this.requests.released(stream.id, stream.welcome.graceMs, this.#links.values());
    }
    this.#options.onPeer("peerLost", senderOf(link, stream), this.#openCount);
    this.#probes.gone(link);
  }

  /**
   * Ends the session because nothing can be stored, and reports that to the sender. Asks for another session after a
   * pause, unless the inbox has failed for good.
   */
  postpone(link: ReceiverLink, text: string): void {
    const { peer, session } = link;
    this.sendTo(peer, { type: "refuse", session, text });
    if (this.#options.inbox?.fault != null) {
      this.forget(link);
      return;
    }
    this.close(link);
    this.requests.postpone(link);
  }

  /** Ends the session and removes the connection. */
  end(link: ReceiverLink): void {
    this.close(link);
    this.#probes.withdraw(link);
    this.requests.withdraw(link);
    this.#links.delete(link.peer);
  }

  /** Also closes a connection that is still open. */
  forget(link: ReceiverLink): void {
    this.end(link);
    link.peer.forget();
  }

  /** Sends a message to the sender of a stream, if its session has begun. */
  send(stream: ReceiverStream, message: Omit<LinkMessageInput, "session">): void {
    const { link } = stream;
    if (link === null || link.acks === 0) return;
    this.sendTo(link.peer, { ...message, session: link.session });
  }

  /** Sends ranges to the sender of a stream, in as many messages as necessary. */
  sendRanges(
    stream: ReceiverStream,
    message: Omit<LinkMessageInput, "session">,
    ranges: readonly SeqRange[],
  ): void {
    for (let at = 0; at < ranges.length; at += RANGES_MAX) {
      this.send(stream, { ...message, ranges: ranges.slice(at, at + RANGES_MAX) });
    }
  }

  sendTo(peer: LinkPeer, message: LinkMessageInput): void {
    if (!this.#stopped) peer.send([encodeLinkMessage(message)]);
  }

  /** Ends all sending. */
  stop(): void {
    this.#stopped = true;
    this.#clock.stop();
    this.#probes.stop();
    for (const link of this.#links.values()) link.cancelRetry?.();
    this.#streams.stop();
    this.#heartbeat.stop();
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

  /** Time between heartbeats (milliseconds). They extend leases, so the shortest lease limits it. */
  get #beatMs(): number {
    const { heartbeatMs } = this.#options;
    let everyMs = heartbeatMs === 0 ? Number.POSITIVE_INFINITY : heartbeatMs;
    for (const { welcome, link } of this.#streams) {
      if (link !== null) everyMs = Math.min(everyMs, welcome.leaseMs / HEARTBEATS_PER_LEASE);
    }
    return Math.max(1, Math.min(everyMs, HEARTBEAT_MS_MAX));
  }

  /** Sends heartbeats, and extends the leases of messages that wait here undelivered. */
  #sendHeartbeats(): void {
    const untouched = this.#options.untouched();
    for (const stream of this.#streams) this.#keep(stream, untouched);
  }

  #keep(
    stream: ReceiverStream,
    untouched: readonly { readonly stream: ReceiverStream; readonly range: SeqRange }[],
  ): void {
    const { link, window, welcome } = stream;
    if (link === null) return;
    const silentMs = this.#clock.nowMs() - link.heardMs;
    if (silentMs > silenceMsOf(stream)) {
      this.ask(link.peer);
      return;
    }
    const ranges = [
      ...window.waiting(),
      ...untouched.filter((some) => some.stream === stream).map((some) => some.range),
    ].sort((a, b) => a.first - b.first);
    const argument = welcome.leaseMs;
    this.send(stream, { type: "extend", argument, ranges: ranges.slice(0, RANGES_MAX) });
  }
}

/**
 * Longest silence of a sender while its connection is up (milliseconds). A busy sender gives no messages to other
 * receivers, so messages of it stay here for as long as their leases.
 */
function silenceMsOf({ window, welcome }: ReceiverStream): number {
  const { heartbeatMs, leaseMs } = welcome;
  const isHolding = window.waitingCount + window.unackedCount > 0;
  return isHolding ? Math.max(silenceMs(heartbeatMs), leaseMs) : silenceMs(heartbeatMs);
}
