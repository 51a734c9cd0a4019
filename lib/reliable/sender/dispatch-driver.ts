import type { Peer } from "../../core/events/peer.ts";
import type { Dispatcher } from "../../delivery/dispatch/dispatcher.ts";
import type { DispatcherEvent } from "../../delivery/dispatch/dispatcher-events.ts";
import { dispatcherEvent } from "../../delivery/dispatch/dispatcher-events.ts";
import { ARGUMENT_STREAM_ENDS, type LinkMessage } from "../../delivery/protocol/link-message.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import type { LinkPeer } from "../../transport/link-peer.ts";
import { Refusals, readLinkMessage, sameRole } from "../link/refusals.ts";
import type { Backlog } from "./backlog.ts";
import type { DispatchDriverOptions } from "./dispatch-driver-options.ts";
import { DispatchSteps } from "./dispatch-steps.ts";
import type { SenderStateStore } from "./saved/sender-state-store.ts";
import { SenderHandshake } from "./sender-handshake.ts";
import type { SenderSession } from "./sender-session.ts";
import type { SenderSessions } from "./sender-sessions.ts";

/** Reports of receivers that must survive this process, as acknowledgements do: messages begun or given back. */
const SAVED_SOON: ReadonlySet<DispatcherEvent["type"]> = new Set([
  "begun",
  "nacked",
  "rejected",
  "released",
]);

/**
 * Passes the messages of receivers to where they count: their reports to the dispatcher. Owns only its parts; the state
 * of the sessions is in {@link SenderSessions}, that of the messages in the dispatcher.
 *
 * @see docs/decisions/0040-link-protocol.md
 */
export class DispatchDriver {
  readonly #options: DispatchDriverOptions;
  readonly #steps: DispatchSteps;
  readonly #sessions: SenderSessions;
  readonly #refusals: Refusals;
  readonly #handshake: SenderHandshake;

  constructor(options: DispatchDriverOptions) {
    this.#options = options;
    const steps = new DispatchSteps(options);
    const { sessions } = steps;
    const refusals = new Refusals({
      clock: options.clock,
      peers: "receiver",
      sendTo: (peer, message) => sessions.sendTo(peer, message),
      onProblem: options.onProblem,
    });
    this.#steps = steps;
    this.#sessions = sessions;
    this.#refusals = refusals;
    this.#handshake = new SenderHandshake({ ...options, steps, refusals });
  }

  get dispatcher(): Dispatcher {
    return this.#steps.dispatcher;
  }

  /** The stored messages that are fed to the dispatcher. */
  get backlog(): Backlog {
    return this.#steps.backlog;
  }

  get stateStore(): SenderStateStore {
    return this.#steps.stateStore;
  }

  /** The receivers that may get messages. */
  list(): readonly Peer[] {
    return this.#sessions.list();
  }

  /** Sessions that may get messages (count). */
  get peers(): number {
    return this.#sessions.liveCount;
  }

  /** Drops the oldest messages that no receiver works on. */
  drop(count: number): void {
    this.#steps.step({ type: "drop", count });
  }

  /** Removes dead letters. */
  purge(ranges: readonly SeqRange[]): void {
    this.#steps.step({ type: "purged", ranges });
    this.stateStore.markDirty();
  }

  /** A connection initiated by this end is up: this end sends first. */
  onConnect(peer: LinkPeer): void {
    if (this.#steps.isClosed) return;
    this.#sessions.offer(peer);
  }

  onMessage(peer: LinkPeer, parts: readonly Buffer[]): void {
    if (this.#steps.isClosed) return;
    const message = readLinkMessage(parts, 1);
    if (typeof message === "string") {
      this.#handshake.refuse(peer, 1, message);
      return;
    }
    if (message.type === "hello") {
      this.#handshake.hello(peer, message);
      return;
    }
    if (message.type === "offer") {
      this.#handshake.refuse(peer, 1, sameRole("sender"));
      return;
    }
    const link = this.#sessions.of(peer);
    if (message.type === "refuse") {
      this.#handshake.refused(peer, message);
      return;
    }
    if (link === undefined || link.session !== message.session) {
      this.#refusals.noSession(peer, message.session);
      if (link === undefined) peer.forget();
      return;
    }
    this.#sessions.heard(link);
    if (message.type === "claim") {
      this.#handshake.claim(link, message);
      return;
    }
    if (link.isLive) this.#handle(link, message);
  }

  onGone(peer: LinkPeer): void {
    this.#sessions.withdraw(peer);
    const link = this.#sessions.of(peer);
    if (link !== undefined) this.#steps.end(link, "lost");
    peer.close();
  }

  /** Some peer is gone: a send to each shows which one. */
  onSuspect(): void {
    for (const link of this.#sessions) this.#sessions.sendProgress(link);
  }

  /** Ends reports and dispatches; unsettled messages stay in the journal. @see DispatchSteps.close */
  close(): void {
    if (!this.#steps.isClosed) this.#steps.close();
  }

  /**
   * Sends `close`, and before it what is saved by now, so that receivers need not remember it for a sender that may
   * never come back.
   *
   * @see docs/decisions/0056-what-is-said-at-the-end.md
   */
  leave(): void {
    // A stream in memory ends with the journal of this socket, so receivers need not remember it.
    const argument = this.#options.isTransient ? ARGUMENT_STREAM_ENDS : 0;
    for (const link of this.#sessions) {
      const { peer, session } = link;
      if (link.isLive) this.#sessions.sendProgress(link);
      this.#sessions.sendTo(peer, { type: "close", session, argument });
    }
  }

  /** Stops like a killed process: sends nothing, and saves nothing. */
  abandon(): void {
    this.#steps.abandon();
  }

  #handle(link: SenderSession, message: LinkMessage): void {
    switch (message.type) {
      case "diverged":
        if (message.ranges.length > 0) this.#options.onDiverged(message.ranges);
        return;
      case "received":
        for (const range of message.ranges) {
          for (const { first, last } of this.dispatcher.heldOf(link.id, range)) {
            this.#options.outbound.delivered(first, last);
          }
        }
        return;
      case "close":
        this.#steps.end(link, "left");
        // It reads nothing from this end any more, so nothing else would show that it can be forgotten.
        link.peer.close();
        return;
      case "ack":
        if (message.number !== link.acks + 1) {
          const text = `ack ${message.number} follows ack ${link.acks}`;
          this.#handshake.refuse(link.peer, link.session, text);
          return;
        }
        link.acks = message.number;
    }
    const event = dispatcherEvent(link.id, message);
    if (event !== null) {
      this.#steps.step(event);
      // Messages given back, and their back-off, must survive this process as acknowledgements do.
      if (SAVED_SOON.has(event.type)) this.stateStore.markDirty();
    } else
      this.#handshake.refuse(link.peer, link.session, `a receiver does not say ${message.type}`);
  }
}
