import { Dispatcher } from "../../delivery/dispatcher.ts";
import type { DispatcherAction, DispatcherEvent } from "../../delivery/dispatcher-events.ts";
import type { Welcome } from "../../delivery/handshake.ts";
import { decodeLinkMessage, type LinkMessage, RANGES_MAX } from "../../delivery/link-message.ts";
import type { SeqRange } from "../../delivery/range.ts";
import { dispatcherEvent } from "../../delivery/receiver-words.ts";
import { BrokerlessError } from "../../errors.ts";
import type { LinkPeer } from "../../transport/link-hub.ts";
import { AckKeeper } from "./ack-keeper.ts";
import { Alarm } from "./alarm.ts";
import { Backlog } from "./backlog.ts";
import { DeadMover } from "./dead-mover.ts";
import { Pump } from "./pump.ts";
import type { SenderLink } from "./sender-link.ts";
import type { SenderLinksOptions } from "./sender-links-options.ts";
import { SenderSessions } from "./sender-sessions.ts";

/**
 * A sender's sessions: takes what receivers say to the dispatcher, and does what the dispatcher wants.
 *
 * All effects of the sending side of delivery are here: time, peers, and reading back from the journal.
 *
 * @see docs/decisions/0040-link-protocol.md
 */
export class SenderLinks {
  /** What is stored, on its way to the dispatcher. */
  readonly backlog: Backlog;
  readonly #options: SenderLinksOptions;
  readonly #keeper: AckKeeper;
  readonly #dispatcher: Dispatcher;
  readonly #sessions: SenderSessions;
  readonly #pump: Pump;
  readonly #alarm: Alarm;
  #closed = false;

