import type { Clock } from "../../clock.ts";
import type { Peer } from "../../core/events/peer.ts";
import type { DispatcherOptions } from "../../delivery/dispatch/dispatcher-events.ts";
import {
  encodeWelcome,
  type Hello,
  mismatch,
  parseHello,
} from "../../delivery/protocol/handshake.ts";
import { encodeLinkMessage, type LinkMessageInput } from "../../delivery/protocol/link-message.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import type { Journal } from "../../journal/journal.ts";
import type { LinkPeer } from "../../transport/link-peer.ts";
import { Heartbeat, silenceMs } from "../link/heartbeat.ts";
import { HolderProbes } from "../link/holder-probes.ts";
import type { SenderIncarnations } from "../sender-incarnations.ts";
import type { SavedProgress } from "./saved/saved-progress.ts";
import { newSenderSession, peerOf, type SenderSession } from "./sender-session.ts";

/** Dependencies of {@link SenderSessions}. */
export interface SenderSessionsOptions {
  readonly clock: Clock;
  readonly codec: string;
  /** Longest message (bytes). */
  readonly messageBytesMax: number;
  /** Limit on stored batches kept in memory for sending (bytes): also limits the credit of one receiver. */
  readonly cacheBytesMax: number;
  readonly heartbeatMs: number;
  /** Name of this sender; null if it has none. */
  readonly name: string | null;
  readonly journal: Pick<Journal, "stream">;
  /** The incarnations of its stream. */
  readonly incarnations: Pick<SenderIncarnations, "all">;
  /** Whether the journal ends with the socket. */
  readonly isTransient: boolean;
  readonly rules: Pick<DispatcherOptions, "leaseMs" | "graceMs">;
  readonly progress: Readonly<SavedProgress>;
  /** A session began or ended. */
  readonly onPeer: (type: "peer" | "peerLost", peer: Peer, peers: number) => void;
  /** It is saved that a session exists. */
  readonly onKnown: (link: SenderSession) => void;
  /** Whether a receiver holds messages: then their leases limit how long it may be silent. */
  readonly holds: (link: SenderSession) => boolean;
  /** A session that holds messages is silent: it gets no more until it sends something. */
  readonly onSilent: (link: SenderSession) => void;
  /** A session that holds no messages was silent for too long. */
  readonly onDisconnected: (link: SenderSession) => void;
}

/** Owns the open sessions of a sender, by number and by connection, what was reported to each, and their heartbeat. */
export class SenderSessions implements Iterable<SenderSession> {
  readonly #options: SenderSessionsOptions;
  readonly #links = new Map<number, SenderSession>();
  readonly #byPeer = new Map<LinkPeer, SenderSession>();
  /** Peers that use the receiver id of a session that exists already. */
  readonly #probes: HolderProbes<SenderSession, LinkPeer>;
  #made = 0;
  #liveCount = 0;
  readonly #heartbeat: Heartbeat;

