import type { Clock } from "../../clock.ts";
import type { Codec } from "../../codec/codec.ts";
import type { Peer } from "../../core/events/peer.ts";
import type { DeadMessages, MessageRange, MessageRanges } from "../../core/events/socket-events.ts";
import { whyDead } from "../../core/events/why-dead.ts";
import { openLinkEndpoints } from "../../core/link-endpoints.ts";
import type { OutboundStats } from "../../core/outbound-stats.ts";
import { closedError } from "../../core/queue/receive-queue.ts";
import type { Schema } from "../../core/schema.ts";
import type { ConfirmLevel, SendOptions, TrySendOptions } from "../../core/send-options.ts";
import type { ResolvedCommon } from "../../core/socket-options.ts";
import type { Endpoints } from "../../core/typed-socket.ts";
import type { DeadLetterRecord } from "../../delivery/dispatch/dead-letter-record.ts";
import type { Dispatcher } from "../../delivery/dispatch/dispatcher.ts";
import type { Outcome } from "../../delivery/dispatch/dispatcher-events.ts";
import { messageId } from "../../delivery/protocol/incarnations.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import type { ValuedRange } from "../../delivery/range/range-map.ts";
import type { BrokerlessError } from "../../errors.ts";
import type { ChannelOptions } from "../../transport/channel.ts";
import type { LinkHub } from "../../transport/link-hub.ts";
import type { WaitOptions } from "../../wait.ts";
import { RELIABLE_LINKS } from "../link/reliable-links.ts";
import { messageRanges } from "../message-ranges.ts";
import { DurableOutbound } from "../outbound/durable-outbound.ts";
import { type ReliablePorts, systemPorts } from "../ports.ts";
import { memoryJournal, type ResolvedReliableSend } from "../reliable-options.ts";
import { SenderIncarnations } from "../sender-incarnations.ts";
import { DeadLetters } from "./dead-letters.ts";
import { DispatchDriver } from "./dispatch-driver.ts";
import { FormerCodec } from "./former-codec.ts";
import { FREEING, type Freeing, isNoSpace } from "./saved/dead-letter-compactor.ts";
import { restoreDispatcher } from "./saved/restored-state.ts";

/** Dependencies of {@link ReliableSender}. */
export interface ReliableSenderOptions {
  readonly common: ResolvedCommon;
  readonly codec: Codec<unknown>;
  readonly schema: Schema | null;
  readonly rules: ResolvedReliableSend;
  readonly onPeer: (type: "peer" | "peerLost", peer: Peer, peers: number) => void;
  readonly onDead: (dead: DeadMessages) => void;
  readonly onDropped: (range: MessageRange) => void;
  readonly onLost: (range: MessageRange) => void;
  readonly onDiverged: (ranges: MessageRanges) => void;
  readonly onError: (error: BrokerlessError) => void;
  readonly freeing?: Freeing | undefined;
}

/** Default limit of the backlog in a journal (bytes). */
const JOURNAL_BYTES_MAX = 2 ** 40;

/**
 * A sender with an ack layer: its journal, the path into it, and the sessions with receivers.
 *
 * There is always a journal: if none is given, messages are in a `MemoryJournal` bounded by the queue.
 *
 * @see docs/decisions/0040-link-protocol.md
 */
export class ReliableSender<T> {
  readonly deadLetters: DeadLetters<T>;
  /** The sessions with receivers; gets all events of the network. */
  readonly links: DispatchDriver;
  /** The incarnations of the stream; this process is the newest. */
  readonly incarnations: SenderIncarnations;
  readonly #options: ReliableSenderOptions;
  readonly #dispatcher: Dispatcher;
  readonly #out: DurableOutbound;
  readonly #clock: Clock;
  readonly #isOwn: boolean;
  readonly #stream: string;
  #closing: Promise<void> | null = null;

