import type { Peer } from "../../core/events/peer.ts";
import { DEAD_RANGES_MAX } from "../../delivery/dispatch/dead-letter-index.ts";
import type { Dispatcher } from "../../delivery/dispatch/dispatcher.ts";
import type {
  DispatcherAction,
  DispatcherEvent,
} from "../../delivery/dispatch/dispatcher-events.ts";
import { dispatcherEvent } from "../../delivery/dispatch/dispatcher-events.ts";
import { type Hello, parseHello } from "../../delivery/protocol/handshake.ts";
import {
  type LinkMessage,
  RANGES_MAX,
  WORD_STREAM_ENDS,
} from "../../delivery/protocol/link-message.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import { BrokerlessError } from "../../errors.ts";
import type { MissingEntries } from "../../journal/journal.ts";
import { peerLabel } from "../../peer-text.ts";
import type { LinkPeer } from "../../transport/link-peer.ts";
import { Alarm } from "../link/alarm.ts";
import { AttentiveClock, lookMs } from "../link/attentive-clock.ts";
import { Refusals, readLinkMessage, sameRole } from "../link/refusals.ts";
import { Backlog } from "./backlog.ts";
import type { DispatchDriverOptions } from "./dispatch-driver-options.ts";
import { DeadLetterCompactor } from "./saved/dead-letter-compactor.ts";
import { SavedProgress } from "./saved/saved-progress.ts";
import { SenderStateStore } from "./saved/sender-state-store.ts";
import { peerOf, type SenderSession } from "./sender-session.ts";
import { SenderSessions } from "./sender-sessions.ts";
import { Transmitter } from "./transmitter.ts";

/** A state that lasts is told again after so long (milliseconds). */
const FULL_TELL_MS = 1_000;
/** What a receiver says and must outlive this process, as acknowledgements do: what it begins, and what it gives back. */
const SAVED_SOON: ReadonlySet<DispatcherEvent["type"]> = new Set([
  "begun",
  "nacked",
  "rejected",
  "released",
]);
/** What is true of the journal whether receivers are there or not. */
const OF_JOURNAL: ReadonlySet<DispatcherEvent["type"]> = new Set([
  "purged",
  "copying",
  "notCopied",
  "copied",
]);
/** Words of one receiver of which it wants to hear that they are saved (count). */
const GOING_MAX = 64;

/**
 * A sender's sessions: takes what receivers say to the dispatcher, and does what the dispatcher wants.
 *
 * All effects of the sending side of delivery are here: time, peers, and reading back from the journal.
 *
 * @see docs/decisions/0040-link-protocol.md
 */
export class DispatchDriver {
  /** What is stored, on its way to the dispatcher. */
  readonly backlog: Backlog;
  readonly #options: DispatchDriverOptions;
  readonly #stateStore: SenderStateStore;
  readonly #dispatcher: Dispatcher;
  readonly #sessions: SenderSessions;
  readonly #transmitter: Transmitter;
  readonly #alarm: Alarm;
  readonly #clock: AttentiveClock;
  readonly #refusals: Refusals;
  /** Receivers are neither heard nor told anything any more. */
  #closed = false;
  /** That there is no room for dead letters is not told again before this time (ms). */
  #fullTellMs = 0;
  /** Who was handed out messages in this step. */
  readonly #served = new Set<SenderSession>();
  /** Nothing at all happens any more. */
  #ended = false;

