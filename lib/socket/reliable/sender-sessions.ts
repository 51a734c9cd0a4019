import type { Clock } from "../../clock.ts";
import { type Hello, mismatch, parseHello } from "../../delivery/handshake.ts";
import { encodeLinkMessage, type LinkMessageInput } from "../../delivery/link-message.ts";
import type { LinkPeer } from "../../transport/link-hub.ts";
import { newSenderLink, type SenderLink } from "./sender-link.ts";

/** What {@link SenderSessions} are made of. */
export interface SenderSessionsOptions {
  readonly clock: Clock;
  readonly codec: string;
  /** Longest message (bytes). */
  readonly messageBytesMax: number;
  readonly heartbeatMs: number;
  /** What we say of ourselves, as JSON. */
  readonly welcome: () => string;
  /** Every seq up to this one is known, across restarts, to be settled. */
  readonly floor: () => number;
  /** A session began or ended. */
  readonly onPeer: (type: "peer" | "peerLost", address: string, peers: number) => void;
  /** It is saved that a session is there. */
  readonly onKnown: (link: SenderLink) => void;
  /** A session has been silent for too long. */
  readonly onSilent: (link: SenderLink) => void;
}

/** A receiver that was silent for so many heartbeats is gone (count). */
const HEARTBEATS_MISSED_MAX = 3;

/** The sessions of a sender: who is there, under which number, and what each has been told. */
export class SenderSessions implements Iterable<SenderLink> {
  readonly #options: SenderSessionsOptions;
  readonly #links = new Map<number, SenderLink>();
  readonly #byPeer = new Map<LinkPeer, SenderLink>();
  #made = 0;
  #liveCount = 0;
  #cancelBeat: (() => void) | null = null;

  constructor(options: SenderSessionsOptions) {
    this.#options = options;
    this.#beat();
  }

  /** Sessions that may get messages (count). */
  get liveCount(): number {
    return this.#liveCount;
  }

  get(id: number): SenderLink | undefined {
    return this.#links.get(id);
  }

  /** The session of a connection. */
  of(peer: LinkPeer): SenderLink | undefined {
    return this.#byPeer.get(peer);
  }

  has(link: SenderLink): boolean {
    return this.#links.has(link.id);
  }

  [Symbol.iterator](): Iterator<SenderLink> {
    return this.#links.values();
  }

  /** A receiver wants a session. @returns what it said, or in words why it gets none */
  check(text: string): Hello | string {
    const hello = parseHello(text);
    if (typeof hello === "string") return `hello: ${hello}`;
    return mismatch(this.#options, hello) ?? hello;
  }

  /** Opens a session, which gets messages when it has said what it holds. */
  open(peer: LinkPeer, session: number, hello: Hello): void {
    const id = ++this.#made;
    const link = newSenderLink(id, { peer, session, hello, nowMs: this.#options.clock.nowMs() });
    this.#links.set(id, link);
    this.#byPeer.set(peer, link);
    this.welcome(link);
  }

  /** Says that the session is accepted. */
  welcome({ peer, session }: SenderLink): void {
    this.say(peer, { type: "welcome", session, text: this.#options.welcome() });
  }

  /**
   * The session may get messages from now on. A receiver has one session with us: an older one ended, though
   * we may not have noticed.
   */
  enliven(link: SenderLink): void {
    for (const other of [...this.#links.values()]) {
      if (other.receiver === link.receiver && other !== link) this.remove(other);
    }
    link.isLive = true;
    link.acks = 1;
    this.#liveCount += 1;
  }

  /** @returns whether it was there */
  remove(link: SenderLink): boolean {
    if (!this.#links.delete(link.id)) return false;
    this.#byPeer.delete(link.peer);
    link.outgoing.length = 0;
    if (link.isLive) {
      this.#liveCount -= 1;
      this.#options.onPeer("peerLost", link.peer.address, this.#liveCount);
    }
    return true;
  }

  /**
   * What is about to be saved: acks that were taken into account, and who is there.
   *
   * @returns marks it as saved, and tells of it
   */
  cover(): () => void {
    const live = [...this.#links.values()].filter(({ isLive }) => isLive);
    const covered = live.map((link) => ({ link, acks: link.acks, handOuts: link.handOuts }));
    return () => {
      for (const { link, acks, handOuts } of covered) {
        link.acksDurable = Math.max(link.acksDurable, acks);
        const isCovered = handOuts === link.handOuts;
        if (link.isKnown || !isCovered || !this.#links.has(link.id)) continue;
        link.isKnown = true;
        this.#options.onKnown(link);
      }
      for (const link of this.#links.values()) {
        if (link.isLive && link.acksTold < link.acksDurable) this.tell(link);
      }
    };
  }

  /** A sign of life, with what the receiver need not remember any more. */
  tell(link: SenderLink): void {
    // What a restart could forget must not be forgotten by the receiver: only the saved floor is told.
    const floor = this.#options.floor();
    link.acksTold = link.acksDurable;
    this.say(link.peer, {
      type: "news",
      session: link.session,
      number: link.acksDurable,
      ranges: floor > 0 ? [{ first: 1, last: floor }] : [],
    });
  }

  say(peer: LinkPeer, message: LinkMessageInput): void {
    peer.send([encodeLinkMessage(message)]);
  }

  /** No more signs of life. */
  stop(): void {
    this.#cancelBeat?.();
  }

  #beat(): void {
    const { heartbeatMs, clock, onSilent } = this.#options;
    if (heartbeatMs === 0) return;
    this.#cancelBeat = clock.after(heartbeatMs, () => {
      const silentSinceMs = clock.nowMs() - heartbeatMs * HEARTBEATS_MISSED_MAX;
      for (const link of [...this.#links.values()]) {
        if (link.heardMs >= silentSinceMs) this.tell(link);
        else {
          onSilent(link);
          link.peer.forget();
        }
      }
      this.#beat();
    });
  }
}
