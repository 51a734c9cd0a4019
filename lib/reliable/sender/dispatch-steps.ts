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
 * Tells the dispatcher what has happened, and carries out what it decides then: what is sent, told, saved and read back.
 *
 * All effects of the sending side of delivery are here, or in what is made here: time, peers, and the journal.
 *
 * @see docs/decisions/0041-dispatcher.md
 */
export class DispatchSteps {
  readonly dispatcher: Dispatcher;
  readonly sessions: SenderSessions;
  /** What is stored, on its way to the dispatcher. */
  readonly backlog: Backlog;
  readonly stateStore: SenderStateStore;
  readonly #options: DispatchDriverOptions;
  readonly #transmitter: Transmitter;
  readonly #alarm: Alarm;
  readonly #clock: AttentiveClock;
  readonly #letterLimit: LetterLimit;
  /** Who was handed out messages in this step. */
  readonly #served = new Set<SenderSession>();
  /** Receivers are neither heard nor told anything any more. */
  #closed = false;
  /** Nothing at all happens any more. */
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
      onDead: (link) => this.end(link, "lost"),
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
        // First: nothing is dropped for what a batch was taken for.
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
      wantsReceipts: () => outbound.waitsForReceipts,
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
   * Hands out nothing more. What is under way in the journal itself goes on: moves of dead letters, and the last save.
   * `abandon` ends these too.
   */
  close(): void {
    this.#closed = true;
    this.#alarm.stop();
    this.sessions.stop();
    this.backlog.close();
  }

  /** Stops as a process does that is killed: without saving. */
  abandon(): void {
    this.close();
    this.#ended = true;
    this.#clock.stop();
    this.stateStore.close();
  }

  /** The session is over. */
  end(link: SenderSession, how: "lost" | "left"): void {
    if (!this.sessions.remove(link)) return;
    this.step({ type: how, link: link.id });
  }

  /** Tells the dispatcher what has happened, and does what it wants. */
  step(event: DispatcherEvent): void {
    if (this.#ended || (this.#closed && !OF_JOURNAL.has(event.type))) return;
    const { savesBeforeSending, forgotten } = this.dispatcher;
    // Who is relieved goes on within what the turn has left: thousands may be at once.
    if (event.type !== "relieved") this.#transmitter.refresh();
    const actions = this.dispatcher.step(event, this.#clock.nowMs());
    let isSettled = false;
    for (const action of actions) {
      if (action.type === "settled") isSettled = true;
      this.#act(action, savesBeforeSending);
    }
    if (this.#closed) return;
    // Who may hold messages has changed: a restart has to wait for the right ones, on an idle queue too.
    if (this.dispatcher.forgotten > forgotten) this.stateStore.settled(0);
    if (isSettled) this.backlog.settled(this.dispatcher.floor);
    else if (event.type !== "fed" && actions.length > 0) this.backlog.fill();
    this.#alarm.set(this.dispatcher.deadlineMs);
    // Fed, given back, or at the end of a lease or a grace.
    if (event.type !== "drop") this.#options.onDroppable?.();
    if (this.#served.size === 0) return;
    const served = [...this.#served];
    this.#served.clear();
    for (const link of served) this.noteCongestion(link);
  }

  /**
   * Who gives back what has not left yet has credit again, while that still waits in memory: so nobody is handed out
   * more as long as much waits for its connection.
   */
  noteCongestion(link: SenderSession): void {
    if (!this.sessions.has(link)) return;
    const { peer, outgoing, isCongested } = link;
    if (peer.isFull) peer.onRoom(() => this.noteCongestion(link));
    link.isCongested = peer.isFull || outgoing.size > 0;
    if (link.isCongested === isCongested) return;
    this.step({ type: link.isCongested ? "congested" : "relieved", link: link.id });
  }

  /** It is saved that a session is there. */
  #resume(link: SenderSession): void {
    this.#transmitter.resume(link);
    this.backlog.fill();
  }

  /** Delivery goes on behind what is missing in the journal, which is told. */
  #miss(link: number | null, { seqFirst, seqLast, error }: MissingEntries): void {
    if (this.#closed) return;
    const { settledCount } = this.dispatcher;
    this.step({ type: "missing", first: seqFirst, last: seqLast, link });
    this.stateStore.settled(0);
    if (this.dispatcher.settledCount > settledCount) this.#options.onProblem(error);
  }

  /** The hand-outs that may kill both sides are counted before they can. */
  #saveFirst(link: SenderSession): void {
    link.isKnown = false;
    link.handOuts += 1;
    this.stateStore.settled(0);
    queueMicrotask(() => void this.stateStore.hurry());
  }

  #act(action: DispatcherAction, savesBeforeSending: boolean): void {
    if (action.type === "settled") {
      this.#options.onSettled(action.outcome, action);
      return;
    }
    if (this.#closed) return;
    if (action.type === "deadLettersFull") {
      this.#letterLimit.tell(action.first);
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
        // A receiver waits for one before it says another.
        if (link.going.length < GOING_MAX) link.going.push(action.ranges.slice(0, RANGES_MAX));
        this.stateStore.settled(0);
        queueMicrotask(() => void this.stateStore.hurry());
        return;
      case "order": {
        const ranges = action.awaited.slice(0, RANGES_MAX);
        this.sessions.say(peer, { type: "order", session, word: action.ordered ? 1 : 0, ranges });
        return;
      }
      default: {
        const ranges = action.ranges.slice(0, RANGES_MAX);
        this.sessions.say(peer, { type: action.type, session, ranges });
        return;
      }
    }
  }
}
