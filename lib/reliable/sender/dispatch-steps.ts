import type { Dispatcher } from "../../delivery/dispatch/dispatcher.ts";
import type {
  DispatcherAction,
  DispatcherEvent,
} from "../../delivery/dispatch/dispatcher-events.ts";
import { RANGES_MAX } from "../../delivery/protocol/link-message.ts";
import type { BrokerlessError } from "../../errors.ts";
import type { MissingEntries } from "../../journal/journal.ts";
import { Alarm } from "../link/alarm.ts";
import { AttentiveClock, lookMs } from "../link/attentive-clock.ts";
import { Backlog } from "./backlog.ts";
import type { DispatchDriverOptions } from "./dispatch-driver-options.ts";
import { LetterLimit } from "./letter-limit.ts";
import { DeadLetterCompactor } from "./saved/dead-letter-compactor.ts";
import { SavedProgress } from "./saved/saved-progress.ts";
import { SenderStateStore } from "./saved/sender-state-store.ts";
import type { SenderSession } from "./sender-session.ts";
import { SenderSessions } from "./sender-sessions.ts";
import { Transmitter } from "./transmitter.ts";

/** Events about the journal itself, which apply even without sessions. */
const OF_JOURNAL: ReadonlySet<DispatcherEvent["type"]> = new Set([
  "purged",
  "copying",
  "notCopied",
  "copied",
]);
/** Limit on `go` messages to one receiver that wait for a save (count). */
const GOING_MAX = 64;

/**
 * Passes events to the dispatcher, and carries out the resulting actions: sends, reports, saves, and reads back.
 *
 * Owns the dispatcher's one timer, the backlog and the state store, and nothing of a session but which of them
 * were served in this step. All effects of the sending side of delivery are here, or in the objects created here: time,
 * peers, and the journal.
 *
 * @see docs/decisions/0041-dispatcher.md
 */
export class DispatchSteps {
  readonly dispatcher: Dispatcher;
  readonly sessions: SenderSessions;
  /** The stored messages that are fed to the dispatcher. */
  readonly backlog: Backlog;
  readonly stateStore: SenderStateStore;
  readonly #options: DispatchDriverOptions;
  readonly #transmitter: Transmitter;
  readonly #alarm: Alarm;
  readonly #clock: AttentiveClock;
  readonly #letterLimit: LetterLimit;
  /** Sessions to which this step dispatched messages. */
  readonly #served = new Set<SenderSession>();
  /** No more messages from or to receivers. */
  #closed = false;
  /** No more steps at all. */
  #ended = false;