  constructor(options: SenderLinksOptions) {
    this.#options = options;
    const { journal, clock } = options;
    this.#alarm = new Alarm(clock, () => this.#step({ type: "tick" }));
    this.#keeper = new AckKeeper({
      journal,
      clock,
      dispatcher: () => this.#dispatcher,
      onSave: () => this.#sessions.cover(),
      mover: new DeadMover({
        ...options,
        dispatcher: () => this.#dispatcher,
        step: (event) => this.#step(event),
        load: (seq) => this.backlog.load(seq),
        onStored: (range, bytes) => this.backlog.passed(range, bytes),
      }),
      freeing: options.freeing,
      onFailed: options.onProblem,
    });
    const { state, fault } = this.#keeper;
    this.#dispatcher = new Dispatcher(options.rules, {
      state,
      seqBefore: journal.seqStored,
      nowMs: clock.nowMs(),
      random: options.random,
      timeMs: () => clock.timeMs(),
    });
    this.backlog = new Backlog({
      journal,
      bytesMax: options.cacheBytesMax,
      fed: () => this.#dispatcher.fed,
      freshFirst: () => this.#dispatcher.freshFirst,
      feed: (batch) => this.#step({ type: "fed", ...batch }),
      onFailed: options.onProblem,
    });
    this.#pump = new Pump({
      backlog: () => this.backlog,
      wantsReceipts: options.wantsReceipts,
      held: (link, range) => (this.#closed ? [] : this.#dispatcher.heldOf(link.id, range)),
      onFailed: (link, error) => {
        if (this.#closed) return;
        options.onProblem(error as BrokerlessError);
        this.#end(link, "lost");
      },
    });
    this.#sessions = new SenderSessions({
      ...options,
      welcome: () => this.#welcome(),
      floor: () => this.#keeper.floor,
      onKnown: (link) => this.#pump.resume(link),
      onSilent: (link) => this.#end(link, "lost"),
    });
    if (fault !== null) queueMicrotask(() => options.onProblem(fault));
    this.#alarm.set(this.#dispatcher.deadlineMs);
    this.backlog.fill();
  }

  get dispatcher(): Dispatcher {
    return this.#dispatcher;
  }

  get keeper(): AckKeeper {
    return this.#keeper;
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
    this.#keeper.settled(0);
  }

  /** A connection of our making is up: we speak first. */
  onConnect(peer: LinkPeer): void {
    this.#sessions.say(peer, { type: "offer", session: 0, text: this.#welcome() });
  }

  onMessage(peer: LinkPeer, parts: readonly Buffer[]): void {
    if (this.#closed) return;
    const message = parts.length === 1 ? decodeLinkMessage(parts[0]!) : null;
    if (message === null || "fault" in message) {
      const fault = message === null ? `it has ${parts.length} frames` : message.fault;
      this.#refuse(peer, 1, `not a message of the link protocol: ${fault}`);
      return;
    }
    if (message.type === "hello") {
      this.#hello(peer, message);
      return;
    }
    const link = this.#sessions.of(peer);
    if (message.type === "refuse") {
      this.#refused(link, message);
      return;
    }
    if (link === undefined || link.session !== message.session) {
      const text = "no such session: it has ended, or never was";
      this.#sessions.say(peer, { type: "refuse", session: message.session || 1, text });
      if (link === undefined) peer.forget();
      return;
    }
    link.heardMs = this.#options.clock.nowMs();
    if (message.type === "claim") {
      this.#claim(link, message);
      return;
    }
    if (link.isLive) this.#answer(link, message);
  }

  onGone(peer: LinkPeer): void {
    const link = this.#sessions.of(peer);
    if (link !== undefined) this.#end(link, "lost");
    peer.close();
  }

  /** Somebody is gone: who, is seen by speaking to each. */
  onSuspect(): void {
    for (const link of this.#sessions) this.#sessions.tell(link);
  }

  /** Says good-bye; what is not settled stays in the journal. */
  close(): void {
    if (this.#closed) return;
    for (const { peer, session } of this.#sessions)
      this.#sessions.say(peer, { type: "bye", session });
    this.abandon();
  }

  /** Stops as a process does that is killed: without a word, and without saving. */
  abandon(): void {
    this.#closed = true;
    this.#alarm.stop();
    this.#sessions.stop();
    this.backlog.close();
    this.#keeper.close();
  }

  #welcome(): string {
    const { journal, rules, codec, heartbeatMs } = this.#options;
    const { floor, state } = this.#keeper;
    const { epoch, epochSeqFirst, epochsBefore } = state;
    const { stream } = journal;
    const { leaseMs, graceMs } = rules;
    const identity = { stream, epoch, epochSeqFirst, epochsBefore, floor };
    const welcome: Welcome = { ...identity, codec, leaseMs, graceMs, heartbeatMs };
    return JSON.stringify(welcome);
  }

  #hello(peer: LinkPeer, { session, text }: LinkMessage): void {
    const hello = this.#sessions.check(text);
    if (typeof hello === "string") {
      this.#refuse(peer, session, hello);
      return;
    }
    const before = this.#sessions.of(peer);
    if (before?.session === session) {
      if (!before.isLive) this.#sessions.welcome(before);
      return;
    }
    if (before !== undefined) this.#end(before, "lost");
    this.#sessions.open(peer, session, hello);
  }

  #claim(link: SenderLink, { word, ranges }: LinkMessage): void {
    if (link.isLive) return;
    this.#sessions.enliven(link);
    const { id, receiver, prefetch, prefetchBytesMax, peer } = link;
    const [held, done] = [ranges.slice(0, word), ranges.slice(word)];
    const who = { link: id, receiver, prefetch, prefetchBytesMax };
    this.#step({ type: "joined", ...who, held, done });
    this.#keeper.settled(0);
    void this.#keeper.save();
    this.#options.onPeer("peer", peer.address, this.#sessions.liveCount);
  }

  #answer(link: SenderLink, message: LinkMessage): void {
    switch (message.type) {
      case "receipt":
        for (const range of message.ranges) {
          for (const held of this.#dispatcher.heldOf(link.id, range)) this.#options.onReceipt(held);
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
    if (event !== null) this.#step(event);
    else this.#refuse(link.peer, link.session, `a receiver does not say ${message.type}`);
  }

  #refused(link: SenderLink | undefined, { session, text }: LinkMessage): void {
    if (link !== undefined && link.session === session) this.#end(link, "lost");
    this.#options.onProblem(
      new BrokerlessError("BROKERLESS_PROTOCOL", `refused by a peer: ${text}`),
    );
  }

  /** Says why, on both sides, and ends the session. */
  #refuse(peer: LinkPeer, session: number, text: string): void {
    const link = this.#sessions.of(peer);
    if (link !== undefined) this.#end(link, "lost");
    this.#sessions.say(peer, { type: "refuse", session, text });
    peer.forget();
    this.#options.onProblem(new BrokerlessError("BROKERLESS_PROTOCOL", `refused a peer: ${text}`));
  }

  #end(link: SenderLink, how: "lost" | "left"): void {
    if (!this.#sessions.remove(link)) return;
    this.#step({ type: how, link: link.id });
    // Who holds what has changed: a restart has to wait for the right ones.
    if (how === "left") this.#keeper.settled(0);
  }

  #step(event: DispatcherEvent): void {
    if (this.#closed) return;
    const { isWary } = this.#dispatcher;
    const actions = this.#dispatcher.step(event, this.#options.clock.nowMs());
    let isSettled = false;
    for (const action of actions) {
      if (action.type === "settled") isSettled = true;
      this.#act(action, isWary);
    }
    if (isSettled) this.backlog.settled(this.#dispatcher.floor);
    else if (event.type !== "fed" && actions.length > 0) this.backlog.fill();
    this.#alarm.set(this.#dispatcher.deadlineMs);
  }

  /** The hand-outs that may kill both sides are counted before they can. */
  #saveFirst(link: SenderLink): void {
    link.isKnown = false;
    link.handOuts += 1;
    this.#keeper.settled(0);
    queueMicrotask(() => void this.#keeper.save());
  }

  #act(action: DispatcherAction, isWary: boolean): void {
    if (action.type === "settled") {
      this.#options.onSettled(action.outcome, action);
      return;
    }
    if (action.type === "deadLettersFull") {
      const message = `${this.#options.rules.deadLettersMax} dead letters are kept; message ${action.first} is tried on`;
      this.#options.onProblem(new BrokerlessError("BROKERLESS_FULL", message));
      return;
    }
    const link = this.#sessions.get(action.link);
    if (link === undefined) return;
    const { peer, session } = link;
    switch (action.type) {
      case "send":
        if (isWary) this.#saveFirst(link);
        this.#pump.add(link, action);
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