  constructor(options: SenderSessionsOptions) {
    this.#options = options;
    // A welcome in a session that has begun asks for a heartbeat.
    this.#probes = new HolderProbes(options.clock, (link) => this.welcome(link));
    const { clock, heartbeatMs } = options;
    const everyMs = heartbeatMs === 0 ? Number.POSITIVE_INFINITY : heartbeatMs;
    this.#heartbeat = new Heartbeat({
      clock,
      everyMs: () => everyMs,
      send: () => this.#sendHeartbeats(),
    });
  }

  /** Sessions that may get messages (count). */
  get liveCount(): number {
    return this.#liveCount;
  }

  /** The receivers that may get messages. */
  list(): Peer[] {
    return [...this.#links.values()].filter(({ isLive }) => isLive).map(peerOf);
  }

  /** The lowest seq that waits to be sent to any receiver; infinite if there is none. */
  get unsentFirst(): number {
    let seq = Number.POSITIVE_INFINITY;
    for (const { outgoing } of this.#links.values()) {
      seq = Math.min(seq, outgoing.seqLowest);
    }
    return seq;
  }

  get(id: number): SenderSession | undefined {
    return this.#links.get(id);
  }

  /** The session of a connection. */
  of(peer: LinkPeer): SenderSession | undefined {
    return this.#byPeer.get(peer);
  }

  /** The receiver has sent something. */
  heard(link: SenderSession): void {
    link.heardMs = this.#options.clock.nowMs();
  }

  has(link: SenderSession): boolean {
    return this.#links.has(link.id);
  }

  [Symbol.iterator](): Iterator<SenderSession> {
    return this.#links.values();
  }

  /** Checks the hello of a receiver. @returns the hello, or as text why the receiver gets no session */
  check(peer: LinkPeer, text: string): Hello | string {
    const hello = parseHello(text);
    if (typeof hello === "string") return `hello: ${hello}`;
    peer.name = hello.name ?? null;
    return mismatch(this.#options, hello) ?? hello;
  }

  /** The session of another process with the same receiver id; null if there is none. */
  rivalOf({
    receiver,
    incarnation,
  }: Pick<Hello, "receiver" | "incarnation">): SenderSession | null {
    for (const link of this.#links.values()) {
      if (!link.isLive || link.receiver !== receiver) continue;
      if (incarnation === "" || incarnation !== link.incarnation) return link;
    }
    return null;
  }

  /** Asks the receiver of a session for a heartbeat. @param decide called with the result */
  probe(link: SenderSession, challenger: LinkPeer, decide: (isThere: boolean) => void): void {
    this.#probes.add(link, challenger, decide);
  }

  /** The receiver of a session has replied to a probe. */
  replied(link: SenderSession): void {
    this.#probes.replied(link);
  }

  /** A peer is gone. */
  withdraw(peer: LinkPeer): void {
    this.#probes.withdraw(peer);
  }

  /** Opens a session, which gets messages after its claim. */
  open(peer: LinkPeer, session: number, hello: Hello): void {
    const id = ++this.#made;
    const { cacheBytesMax, clock } = this.#options;
    const nowMs = clock.nowMs();
    const link = newSenderSession(id, { cacheBytesMax, peer, session, hello, nowMs });
    this.#links.set(id, link);
    this.#byPeer.set(peer, link);
    this.welcome(link);
  }

  /** Accepts the session. */
  welcome({ peer, session }: SenderSession): void {
    this.sendTo(peer, { type: "welcome", session, text: this.#welcome() });
  }

  /** A connection initiated by this end is up: this end sends first. */
  offer(peer: LinkPeer): void {
    this.sendTo(peer, { type: "offer", session: 0, text: this.#welcome() });
  }

  /**
   * The session may get messages from now on. A receiver has one session with this sender: an older one has ended, even
   * if that was not noticed.
   */
  activate(link: SenderSession): void {
    for (const other of [...this.#links.values()]) {
      if (other.receiver === link.receiver && other !== link) this.remove(other);
    }
    link.isLive = true;
    link.acks = 1;
    this.#liveCount += 1;
  }

  /** @returns whether the session was there */
  remove(link: SenderSession): boolean {
    if (!this.#links.delete(link.id)) return false;
    this.#byPeer.delete(link.peer);
    link.outgoing.clear();
    if (link.isLive) {
      this.#liveCount -= 1;
      this.#options.onPeer("peerLost", peerOf(link), this.#liveCount);
    }
    this.#probes.gone(link);
    return true;
  }

  /**
   * Takes a snapshot of what is about to be saved: the acks applied, and the sessions that exist.
   *
   * @returns marks the snapshot as saved, and reports it to the receivers
   */
  snapshotForSave(): () => void {
    const live = [...this.#links.values()].filter(({ isLive }) => isLive);
    const covered = live.map((link) => {
      return { link, acks: link.acks, dispatches: link.dispatches, goingCount: link.going.length };
    });
    return () => {
      for (const { link, acks, dispatches, goingCount } of covered) {
        for (const ranges of link.going.splice(0, goingCount)) this.#letGo(link, ranges);
        link.acksDurable = Math.max(link.acksDurable, acks);
        const isCovered = dispatches === link.dispatches;
        if (link.isKnown || !isCovered || !this.#links.has(link.id)) continue;
        link.isKnown = true;
        this.#options.onKnown(link);
      }
      for (const link of this.#links.values()) {
        if (link.isLive && link.acksReported < link.acksDurable) this.sendProgress(link);
      }
    };
  }

  /** The begin of guarded messages is saved. */
  #letGo(link: SenderSession, ranges: readonly SeqRange[]): void {
    if (!this.#links.has(link.id)) return;
    const { peer, session } = link;
    this.sendTo(peer, { type: "go", session, ranges });
  }

  /** Sends a heartbeat, with the seqs and acks that the receiver need not remember any more. */
  sendProgress(link: SenderSession): void {
    // Only the saved floor is reported: a receiver must not forget what a restart of this sender could forget.
    const { floor } = this.#options.progress;
    link.acksReported = link.acksDurable;
    this.sendTo(link.peer, {
      type: "progress",
      session: link.session,
      number: link.acksDurable,
      ranges: floor > 0 ? [{ first: 1, last: floor }] : [],
    });
  }

  sendTo(peer: LinkPeer, message: LinkMessageInput): void {
    peer.send([encodeLinkMessage(message)]);
  }

  /** Ends the heartbeats. No `go` is sent any more either, since the last save says that nothing was begun. */
  stop(): void {
    this.#heartbeat.stop();
    this.#probes.stop();
    for (const { going } of this.#links.values()) going.length = 0;
  }

  /** The contents of a welcome, as JSON. */
  #welcome(): string {
    const { journal, incarnations, rules, codec, heartbeatMs, name, isTransient, progress } =
      this.#options;
    return encodeWelcome({
      stream: journal.stream,
      incarnations: incarnations.all,
      floor: progress.floor,
      codec,
      leaseMs: rules.leaseMs,
      graceMs: rules.graceMs,
      heartbeatMs,
      ...(isTransient ? { transient: true } : {}),
      ...(name === null ? {} : { name }),
    });
  }

  /** Sends heartbeats; silent sessions are ended, or get no more messages. */
  #sendHeartbeats(): void {
    const { heartbeatMs, clock } = this.#options;
    const silentSinceMs = clock.nowMs() - silenceMs(heartbeatMs);
    for (const link of [...this.#links.values()]) {
      if (link.heardMs < silentSinceMs && !this.#toleratesSilence(link)) link.peer.forget();
      else this.sendProgress(link);
    }
  }

  /**
   * A receiver is silent. A busy receiver sends nothing either, so while its connection is up, it keeps its messages
   * until their leases end.
   *
   * @returns whether the session continues
   */
  #toleratesSilence(link: SenderSession): boolean {
    const { holds, onSilent, onDisconnected } = this.#options;
    const isTolerated = holds(link);
    if (isTolerated) onSilent(link);
    else onDisconnected(link);
    return isTolerated;
  }
}