  constructor(options: DispatchDriverOptions) {
    this.#options = options;
    const { journal, dispatcher, outbound } = options;
    const clock = new AttentiveClock(options.clock, lookMs(options.rules.leaseMs));
    this.#clock = clock;
    this.#alarm = new Alarm(clock, () => this.step({ type: "tick" }));
    this.#letterLimit = new LetterLimit({ ...options, clock });
    this.dispatcher = dispatcher;
    const progress = new SavedProgress(dispatcher.floor);
    const sessions = new SenderSessions({
      ...options,
      clock,
      progress,
      onKnown: (link) => this.#resume(link),
      holds: (link) => dispatcher.holds(link.id),
      onSilent: (link) => this.step({ type: "silent", link: link.id }),
      onDisconnected: (link) => this.end(link, "lost"),
    });
    this.sessions = sessions;
    const backlog = new Backlog({
      journal,
      clock,
      bytesMax: options.cacheBytesMax,
      formerCodec: options.formerCodec,
      fed: () => dispatcher.fed,
      freshFirst: () => dispatcher.freshFirst,
      unsentFirst: () => (progress.isFailing ? Number.POSITIVE_INFINITY : sessions.unsentFirst),
      feed: (batch) => {
        // First, so that nothing is dropped because of an estimate of this batch's size.
        outbound.read(batch, batch.bytes);
        this.step({ type: "fed", ...batch });
      },
      onFailed: options.onProblem,
      onMissing: (missing) => this.#miss(null, missing),
    });
    this.backlog = backlog;
    this.#transmitter = new Transmitter({
      backlog,
      clock,
      wantsReceived: () => outbound.waitsForDelivered,
      isWatching: () => dispatcher.isWatching,
      held: (link, range) => (this.#closed ? [] : dispatcher.heldOf(link.id, range)),
      weigh: (link, range, bytesEach) => dispatcher.weigh(link.id, range, bytesEach),
      onResumed: (link) => this.noteCongestion(link),
      onMissing: (link, missing) => this.#miss(link.id, missing),
      onFailed: (link, error) => {
        if (this.#closed) return;
        options.onProblem(error as BrokerlessError);
        this.end(link, "lost");
      },
    });
    this.stateStore = new SenderStateStore({
      ...options,
      clock,
      progress,
      onSave: () => sessions.snapshotForSave(),
      saveFirst: () => outbound.saveIds(),
      compactor: new DeadLetterCompactor({
        ...options,
        step: (event) => this.step(event),
        load: (seq) => backlog.load(seq),
        flush: () => outbound.flush(),
        onStored: (range, bytes) => backlog.passed(range, bytes),
      }),
      onFailed: options.onProblem,
    });
    this.#alarm.set(dispatcher.deadlineMs);
    backlog.fill();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /**
   * Dispatches nothing more. Work in progress in the journal itself continues: moves of dead letters, and the last
   * save. `abandon` ends these too.
   */
  close(): void {
    this.#closed = true;
    this.#alarm.stop();
    this.sessions.stop();
    this.backlog.close();
  }

  /** Stops like a killed process: without saving. */
  abandon(): void {
    this.close();
    this.#ended = true;
    this.#clock.stop();
    this.stateStore.close();
  }

  /** The session has ended. */
  end(link: SenderSession, how: "lost" | "left"): void {
    if (!this.sessions.remove(link)) return;
    this.step({ type: how, link: link.id });
  }

  /** Passes an event to the dispatcher, and carries out its actions. */
  step(event: DispatcherEvent): void {
    if (this.#ended || (this.#closed && !OF_JOURNAL.has(event.type))) return;
    const { savesBeforeSending, forgotten } = this.dispatcher;
    // Relieved sessions share the rest of the current turn: thousands may be relieved at once.
    if (event.type !== "relieved") this.#transmitter.refresh();
    const actions = this.dispatcher.step(event, this.#clock.nowMs());
    let isSettled = false;
    for (const action of actions) {
      if (action.type === "settled") isSettled = true;
      this.#act(action, savesBeforeSending);
    }
    if (this.#closed) return;
    // Other receivers may hold messages now: a restart has to wait for the right ones, on an idle queue too.
    if (this.dispatcher.forgotten > forgotten) this.stateStore.markDirty();
    if (isSettled) this.backlog.settled(this.dispatcher.floor);
    else if (event.type !== "fed" && actions.length > 0) this.backlog.fill();
    this.#alarm.set(this.dispatcher.deadlineMs);
    // The event may have made messages droppable: fed, given back, or at the end of a lease or a grace.
    if (event.type !== "drop") this.#options.onDroppable?.();
    if (this.#served.size === 0) return;
    const served = [...this.#served];
    this.#served.clear();
    for (const link of served) this.noteCongestion(link);
  }

  /**
   * Updates whether a session is congested. A receiver that gives back messages not yet sent to it gets credit again,
   * while they still wait in memory: so no more are dispatched to it while messages wait for its connection.
   */
  noteCongestion(link: SenderSession): void {
    if (!this.sessions.has(link)) return;
    const { peer, outgoing, isCongested } = link;
    if (peer.isFull) peer.onRoom(() => this.noteCongestion(link));
    link.isCongested = peer.isFull || outgoing.size > 0;
    if (link.isCongested === isCongested) return;
    this.step({ type: link.isCongested ? "congested" : "relieved", link: link.id });
  }

  /** It is saved that the session exists. */
  #resume(link: SenderSession): void {
    this.#transmitter.resume(link);
    this.backlog.fill();
  }

  /** Reports messages that are missing in the journal; delivery continues behind them. */
  #miss(link: number | null, { seqFirst, seqLast, error }: MissingEntries): void {
    if (this.#closed) return;
    const { settledCount } = this.dispatcher;
    this.step({ type: "missing", first: seqFirst, last: seqLast, link });
    this.stateStore.markDirty();
    if (this.dispatcher.settledCount > settledCount) this.#options.onProblem(error);
  }

  /** A dispatch that may end both processes is saved, and so counted, before it is sent. */
  #saveFirst(link: SenderSession): void {
    link.isKnown = false;
    link.dispatches += 1;
    this.stateStore.markDirty();
    queueMicrotask(() => void this.stateStore.hurry());
  }

  #act(action: DispatcherAction, savesBeforeSending: boolean): void {
    if (action.type === "settled") {
      this.#options.onSettled(action.outcome, action);
      return;
    }
    if (this.#closed) return;
    if (action.type === "deadLettersFull") {
      this.#letterLimit.report(action.first);
      return;
    }
    const link = this.sessions.get(action.link);
    if (link === undefined) return;
    const { peer, session } = link;
    switch (action.type) {
      case "send":
        if (savesBeforeSending) this.#saveFirst(link);
        this.#transmitter.add(link, action);
        this.#served.add(link);
        return;
      case "go":
        // A receiver waits for one `go` before it asks for another.
        if (link.going.length < GOING_MAX) link.going.push(action.ranges.slice(0, RANGES_MAX));
        this.stateStore.markDirty();
        queueMicrotask(() => void this.stateStore.hurry());
        return;
      case "ordering": {
        const ranges = action.awaited.slice(0, RANGES_MAX);
        this.sessions.sendTo(peer, {
          type: "ordering",
          session,
          argument: action.ordered ? 1 : 0,
          ranges,
        });
        return;
      }
      case "revoked":
      case "settledElsewhere": {
        const type = action.type === "revoked" ? "revoked" : "settled";
        const ranges = action.ranges.slice(0, RANGES_MAX);
        this.sessions.sendTo(peer, { type, session, ranges });
        return;
      }
    }
  }
}