  constructor(options: DispatchDriverOptions) {
    this.#options = options;
    const { journal, dispatcher, outbound } = options;
    const clock = new AttentiveClock(options.clock, lookMs(options.rules.leaseMs));
    this.#clock = clock;
    this.#refusals = new Refusals({
      clock: options.clock,
      peers: "receiver",
      say: (peer, message) => this.#sessions.say(peer, message),
      onProblem: options.onProblem,
    });
    this.#alarm = new Alarm(clock, () => this.#step({ type: "tick" }));
    const progress = new SavedProgress(dispatcher.floor);
    const sessions = new SenderSessions({
      ...options,
      clock,
      progress,
      onKnown: (link) => {
        this.#transmitter.resume(link);
        this.backlog.fill();
      },
      holds: (link) => dispatcher.holds(link.id),
      onSilent: (link) => this.#step({ type: "silent", link: link.id }),
      onDead: (link) => this.#end(link, "lost"),
    });
    const backlog = new Backlog({
      journal,
      clock,
      bytesMax: options.cacheBytesMax,
      fed: () => dispatcher.fed,
      freshFirst: () => dispatcher.freshFirst,
      unsentFirst: () => (progress.isFailing ? Number.POSITIVE_INFINITY : sessions.unsentFirst),
      feed: (batch) => {
        // First: nothing is dropped for what a batch was taken for.
        outbound.read(batch, batch.bytes);
        this.#step({ type: "fed", ...batch });
      },
      onFailed: options.onProblem,
      onMissing: (missing) => this.#miss(null, missing),
    });
    this.#transmitter = new Transmitter({
      backlog,
      clock,
      wantsReceipts: () => outbound.waitsForReceipts,
      isWatching: () => dispatcher.isWatching,
      held: (link, range) => (this.#closed ? [] : dispatcher.heldOf(link.id, range)),
      weigh: (link, range, bytesEach) => dispatcher.weigh(link.id, range, bytesEach),
      onResumed: (link) => this.#noteCongestion(link),
      onMissing: (link, missing) => this.#miss(link.id, missing),
      onFailed: (link, error) => {
        if (this.#closed) return;
        options.onProblem(error as BrokerlessError);
        this.#end(link, "lost");
      },
    });
    this.#stateStore = new SenderStateStore({
      ...options,
      clock,
      progress,
      onSave: () => sessions.snapshotForSave(),
      saveFirst: () => outbound.saveIds(),
      compactor: new DeadLetterCompactor({
        ...options,
        step: (event) => this.#step(event),
        load: (seq) => backlog.load(seq),
        flush: () => outbound.flush(),
        onStored: (range, bytes) => backlog.passed(range, bytes),
      }),
      onFailed: options.onProblem,
    });
    this.#dispatcher = dispatcher;
    this.#sessions = sessions;
    this.backlog = backlog;
    this.#alarm.set(dispatcher.deadlineMs);
    backlog.fill();
  }

  get dispatcher(): Dispatcher {
    return this.#dispatcher;
  }

  get stateStore(): SenderStateStore {
    return this.#stateStore;
  }

  /** The receivers that may get messages. */
  list(): readonly Peer[] {
    return this.#sessions.list();
  }

  /** Sessions that may get messages (count). */
  get peers(): number {
    return this.#sessions.liveCount;
  }

  /** Gives up the oldest messages that nobody works on. */
  drop(count: number): void {
    this.#step({ type: "drop", count });
  }

  /** Forgets dead letters. */
  purge(ranges: readonly SeqRange[]): void {
    this.#step({ type: "purged", ranges });
    this.#stateStore.settled(0);
  }

  /** A connection of our making is up: we speak first. */
  onConnect(peer: LinkPeer): void {
    if (this.#closed) return;
    this.#sessions.offer(peer);
  }

  onMessage(peer: LinkPeer, parts: readonly Buffer[]): void {
    if (this.#closed) return;
    const message = readLinkMessage(parts, 1);
    if (typeof message === "string") {
      this.#refuse(peer, 1, message);
      return;
    }
    if (message.type === "hello") {
      this.#hello(peer, message);
      return;
    }
    if (message.type === "offer") {
      this.#refuse(peer, 1, sameRole("sender"));
      return;
    }
    const link = this.#sessions.of(peer);
    if (message.type === "refuse") {
      this.#refused(peer, message);
      return;
    }
    if (link === undefined || link.session !== message.session) {
      this.#refusals.noSession(peer, message.session);
      if (link === undefined) peer.forget();
      return;
    }
    link.heardMs = this.#clock.nowMs();
    if (message.type === "claim") {
      this.#claim(link, message);
      return;
    }
    if (link.isLive) this.#answer(link, message);
  }

  onGone(peer: LinkPeer): void {
    this.#sessions.withdraw(peer);
    const link = this.#sessions.of(peer);
    if (link !== undefined) this.#end(link, "lost");
    peer.close();
  }

  /** Somebody is gone: who, is seen by speaking to each. */
  onSuspect(): void {
    for (const link of this.#sessions) this.#sessions.tell(link);
  }

  /**
   * Hands out nothing more, and hears nothing more; what is not settled stays in the journal. What is under way in the
   * journal itself goes on: moves of dead letters, and the last save. `abandon` ends these too.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#alarm.stop();
    this.#sessions.stop();
    this.backlog.close();
  }

  /**
   * Says good-bye, and before it what is saved by now, so that receivers need not remember it for a sender that may
   * never come back.
   *
   * @see docs/decisions/0056-what-is-said-at-the-end.md
   */
  leave(): void {
    // In memory alone: with the journal of this socket ends its stream, and receivers need not remember it.
    const word = this.#options.isTransient ? WORD_STREAM_ENDS : 0;
    for (const link of this.#sessions) {
      const { peer, session } = link;
      if (link.isLive) this.#sessions.tell(link);
      this.#sessions.say(peer, { type: "bye", session, word });
    }
  }

  /** Stops as a process does that is killed: without a word, and without saving. */
  abandon(): void {
    this.#closed = true;
    this.#ended = true;
    this.#alarm.stop();
    this.#clock.stop();
    this.#sessions.stop();
    this.backlog.close();
    this.#stateStore.close();
  }

  #hello(peer: LinkPeer, { session, text }: LinkMessage): void {
    const before = this.#sessions.of(peer);
    const isKnown = before?.session === session;
    if (before !== undefined && !isKnown) this.#replace(before, text);
    if (!this.#refusals.allows(peer)) return;
    const hello = this.#sessions.check(peer, text);
    if (typeof hello === "string") this.#refuse(peer, session, hello);
    // In an open session a hello asks for a heartbeat.
    else if (isKnown) this.#sessions.welcome(before);
    else this.#admit(peer, session, hello);
  }

  /**
   * A peer that begins a session on a connection has ended the one before, whether it is given another or not. Under
   * another receiver id nobody comes back for what the former holds, so there is no grace.
   */
  #replace(before: SenderSession, text: string): void {
    const hello = parseHello(text);
    const isSame = typeof hello !== "string" && hello.receiver === before.receiver;
    this.#end(before, isSame ? "lost" : "left");
  }

  /** A receiver gets a session, unless another of its name is there. */
  #admit(peer: LinkPeer, session: number, hello: Hello): void {
    const rival = this.#sessions.rivalOf(hello);
    if (rival === null) {
      this.#sessions.open(peer, session, hello);
      return;
    }
    this.#sessions.probe(rival, peer, (isThere) => {
      if (this.#closed) return;
      if (isThere) {
        this.#refuseRival(peer, session, rival);
        return;
      }
      this.#end(rival, "lost");
      this.#admit(peer, session, hello);
    });
  }

  #refuseRival(peer: LinkPeer, session: number, rival: SenderSession): void {
    const [one, other] = [peerLabel(rival.peer), peerLabel(peer)];
    const text = `receiver ${rival.receiver} is there already, at ${one}, and another one says that it is it, at ${other}`;
    this.#refusals.refuseRival(peer, session, text);
    peer.forget();
  }

  #claim(link: SenderSession, message: LinkMessage): void {
    if (link.isLive) {
      this.#sessions.answered(link);
      return;
    }
    // Another one of its name may have been quicker.
    const rival = this.#sessions.rivalOf(link);
    if (rival === null) {
      this.#join(link, message);
      return;
    }
    this.#sessions.probe(rival, link.peer, (isThere) => {
      if (this.#closed || !this.#sessions.has(link)) return;
      this.#end(isThere ? link : rival, "lost");
      if (isThere) this.#refuseRival(link.peer, link.session, rival);
      else this.#claim(link, message);
    });
  }

  #join(link: SenderSession, { word, ranges }: LinkMessage): void {
    this.#sessions.activate(link);
    const { id, receiver, incarnation, prefetch, prefetchBytesMax } = link;
    const [held, done] = [ranges.slice(0, word), ranges.slice(word)];
    // The connection may still have to take what sessions before this one were handed out.
    link.isCongested = link.peer.isFull;
    if (link.isCongested) link.peer.onRoom(() => this.#noteCongestion(link));
    const who = {
      ...{ link: id, receiver, incarnation, prefetch, prefetchBytesMax },
      congested: link.isCongested,
    };
    this.#checkHead(link, ranges);
    this.#step({ type: "joined", ...who, held, done });
    this.#stateStore.settled(0);
    void this.#stateStore.hurry();
    this.#options.onPeer("peer", peerOf(link), this.#sessions.liveCount);
  }

  /** What nobody has written nobody can have: the receiver is of another history, or lies. It gets nothing for it. */
  #checkHead({ receiver, peer }: SenderSession, ranges: readonly SeqRange[]): void {
    const head = this.#options.journal.seqNext - 1;
    const beyond = ranges.find(({ last }) => last > head);
    if (beyond === undefined) return;
    const message = `receiver ${receiver}, ${peerLabel(peer)}, claims message ${beyond.last}, and the newest is ${head}`;
    this.#options.onProblem(new BrokerlessError("BROKERLESS_DIVERGED", message));
  }

  #answer(link: SenderSession, message: LinkMessage): void {
    switch (message.type) {
      case "diverged":
        if (message.ranges.length > 0) this.#options.onDiverged(message.ranges);
        return;
      case "receipt":
        for (const range of message.ranges) {
          for (const { first, last } of this.#dispatcher.heldOf(link.id, range)) {
            this.#options.outbound.delivered(first, last);
          }
        }
        return;
      case "bye":
        this.#end(link, "left");
        // It hears nothing from us any more, so nothing else would show that it can be forgotten.
        link.peer.close();
        return;
      case "ack":
        if (message.number !== link.acks + 1) {
          const text = `ack ${message.number} follows ack ${link.acks}`;
          this.#refuse(link.peer, link.session, text);
          return;
        }
        link.acks = message.number;
    }
    const event = dispatcherEvent(link.id, message);
    if (event !== null) {
      this.#step(event);
      // What was given back, and how long it rests, must outlive this process as acknowledgements do.
      if (SAVED_SOON.has(event.type)) this.#stateStore.settled(0);
    } else this.#refuse(link.peer, link.session, `a receiver does not say ${message.type}`);
  }

  #refused(peer: LinkPeer, message: LinkMessage): void {
    const link = this.#sessions.of(peer);
    if (link !== undefined && link.session === message.session) this.#end(link, "lost");
    this.#refusals.refused(peer, message);
  }

  /** Says why, on both sides, and ends the session. */
  #refuse(peer: LinkPeer, session: number, text: string): void {
    const link = this.#sessions.of(peer);
    if (link !== undefined) this.#end(link, "lost");
    this.#refusals.refuse(peer, session, text);
    peer.forget();
  }

  #end(link: SenderSession, how: "lost" | "left"): void {
    if (!this.#sessions.remove(link)) return;
    this.#step({ type: how, link: link.id });
  }

  #step(event: DispatcherEvent): void {
    if (this.#ended || (this.#closed && !OF_JOURNAL.has(event.type))) return;
    const { savesBeforeSending, forgotten } = this.#dispatcher;
    // Who is relieved goes on within what the turn has left: thousands may be at once.
    if (event.type !== "relieved") this.#transmitter.refresh();
    const actions = this.#dispatcher.step(event, this.#clock.nowMs());
    let isSettled = false;
    for (const action of actions) {
      if (action.type === "settled") isSettled = true;
      this.#act(action, savesBeforeSending);
    }
    if (this.#closed) return;
    // Who may hold messages has changed: a restart has to wait for the right ones, on an idle queue too.
    if (this.#dispatcher.forgotten > forgotten) this.#stateStore.settled(0);
    if (isSettled) this.backlog.settled(this.#dispatcher.floor);
    else if (event.type !== "fed" && actions.length > 0) this.backlog.fill();
    this.#alarm.set(this.#dispatcher.deadlineMs);
    // Fed, given back, or at the end of a lease or a grace.
    if (event.type !== "drop") this.#options.onDroppable?.();
    if (this.#served.size === 0) return;
    const served = [...this.#served];
    this.#served.clear();
    for (const link of served) this.#noteCongestion(link);
  }

  /**
   * Who gives back what has not left yet has credit again, while that still waits in memory: so nobody is handed out
   * more as long as much waits for its connection.
   */
  #noteCongestion(link: SenderSession): void {
    if (!this.#sessions.has(link)) return;
    const { peer, outgoing, isCongested } = link;
    if (peer.isFull) peer.onRoom(() => this.#noteCongestion(link));
    link.isCongested = peer.isFull || outgoing.size > 0;
    if (link.isCongested === isCongested) return;
    this.#step({ type: link.isCongested ? "congested" : "relieved", link: link.id });
  }

  /** Delivery goes on behind what is missing in the journal, which is told. */
  #miss(link: number | null, { seqFirst, seqLast, error }: MissingEntries): void {
    if (this.#closed) return;
    const { settledCount } = this.#dispatcher;
    this.#step({ type: "missing", first: seqFirst, last: seqLast, link });
    this.#stateStore.settled(0);
    if (this.#dispatcher.settledCount > settledCount) this.#options.onProblem(error);
  }

  /** There is no room among the dead letters: told now and then, since it is so for every one that would be one. */
  #tellFull(seq: number): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs < this.#fullTellMs) return;
    this.#fullTellMs = nowMs + FULL_TELL_MS;
    const { count, size } = this.#dispatcher.dead;
    const message =
      `${count} dead letters are kept, in ${size} ranges; at most ${this.#options.rules.deadLettersMax} ` +
      `(deadLettersMax), in ${DEAD_RANGES_MAX} ranges. Message ${seq} is tried on, as others are`;
    this.#options.onProblem(new BrokerlessError("BROKERLESS_FULL", message));
  }

  /** The hand-outs that may kill both sides are counted before they can. */
  #saveFirst(link: SenderSession): void {
    link.isKnown = false;
    link.handOuts += 1;
    this.#stateStore.settled(0);
    queueMicrotask(() => void this.#stateStore.hurry());
  }

  #act(action: DispatcherAction, savesBeforeSending: boolean): void {
    if (action.type === "settled") {
      this.#options.onSettled(action.outcome, action);
      return;
    }
    if (this.#closed) return;
    if (action.type === "deadLettersFull") {
      this.#tellFull(action.first);
      return;
    }
    const link = this.#sessions.get(action.link);
    if (link === undefined) return;
    const { peer, session } = link;
    switch (action.type) {
      case "send":
        if (savesBeforeSending) this.#saveFirst(link);
        this.#transmitter.add(link, action);
        this.#served.add(link);
        return;
      case "go":
        // A receiver waits for one before it says another.
        if (link.going.length < GOING_MAX) link.going.push(action.ranges.slice(0, RANGES_MAX));
        this.#stateStore.settled(0);
        queueMicrotask(() => void this.#stateStore.hurry());
        return;
      case "order": {
        const ranges = action.awaited.slice(0, RANGES_MAX);
        this.#sessions.say(peer, { type: "order", session, word: action.ordered ? 1 : 0, ranges });
        return;
      }
      default: {
        const ranges = action.ranges.slice(0, RANGES_MAX);
        this.#sessions.say(peer, { type: action.type, session, ranges });
        return;
      }
    }
  }
}
