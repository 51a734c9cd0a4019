import type { Batch } from "../../batch/batch.ts";
import { sliceBatch } from "../../batch/batch-split.ts";
import type { Clock } from "../../clock.ts";
import { Dispatcher } from "../../delivery/dispatcher.ts";
import type {
  DispatcherAction,
  DispatcherEvent,
  DispatcherOptions,
} from "../../delivery/dispatcher-events.ts";
import { mismatch, parseHello, type Welcome } from "../../delivery/handshake.ts";
import {
  decodeLinkMessage,
  encodeLinkMessage,
  LINK_FLAG,
  type LinkMessage,
  type LinkMessageInput,
  RANGES_MAX,
  WORD_NONE,
} from "../../delivery/link-message.ts";
import type { SeqRange } from "../../delivery/range.ts";
import { BrokerlessError } from "../../errors.ts";
import type { Journal } from "../../journal/journal.ts";
import type { LinkPeer } from "../../transport/link-hub.ts";
import { AckKeeper } from "./ack-keeper.ts";
import { Backlog } from "./backlog.ts";
import type { SenderLink } from "./sender-link.ts";

/** What {@link SenderLinks} are made of. */
export interface SenderLinksOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly random: () => number;
  readonly rules: DispatcherOptions;
  readonly codec: string;
  /** Longest message (bytes). */
  readonly messageBytesMax: number;
  /** Stored batches that are kept in memory for sending (bytes). */
  readonly cacheBytesMax: number;
  readonly heartbeatMs: number;
  /** Whether receivers are asked to say that they hold what they got. */
  readonly wantsReceipts: () => boolean;
  readonly onSettled: (outcome: "processed" | "dead" | "dropped", range: SeqRange) => void;
  readonly onReceipt: (range: SeqRange) => void;
  /** A session began or ended. */
  readonly onPeer: (type: "peer" | "peerLost", address: string, peers: number) => void;
  readonly onProblem: (error: BrokerlessError) => void;
}

/** A receiver that was silent for so many heartbeats is gone (count). */
const HEARTBEATS_MISSED_MAX = 3;

/**
 * A sender's sessions: takes what receivers say to the dispatcher, and does what the dispatcher wants.
 *
 * All effects of the sending side of delivery are here: time, peers, and reading back from the journal.
 *
 * @see docs/decisions/0040-link-protocol.md
 */
export class SenderLinks {
  readonly #options: SenderLinksOptions;
  readonly #keeper: AckKeeper;
  readonly #backlog: Backlog;
  readonly #dispatcher: Dispatcher;
  readonly #links = new Map<number, SenderLink>();
  readonly #byPeer = new Map<LinkPeer, SenderLink>();
  #linksMade = 0;
  #liveCount = 0;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #cancelWake: (() => void) | null = null;
  #cancelBeat: (() => void) | null = null;
  #closed = false;

