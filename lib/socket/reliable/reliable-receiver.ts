import type { Codec } from "../../codec/codec.ts";
import { RangeSet } from "../../delivery/range-set.ts";
import type { BrokerlessError } from "../../errors.ts";
import type { ChannelOptions } from "../../transport/channel.ts";
import { LinkHub } from "../../transport/link-hub.ts";
import type { ResolvedCommon } from "../options.ts";
import type { Schema } from "../schema.ts";
import type { SocketStats } from "../socket-stats.ts";
import type { Endpoints } from "../typed-socket.ts";
import type { ReliableDelivery } from "./delivery.ts";
import { InboxMemory } from "./inbox-memory.ts";
import type { ResolvedReliableReceive } from "./options.ts";
import { ReceiverLinks } from "./receiver-links.ts";
import { ReliableInbound } from "./reliable-inbound.ts";
import { type ReliablePorts, systemPorts } from "./reliable-ports.ts";

/** What a {@link ReliableReceiver} is made of. */
export interface ReliableReceiverOptions {
  readonly common: ResolvedCommon;
  readonly codec: Codec<unknown>;
  readonly schema: Schema | null;
  readonly rules: ResolvedReliableReceive;
  readonly onPeer: (type: "peer" | "peerLost", address: string, peers: number) => void;
  readonly onLost: (stream: string, seqFirst: number, seqLast: number) => void;
  readonly onRetry: (delivery: ReliableDelivery<unknown>, error: unknown) => void;
  readonly onError: (error: BrokerlessError) => void;
}

/** Frames that ZeroMQ may hold for a peer (count): our credit bounds what is in them. */
const PEER_FRAMES = 1_000;

/** A receiver with an ack layer: the sessions with senders, and the way from them to the application. */
export class ReliableReceiver<T> {
  readonly inbound: ReliableInbound<T>;
  /** The sessions with senders: what the network has to say goes there. */
  readonly links: ReceiverLinks;

  constructor(options: ReliableReceiverOptions, ports: ReliablePorts = systemPorts) {
    const { common, codec, schema, rules } = options;
    const memory = rules.inbox === null ? null : new InboxMemory(rules.inbox);
    const links: ReceiverLinks = new ReceiverLinks({
      clock: ports.clock,
      session: ports.session,
      hello: {
        receiver: memory?.receiver(ports.id) ?? ports.id(),
        codec: codec.name,
        prefetch: rules.prefetch,
        prefetchBytesMax: rules.prefetchBytesMax,
        messageBytesMax: common.messageBytesMax,
      },
      heartbeatMs: common.heartbeatMs,
      memory,
      untouched: () => this.inbound.untouched(),
      onWaiting: () => this.inbound.wake(),
      onPeer: options.onPeer,
      onLost: (stream, ranges) => {
        this.inbound.lost(stream, ranges);
        const lost = new RangeSet();
        lost.addAll(ranges);
        for (const range of ranges) {
          // What the application rejected it does not think to be its own.
          for (const { first, last } of stream.window.rejectedOf(range.first, range.last)) {
            lost.delete(first, last);
          }
        }
        for (const { first, last } of lost) options.onLost(stream.id, first, last);
      },
      onProblem: options.onError,
    });
    this.links = links;
    this.inbound = new ReliableInbound<T>({
      codec,
      schema,
      clock: ports.clock,
      links: () => links,
      onRefused: options.onError,
      onRetry: options.onRetry,
    });
  }

  /** The receiver's ways into the network. */
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
      close: () => {
        this.inbound.close();
        const flushed = links.flush();
        return flushed.then(() => {
          this.inbound.giveBack();
          links.close();
          return hub.close();
        });
      },
    };
  }

  stats(): Pick<
    SocketStats,
    "messagesReceived" | "framesReceived" | "bytesReceived" | "framesRefused" | "messagesRefused"
  > {
    const { frames, framesRefused, bytes } = this.links.counts;
    return {
      messagesReceived: this.inbound.messages,
      framesReceived: frames,
      bytesReceived: bytes,
      framesRefused,
      messagesRefused: this.inbound.refused,
    };
  }

  /** What was processed has been said. */
  async drain(): Promise<void> {
    this.inbound.settle();
    await this.links.flush();
  }
}
