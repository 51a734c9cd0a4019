import type { Peer } from "../../core/events/peer.ts";
import { type Hello, parseHello } from "../../delivery/protocol/handshake.ts";
import type { LinkMessage } from "../../delivery/protocol/link-message.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import { BrokerlessError } from "../../errors.ts";
import type { Journal } from "../../journal/journal.ts";
import { peerLabel } from "../../peer-text.ts";
import type { LinkPeer } from "../../transport/link-peer.ts";
import type { Refusals } from "../link/refusals.ts";
import type { DispatchSteps } from "./dispatch-steps.ts";
import { peerOf, type SenderSession } from "./sender-session.ts";
import type { SenderSessions } from "./sender-sessions.ts";

/** Dependencies of {@link SenderHandshake}. */
export interface SenderHandshakeOptions {
  readonly journal: Pick<Journal, "seqNext">;
  readonly steps: DispatchSteps;
  readonly refusals: Refusals;
  /** A session began. */
  readonly onPeer: (type: "peer", peer: Peer, peers: number) => void;
  readonly onProblem: (error: BrokerlessError) => void;
}

/**
 * The start of sessions with receivers, and the reasons for refusing one: a hello, a welcome, a claim; one session for
 * each receiver, even if another peer uses the same receiver id.
 *
 * @see docs/decisions/0040-link-protocol.md
 */
export class SenderHandshake {
  readonly #options: SenderHandshakeOptions;
  readonly #steps: DispatchSteps;
  readonly #sessions: SenderSessions;
  readonly #refusals: Refusals;

  constructor(options: SenderHandshakeOptions) {
    this.#options = options;
    this.#steps = options.steps;
    this.#sessions = options.steps.sessions;
    this.#refusals = options.refusals;
  }

  /** A receiver asks for a session, or for a heartbeat in its existing one. */
  hello(peer: LinkPeer, { session, text }: LinkMessage): void {
    const before = this.#sessions.of(peer);
    const isKnown = before?.session === session;
    if (before !== undefined && !isKnown) this.#replace(before, text);
    if (!this.#refusals.allows(peer)) return;
    const hello = this.#sessions.check(peer, text);
    if (typeof hello === "string") this.refuse(peer, session, hello);
    // In an open session, a hello asks for a heartbeat.
    else if (isKnown) this.#sessions.welcome(before);
    else this.#admit(peer, session, hello);
  }

  /**
   * A peer that begins a session on a connection has ended the previous one, whether it gets another or not. If its
   * receiver id is different, no receiver will claim the messages of the previous session, so there is no grace.
   */
  #replace(before: SenderSession, text: string): void {
    const hello = parseHello(text);
    const isSame = typeof hello !== "string" && hello.receiver === before.receiver;
    this.#steps.end(before, isSame ? "lost" : "left");
  }

  /** Gives a receiver a session, unless another process has one under the same receiver id. */
  #admit(peer: LinkPeer, session: number, hello: Hello): void {
    const rival = this.#sessions.rivalOf(hello);
    if (rival === null) {
      this.#sessions.open(peer, session, hello);
      return;
    }
    this.#sessions.probe(rival, peer, (isThere) => {
      if (this.#steps.isClosed) return;
      if (isThere) {
        this.#refuseRival(peer, session, rival);
        return;
      }
      this.#steps.end(rival, "lost");
      this.#admit(peer, session, hello);
    });
  }

  #refuseRival(peer: LinkPeer, session: number, rival: SenderSession): void {
    const [one, other] = [peerLabel(rival.peer), peerLabel(peer)];
    const text = `receiver ${rival.receiver} is there already, at ${one}, and another one says that it is it, at ${other}`;
    this.#refusals.refuseRival(peer, session, text);
    peer.forget();
  }

  /** A receiver reports the messages it holds and has done: its session begins. */
  claim(link: SenderSession, message: LinkMessage): void {
    if (link.isLive) {
      this.#sessions.replied(link);
      return;
    }
    // Another process with its receiver id may have been faster.
    const rival = this.#sessions.rivalOf(link);
    if (rival === null) {
      this.#join(link, message);
      return;
    }
    this.#sessions.probe(rival, link.peer, (isThere) => {
      if (this.#steps.isClosed || !this.#sessions.has(link)) return;
      this.#steps.end(isThere ? link : rival, "lost");
      if (isThere) this.#refuseRival(link.peer, link.session, rival);
      else this.claim(link, message);
    });
  }

  #join(link: SenderSession, { argument, ranges }: LinkMessage): void {
    this.#sessions.activate(link);
    const { id, receiver, incarnation, prefetch, prefetchBytesMax } = link;
    const [held, done] = [ranges.slice(0, argument), ranges.slice(argument)];
    // The connection may still be full of messages dispatched in earlier sessions.
    link.isCongested = link.peer.isFull;
    if (link.isCongested) link.peer.onRoom(() => this.#steps.noteCongestion(link));
    const who = {
      ...{ link: id, receiver, incarnation, prefetch, prefetchBytesMax },
      congested: link.isCongested,
    };
    this.#checkHead(link, ranges);
    this.#steps.step({ type: "joined", ...who, held, done });
    this.#steps.stateStore.markDirty();
    void this.#steps.stateStore.hurry();
    this.#options.onPeer("peer", peerOf(link), this.#sessions.liveCount);
  }

  /** Reports a claim of messages never written: the receiver is of another history, or lies. It has no effect. */
  #checkHead({ receiver, peer }: SenderSession, ranges: readonly SeqRange[]): void {
    const head = this.#options.journal.seqNext - 1;
    const beyond = ranges.find(({ last }) => last > head);
    if (beyond === undefined) return;
    const message = `receiver ${receiver}, ${peerLabel(peer)}, claims message ${beyond.last}, and the newest is ${head}`;
    this.#options.onProblem(new BrokerlessError("BROKERLESS_DIVERGED", message));
  }

  /** A receiver refuses this end. */
  refused(peer: LinkPeer, message: LinkMessage): void {
    const link = this.#sessions.of(peer);
    if (link !== undefined && link.session === message.session) this.#steps.end(link, "lost");
    this.#refusals.refused(peer, message);
  }

  /** Reports the reason on both sides, and ends the session. */
  refuse(peer: LinkPeer, session: number, text: string): void {
    const link = this.#sessions.of(peer);
    if (link !== undefined) this.#steps.end(link, "lost");
    this.#refusals.refuse(peer, session, text);
    peer.forget();
  }
}