  constructor(options: SenderLinksOptions) {
    this.#options = options;
    const { journal, clock } = options;
    this.#keeper = new AckKeeper({
      journal,
      clock,
      dispatcher: () => this.#dispatcher,
      onSave: () => this.#coverAcks(),
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
    this.#backlog = new Backlog({
      journal,
      bytesMax: options.cacheBytesMax,
      fed: () => this.#dispatcher.fed,
      freshFirst: () => this.#dispatcher.freshFirst,
      feed: (first, last) => this.#step({ type: "fed", first, last }),
      onFailed: options.onProblem,
    });
    if (fault !== null) queueMicrotask(() => options.onProblem(fault));
    this.#schedule();
    this.#beat();
    this.#backlog.fill();
  }

  get dispatcher(): Dispatcher {
    return this.#dispatcher;
  }

  get keeper(): AckKeeper {
    return this.#keeper;
  }

  /** Sessions that may get messages (count). */
  get peers(): number {
    return this.#liveCount;
  }

  /** A batch is in the journal: it may be sent. */
  stored(batch: Batch): void {
    this.#backlog.stored(batch);
  }

  /** Something was stored that `stored` was not told of. */
  fill(): void {
    this.#backlog.fill();
  }

  /** @returns the batch that holds a message that is not settled */
  find(seq: number): Promise<Batch> {
    return this.#backlog.load(seq);
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
    this.#say(peer, { type: "offer", session: 0, text: this.#welcome() });
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
    const link = this.#byPeer.get(peer);
    if (message.type === "refuse") {
      this.#refused(link, message);
      return;
    }
    if (link === undefined || link.session !== message.session) {
      const text = "no such session: it has ended, or never was";
      this.#say(peer, { type: "refuse", session: message.session || 1, text });
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
    const link = this.#byPeer.get(peer);
    if (link !== undefined) this.#end(link, "lost");
    peer.close();
  }

  /** Somebody is gone: who, is seen by speaking to each. */
  onSuspect(): void {
    for (const link of this.#links.values()) this.#tell(link);
  }

  /** Says good-bye; what is not settled stays in the journal. */
  close(): void {
    if (this.#closed) return;
    for (const { peer, session } of this.#links.values()) this.#say(peer, { type: "bye", session });
    this.abandon();
  }

  /** Stops as a process does that is killed: without a word, and without saving. */
  abandon(): void {
    this.#closed = true;
    this.#cancelWake?.();
    this.#cancelBeat?.();
    this.#backlog.close();
    this.#keeper.close();
  }

  #welcome(): string {
    const { journal, rules, codec, heartbeatMs } = this.#options;
    const { epoch, epochSeqFirst } = this.#keeper.state;
    const { leaseMs, graceMs } = rules;
    const { floor } = this.#keeper;
    const welcome: Welcome = {
      stream: journal.stream,
      epoch,
      epochSeqFirst,
      floor,
      codec,
      leaseMs,
      graceMs,
      heartbeatMs,
    };
    return JSON.stringify(welcome);
  }

  #hello(peer: LinkPeer, { session, text }: LinkMessage): void {
    const hello = parseHello(text);
    if (typeof hello === "string") {
      this.#refuse(peer, session, `hello: ${hello}`);
      return;
    }
    const difference = mismatch(this.#options, hello);
    if (difference !== null) {
      this.#refuse(peer, session, difference);
      return;
    }
    const before = this.#byPeer.get(peer);
    if (before?.session === session) {
      if (!before.isLive) this.#say(peer, { type: "welcome", session, text: this.#welcome() });
      return;
    }
    if (before !== undefined) this.#end(before, "lost");
    const id = ++this.#linksMade;
    const link: SenderLink = {
      id,
      peer,
      session,
      receiver: hello.receiver,
      prefetch: hello.prefetch,
      isLive: false,
      outgoing: [],
      isLoading: false,
      acks: 0,
      acksDurable: 0,
      acksTold: 0,
      heardMs: this.#options.clock.nowMs(),
    };
    this.#links.set(id, link);
    this.#byPeer.set(peer, link);
    this.#say(peer, { type: "welcome", session, text: this.#welcome() });
  }

  #claim(link: SenderLink, { word, ranges }: LinkMessage): void {
    if (link.isLive) return;
    // A receiver has one session with us: an older one ended, though we may not have noticed.
    for (const other of [...this.#links.values()]) {
      if (other.receiver === link.receiver && other !== link) this.#remove(other);
    }
    link.isLive = true;
    link.acks = 1;
    this.#liveCount += 1;
    const { id, receiver, prefetch, peer } = link;
    const [held, done] = [ranges.slice(0, word), ranges.slice(word)];
    this.#step({ type: "joined", link: id, receiver, prefetch, held, done });
    this.#keeper.settled(0);
    this.#options.onPeer("peer", peer.address, this.#liveCount);
  }

  #answer(link: SenderLink, message: LinkMessage): void {
    const { id } = link;
    const { ranges, word } = message;
    switch (message.type) {
      case "ack":
        if (message.number !== link.acks + 1) {
          const text = `ack ${message.number} follows ack ${link.acks}`;
          this.#refuse(link.peer, link.session, text);
          return;
        }
        link.acks = message.number;
        this.#step({ type: "acked", link: id, ranges });
        return;
      case "nack": {
        const delayMs = word === WORD_NONE ? null : word;
        this.#step({ type: "nacked", link: id, ranges, delayMs });
        return;
      }
      case "reject":
        this.#step({ type: "rejected", link: id, ranges, reason: message.text });
        return;
      case "release":
        this.#step({ type: "released", link: id, ranges });
        return;
      case "extend":
        this.#step({ type: "extended", link: id, ranges, leaseMs: word });
        return;
      case "receipt":
        for (const range of ranges) {
          if (this.#dispatcher.holds(id, range)) this.#options.onReceipt(range);
        }
        return;
      case "bye":
        this.#end(link, "left");
        return;
      default:
        this.#refuse(link.peer, link.session, `a receiver does not say ${message.type}`);
        return;
    }
  }

  #refused(link: SenderLink | undefined, { session, text }: LinkMessage): void {
    if (link !== undefined && link.session === session) this.#end(link, "lost");
    this.#options.onProblem(
      new BrokerlessError("BROKERLESS_PROTOCOL", `refused by a peer: ${text}`),
    );
  }

  /** Says why, on both sides, and ends the session. */
  #refuse(peer: LinkPeer, session: number, text: string): void {
    const link = this.#byPeer.get(peer);
    if (link !== undefined) this.#end(link, "lost");
    this.#say(peer, { type: "refuse", session, text });
    this.#options.onProblem(new BrokerlessError("BROKERLESS_PROTOCOL", `refused a peer: ${text}`));
  }

  #end(link: SenderLink, how: "lost" | "left"): void {
    if (!this.#remove(link)) return;
    this.#step({ type: how, link: link.id });
    // Who holds what has changed: a restart has to wait for the right ones.
    if (how === "left") this.#keeper.settled(0);
  }

  /** @returns whether it was there */
  #remove(link: SenderLink): boolean {
    if (!this.#links.delete(link.id)) return false;
    this.#byPeer.delete(link.peer);
    link.outgoing.length = 0;
    if (link.isLive) {
      this.#liveCount -= 1;
      this.#options.onPeer("peerLost", link.peer.address, this.#liveCount);
    }
    return true;
  }

  #step(event: DispatcherEvent): void {
    if (this.#closed) return;
    const actions = this.#dispatcher.step(event, this.#options.clock.nowMs());
    let isSettled = false;
    for (const action of actions) {
      if (action.type === "settled") isSettled = true;
      this.#act(action);
    }
    if (isSettled) this.#backlog.settled(this.#dispatcher.floor);
    else if (event.type !== "fed" && actions.length > 0) this.#backlog.fill();
    this.#schedule();
  }

  #act(action: DispatcherAction): void {
    if (action.type === "settled") {
      this.#options.onSettled(action.outcome, action);
      return;
    }
    if (action.type === "deadLettersFull") {
      const message = `${this.#options.rules.deadLettersMax} dead letters are kept; message ${action.first} is tried on`;
      this.#options.onProblem(new BrokerlessError("BROKERLESS_FULL", message));
      return;
    }
    const link = this.#links.get(action.link);
    if (link === undefined) return;
    const { peer, session } = link;
    switch (action.type) {
      case "send":
        link.outgoing.push(action);
        this.#pump(link);
        return;
      case "order": {
        const ranges = action.awaited.slice(0, RANGES_MAX);
        this.#say(peer, { type: "order", session, word: action.ordered ? 1 : 0, ranges });
        return;
      }
      default: {
        const ranges = action.ranges.slice(0, RANGES_MAX);
        this.#say(peer, { type: action.type, session, ranges });
        return;
      }
    }
  }

  /** Sends what is due to a receiver, in order, as far as it is in memory. */
  #pump(link: SenderLink): void {
    const { outgoing } = link;
    while (outgoing.length > 0 && !link.isLoading) {
      const { first, last, attempt } = outgoing[0]!;
      const batch = this.#backlog.find(first);
      if (batch === null) {
        this.#load(link, first);
        return;
      }
      const end = Math.min(last, batch.seqLast);
      if (end === last) outgoing.shift();
      else outgoing[0] = { first: end + 1, last, attempt };
      this.#send(link, batch, { first, last: end, attempt });
    }
  }

  #send(link: SenderLink, batch: Batch, part: SeqRange & { readonly attempt: number }): void {
    const { first, last, attempt } = part;
    const header = encodeLinkMessage({
      type: "data",
      session: link.session,
      word: attempt,
      number: link.acksDurable,
      flags: this.#options.wantsReceipts() ? LINK_FLAG.receipt : 0,
    });
    link.acksTold = link.acksDurable;
    link.peer.send([header, sliceBatch(batch, { seqFirst: first, seqLast: last })]);
  }

  #load(link: SenderLink, seq: number): void {
    link.isLoading = true;
    this.#backlog.load(seq).then(
      (batch) => {
        link.isLoading = false;
        if (this.#closed || !this.#links.has(link.id)) return;
        this.#backlog.lend(batch);
        // The lease may have ended meanwhile: then another sends it.
        const next = link.outgoing[0];
        if (next !== undefined && !this.#dispatcher.holds(link.id, next)) link.outgoing.shift();
        this.#pump(link);
      },
      (error: unknown) => {
        link.isLoading = false;
        if (this.#closed) return;
        this.#options.onProblem(error as BrokerlessError);
        this.#end(link, "lost");
      },
    );
  }

  /** @returns marks as durable the acks that were taken into account at the call, and tells of it */
  #coverAcks(): () => void {
    const covered = [...this.#links.values()].map((link) => ({ link, acks: link.acks }));
    return () => {
      for (const { link, acks } of covered) link.acksDurable = Math.max(link.acksDurable, acks);
      for (const link of this.#links.values()) {
        if (link.isLive && link.acksTold < link.acksDurable) this.#tell(link);
      }
    };
  }

  #tell(link: SenderLink): void {
    // What a restart could forget must not be forgotten by the receiver: only the saved floor is told.
    const { floor } = this.#keeper;
    link.acksTold = link.acksDurable;
    this.#say(link.peer, {
      type: "news",
      session: link.session,
      number: link.acksDurable,
      ranges: floor > 0 ? [{ first: 1, last: floor }] : [],
    });
  }

  #say(peer: LinkPeer, message: LinkMessageInput): void {
    peer.send([encodeLinkMessage(message)]);
  }

  #schedule(): void {
    const { deadlineMs } = this.#dispatcher;
    if (deadlineMs >= this.#wakeAtMs || this.#closed) return;
    this.#cancelWake?.();
    this.#wakeAtMs = deadlineMs;
    const { clock } = this.#options;
    this.#cancelWake = clock.after(Math.ceil(deadlineMs - clock.nowMs()), () => {
      this.#wakeAtMs = Number.POSITIVE_INFINITY;
      this.#cancelWake = null;
      this.#step({ type: "tick" });
    });
  }

  /** Signs of life, both ways. */
  #beat(): void {
    const { heartbeatMs, clock } = this.#options;
    if (heartbeatMs === 0) return;
    this.#cancelBeat = clock.after(heartbeatMs, () => {
      const silentSinceMs = clock.nowMs() - heartbeatMs * HEARTBEATS_MISSED_MAX;
      for (const link of [...this.#links.values()]) {
        if (link.heardMs < silentSinceMs) this.#end(link, "lost");
        else this.#tell(link);
      }
      this.#beat();
    });
  }
}
