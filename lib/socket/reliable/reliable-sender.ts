import type { Codec } from "../../codec/codec.ts";
import { stateWithout } from "../../delivery/dead-copies.ts";
import type { Outcome } from "../../delivery/dispatcher-events.ts";
import { BrokerlessError } from "../../errors.ts";
import type { ChannelOptions } from "../../transport/channel.ts";
import { LinkHub } from "../../transport/link-hub.ts";
import type { WaitOptions } from "../../wait.ts";
import type { ResolvedCommon } from "../options.ts";
import type { SendOptions } from "../outbound.ts";
import type { OutboundStats } from "../outbound-stats.ts";
import type { Schema } from "../schema.ts";
import type { Endpoints, MessageRange } from "../typed-socket.ts";
import { DeadLetters } from "./dead-letters.ts";
import { FREEING, type Freeing } from "./dead-mover.ts";
import { DurableOutbound } from "./durable-outbound.ts";
import { type ConfirmLevel, memoryJournal, type ResolvedReliableSend } from "./options.ts";
import { type ReliablePorts, systemPorts } from "./reliable-ports.ts";
import { SenderLinks } from "./sender-links.ts";

/** What a {@link ReliableSender} is made of. */
export interface ReliableSenderOptions {
  readonly common: ResolvedCommon;
  readonly codec: Codec<unknown>;
  readonly schema: Schema | null;
  readonly rules: ResolvedReliableSend;
  readonly onPeer: (type: "peer" | "peerLost", address: string, peers: number) => void;
  readonly onDead: (range: MessageRange) => void;
  readonly onDropped: (range: MessageRange) => void;
  readonly onError: (error: BrokerlessError) => void;
  readonly freeing?: Freeing | undefined;
}

/** Frames that ZeroMQ may hold for a peer (count): our credit bounds what is in them. */
const PEER_FRAMES = 1_000;
/** A journal's backlog where nothing is said (bytes). */
const JOURNAL_BYTES_MAX = 2 ** 40;

/**
 * A sender with an ack layer: its journal, the way into it, and the sessions with receivers.
 *
 * There is always a journal: without one given, messages are in a `MemoryJournal` bounded by the queue.
 *
 * @see docs/decisions/0040-link-protocol.md
 */
export class ReliableSender<T> {
  readonly deadLetters: DeadLetters<T>;
  /** The sessions with receivers: what the network has to say goes there. */
  readonly links: SenderLinks;
  readonly #options: ReliableSenderOptions;
  readonly #out: DurableOutbound;
  readonly #isOwn: boolean;
  #closing: Promise<void> | null = null;

  constructor(options: ReliableSenderOptions, ports: ReliablePorts = systemPorts) {
    this.#options = options;
    const { common, codec, schema, rules } = options;
    this.#isOwn = rules.journal === null;
    const journal = rules.journal ?? memoryJournal();
    const { stream } = journal;
    const links: SenderLinks = new SenderLinks({
      journal,
      clock: ports.clock,
      random: ports.random,
      rules,
      codec: codec.name,
      messageBytesMax: common.messageBytesMax,
      cacheBytesMax: common.queueBytesMax,
      heartbeatMs: common.heartbeatMs,
      wantsReceipts: () => this.#out.waitsForReceipts,
      freeing: options.freeing ?? FREEING,
      flush: () => this.#out.flush(),
      onSettled: (outcome, { first, last }) => {
        if (outcome !== "copy") this.#out.settled(first, last, outcomeError(outcome));
        const bytes = this.#out.floor(links.dispatcher.floor);
        links.keeper.settled(bytes);
        const range = { stream, seqFirst: first, seqLast: last };
        if (outcome === "dropped") options.onDropped(range);
        else if (outcome === "dead") options.onDead(range);
      },
      onReceipt: ({ first, last }) => this.#out.delivered(first, last),
      onPeer: options.onPeer,
      onProblem: options.onError,
    });
    this.links = links;
    this.#out = new DurableOutbound(
      {
        common,
        codec,
        schema,
        journal,
        clock: ports.clock,
        rules,
        backlogBytesMax:
          rules.backlogBytesMax ?? (this.#isOwn ? common.queueBytesMax : JOURNAL_BYTES_MAX),
        confirm: this.#confirm,
        onStored: (batch) => links.backlog.stored(batch),
        onDrop: (count) => links.drop(count),
        onFailed: options.onError,
        onRefused: options.onError,
      },
      links.dispatcher,
    );
    this.deadLetters = new DeadLetters<T>({
      codec,
      dispatcher: () => links.dispatcher,
      find: (seq) => links.backlog.load(seq),
      // The dead letter is forgotten in the very record that holds the new message.
      requeue: (range, draft) =>
        links.keeper.together(
          (state) => stateWithout(state, [range]),
          (values) =>
            this.#out.requeue(draft, values).then(() => {
              links.purge([range]);
              links.backlog.fill();
            }),
        ),
      purge: async (ranges) => {
        links.purge(ranges);
        await links.keeper.save();
      },
    });
  }

  /** The level of a `send` that names none. */
  get #confirm(): ConfirmLevel {
    return this.#options.rules.confirm ?? (this.#isOwn ? "queued" : "stored");
  }

  /** The sender's ways into the network. */
  open(options: ChannelOptions): Endpoints {
    const { settings, security, gate, gateLimits, listener } = options;
    const links = this.links;
    const hub = new LinkHub(
      {
        settings: { ...settings, peerFramesMax: Math.max(settings.peerFramesMax, PEER_FRAMES) },
        security,
        gate,
        gateLimits,
      },
      {
        onConnect: (peer) => links.onConnect(peer),
        onMessage: (peer, parts) => links.onMessage(peer, parts),
        onGone: (peer) => links.onGone(peer),
        onSuspect: () => links.onSuspect(),
        onProblem: listener.onProblem,
        onUnguarded: listener.onUnguarded,
      },
    );
    return {
      get peers() {
        return links.peers;
      },
      bind: (address) => hub.bind(address),
      connect: (address) => hub.connect(address),
      unbind: (address) => hub.unbind(address),
      disconnect: (address) => hub.disconnect(address),
      close: () => this.#close(hub),
    };
  }

  send(value: T, key: null, options: SendOptions | undefined): Promise<void> {
    return this.#out.send(value, key, options);
  }

  trySend(value: T): boolean {
    return this.#out.trySend(value);
  }

  stats(): OutboundStats {
    return this.#out.stats();
  }

  /** With a journal: all is stored. In memory alone: all is processed. */
  async drain(options: WaitOptions | undefined): Promise<void> {
    const level = this.#confirm;
    await this.#out.drain(this.#isOwn || level === "processed" || level === "delivered", options);
    await this.links.keeper.save();
  }

  /** Ends what waits. The endpoints' `close` does the rest. */
  close(): void {
    this.#out.close();
  }

  #close(hub: LinkHub): Promise<void> {
    this.#closing ??= this.#end(hub);
    return this.#closing;
  }

  async #end(hub: LinkHub): Promise<void> {
    this.#out.close();
    const saved = this.links.keeper.end();
    this.links.close();
    await Promise.all([hub.close(), saved]);
  }
}

/** What those hear who wait for their message to be processed; null: it was. */
function outcomeError(outcome: Outcome): BrokerlessError | null {
  if (outcome === "processed") return null;
  if (outcome === "dead") {
    const message = "the message was rejected, or tried too often: it is a dead letter now";
    return new BrokerlessError("BROKERLESS_DEAD_LETTER", message);
  }
  const message = "the message was given up to make room for newer ones";
  return new BrokerlessError("BROKERLESS_DROPPED", message);
}