  constructor(options: ReliableSenderOptions, ports: ReliablePorts = systemPorts) {
    this.#options = options;
    this.#clock = ports.clock;
    const { common, codec, schema, rules } = options;
    this.#isOwn = rules.journal === null;
    const journal = rules.journal ?? memoryJournal();
    const { stream } = journal;
    this.#stream = stream;
    this.incarnations = new SenderIncarnations(journal, ports.id());
    this.incarnations.begin();
    const { clock, random } = ports;
    const senderSeqFirst = this.incarnations.all[0]!.seqFirst;
    const { dispatcher, fault, isSaved } = restoreDispatcher(journal, senderSeqFirst, {
      rules,
      clock,
      random,
    });
    const out = new DurableOutbound(
      {
        common,
        codec,
        schema,
        journal,
        incarnations: this.incarnations,
        clock,
        rules,
        backlogBytesMax:
          rules.backlogBytesMax ?? (this.#isOwn ? common.queueBytesMax : JOURNAL_BYTES_MAX),
        confirm: this.confirm,
        settlementOf: (seq) => dispatcher.settlementOf(seq),
        deathOf: (seq) => dispatcher.deathOf(seq),
        onStored: (batch) => this.links.backlog.stored(batch),
        onDrop: (count) => this.links.drop(count),
        isOldestFree: () => dispatcher.isOldestFree,
        onFailed: (error) => {
          options.onError(error);
          if (isNoSpace(error)) this.links.stateStore.shortage();
        },
        onRefused: options.onError,
      },
      dispatcher,
    );
    const formerCodec = new FormerCodec({
      codec: codec.name,
      seqBefore: journal.seqStored,
      isSettled: (seq) => dispatcher.settlementOf(seq) !== null,
      onChecked: () => out.checked(),
      onRefused: (error, seq) => this.#refuse(error, seq),
    });
    const links = new DispatchDriver({
      journal,
      incarnations: this.incarnations,
      isTransient: this.#isOwn,
      clock,
      rules,
      dispatcher,
      outbound: out,
      codec: codec.name,
      formerCodec,
      messageBytesMax: common.messageBytesMax,
      cacheBytesMax: common.queueBytesMax,
      heartbeatMs: common.heartbeatMs,
      name: common.name,
      freeing: options.freeing ?? FREEING,
      onDroppable: rules.overflow === "dropOldest" ? () => out.droppable() : null,
      onSettled: (outcome, range) => this.#onSettled(outcome, range),
      onPeer: options.onPeer,
      onDiverged: (ranges) => options.onDiverged(messageRanges(stream, ranges)),
      onProblem: options.onError,
    });
    this.deadLetters = new DeadLetters<T>({
      codec,
      idOf: (seq) => this.#idOf(seq),
      dispatcher,
      stateStore: links.stateStore,
      load: (seq) => links.backlog.load(seq),
      append: (draft, values, from) => out.requeue(draft, values, from),
      set: (values) => journal.set(values),
      checkOpen: () => {
        if (this.#closing !== null) throw closedError();
      },
      onPurge: (ranges) => out.purged(ranges),
      onGone: (ranges) => {
        links.purge(ranges);
        links.backlog.fill();
      },
    });
    this.#dispatcher = dispatcher;
    this.#out = out;
    this.links = links;
    if (!isSaved) links.stateStore.markDirty();
    for (const problem of [fault, this.incarnations.fault]) {
      if (problem !== null) queueMicrotask(() => options.onError(problem));
    }
  }

  /** The level of a `send` without `confirm`. */
  get confirm(): ConfirmLevel {
    return this.#options.rules.confirm ?? (this.#isOwn ? "queued" : "stored");
  }

  /** The messages from `seq` on are of another codec. If there is nothing before them, the sessions are closed too. */
  #refuse(error: () => BrokerlessError, seq: number): void {
    this.#out.refuse(error);
    if (this.#dispatcher.floor + 1 >= seq) this.links.close();
    this.#options.onError(error());
  }

  #onSettled(outcome: Outcome, settled: SeqRange): void {
    const { first, last } = settled;
    const { onDropped, onLost, onDead } = this.#options;
    const deaths = outcome === "dead" ? this.#dispatcher.dead.parts(first, last) : [];
    for (const part of deaths) this.#out.settled(part, "dead", part.value);
    if (outcome !== "copy" && outcome !== "dead") this.#out.settled(settled, outcome);
    this.links.stateStore.settled(this.#out.floor(this.#dispatcher.floor));
    const range = { stream: this.#stream, seqFirst: first, seqLast: last };
    if (outcome === "dropped") onDropped(range);
    else if (outcome === "lost") onLost(range);
    for (const part of deaths) onDead(this.#deadMessages(part));
  }

  #idOf(seq: number): string {
    return messageId(this.#stream, this.incarnations.all, seq);
  }

  #deadMessages({ first, last, value }: ValuedRange<DeadLetterRecord>): DeadMessages {
    const ids = Array.from({ length: last - first + 1 }, (_, index) => this.#idOf(first + index));
    return { stream: this.#stream, seqFirst: first, seqLast: last, ids, ...whyDead(value) };
  }

  /** Opens the sender's endpoints. */
  open(options: ChannelOptions): Endpoints {
    return openLinkEndpoints(this.links, options, RELIABLE_LINKS, (hub) => {
      this.#closing ??= this.#end(hub);
      return this.#closing;
    });
  }

  send(value: T, key: null, options: SendOptions | undefined): Promise<void> {
    return this.#out.send(value, key, options);
  }

  trySend(value: T, key: null, options: TrySendOptions | undefined): boolean {
    return this.#out.trySend(value, key, options);
  }

  stats(): OutboundStats {
    return this.#out.stats();
  }

  /** Waits until all is stored; in memory, or with a level above `stored`, until all is settled. */
  async drain(options: WaitOptions | undefined): Promise<void> {
    const level = this.confirm;
    await this.#out.drain(this.#isOwn || level === "processed" || level === "delivered", options);
    await this.links.stateStore.save();
  }

  /** Ends the waiting calls. The rest is done by the endpoints' `close`. */
  close(): void {
    this.#out.close();
  }

  async #end(hub: LinkHub): Promise<void> {
    this.#out.close();
    // Nothing more is dispatched while work in progress in the journal ends.
    this.links.close();
    const saved = this.links.stateStore.end();
    await this.#patience(saved);
    this.links.leave();
    await Promise.all([hub.close(), saved]);
    this.links.abandon();
  }

  /** Limits the wait, so that a slow disk does not keep the `close` from receivers. */
  #patience(saved: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(this.#options.common.lingerMs, resolve);
      void saved.then(() => {
        cancel();
        resolve();
      });
    });
  }
}
