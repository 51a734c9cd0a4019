import { headersTogetherMax } from "../../batch/headers-bound.ts";
import type { Codec } from "../../codec/codec.ts";
import type { Peer } from "../../core/events/peer.ts";
import type { MessageRanges } from "../../core/events/socket-events.ts";
import { openLinkEndpoints } from "../../core/link-endpoints.ts";
import type { Schema } from "../../core/schema.ts";
import type { ResolvedCommon } from "../../core/socket-options.ts";
import type { SocketStats } from "../../core/socket-stats.ts";
import type { Endpoints } from "../../core/typed-socket.ts";
import { RangeSet } from "../../delivery/range/range-set.ts";
import type { BrokerlessError } from "../../errors.ts";
import type { ChannelOptions } from "../../transport/channel.ts";
import { RELIABLE_LINKS } from "../link/reliable-links.ts";
import { messageRanges } from "../message-ranges.ts";
import { type ReliablePorts, systemPorts } from "../ports.ts";
import type { ResolvedReliableReceive } from "../reliable-options.ts";
import type { ReliableDelivery } from "./delivery.ts";
import { ReliableInbound } from "./reliable-inbound.ts";
import { InboxStore } from "./sessions/inbox-store.ts";
import { ReceiveDriver } from "./sessions/receive-driver.ts";

/** Dependencies of {@link ReliableReceiver}. */
export interface ReliableReceiverOptions {
  readonly common: ResolvedCommon;
  readonly codec: Codec<unknown>;
  readonly schema: Schema | null;
  readonly rules: ResolvedReliableReceive;
  readonly onPeer: (type: "peer" | "peerLost", peer: Peer, peers: number) => void;
  readonly onRevoked: (stream: string, seqFirst: number, seqLast: number) => void;
  readonly onDiverged: (ranges: MessageRanges) => void;
  readonly onRetry: (delivery: ReliableDelivery<unknown>, error: unknown) => void;
  readonly onError: (error: BrokerlessError) => void;
}

/** A receiver with an ack layer: the sessions with senders, and the path from them to the application. */
export class ReliableReceiver<T> {
  readonly inbound: ReliableInbound<T>;
  /** The sessions with senders; gets all events of the network. */
  readonly links: ReceiveDriver;

  constructor(options: ReliableReceiverOptions, ports: ReliablePorts = systemPorts) {
    const { common, codec, schema, rules } = options;
    const inbox =
      rules.inbox === null ? null : new InboxStore(rules.inbox, () => ports.clock.timeMs());
    const links: ReceiveDriver = new ReceiveDriver({
      clock: ports.clock,
      session: ports.session,
      hello: {
        receiver: inbox?.receiver(ports.id) ?? ports.id(),
        incarnation: ports.id(),
        codec: codec.name,
        prefetch: rules.prefetch,
        prefetchBytesMax: rules.prefetchBytesMax,
        messageBytesMax: common.messageBytesMax,
        ...(common.name === null ? {} : { name: common.name }),
      },
      headersMax: headersTogetherMax({
        elementsMax: common.messageElementsMax,
        headersCountMax: common.headersCountMax,
      }),
      heartbeatMs: common.heartbeatMs,
      inbox,
      untouched: () => this.inbound.next.untouched(),
      onWaiting: () => this.inbound.next.wake(),
      onPeer: options.onPeer,
      onRevoked: (stream, ranges) => {
        this.inbound.revoked(stream, ranges);
        const revoked = new RangeSet();
        revoked.addAll(ranges);
        for (const range of ranges) {
          // Messages that the application has rejected are not revoked for it.
          for (const { first, last } of stream.window.rejectedOf(range.first, range.last)) {
            revoked.delete(first, last);
          }
        }
        for (const { first, last } of revoked) options.onRevoked(stream.id, first, last);
      },
      onDiverged: ({ id }, ranges) => options.onDiverged(messageRanges(id, ranges)),
      onProblem: options.onError,
    });
    this.links = links;
    this.inbound = new ReliableInbound<T>({
      codec,
      limits: common,
      schema,
      clock: ports.clock,
      inFlight: links.inFlight,
      onRefused: options.onError,
      onRetry: options.onRetry,
    });
  }

  /** Opens the receiver's endpoints. */
  open(options: ChannelOptions): Endpoints {
    return openLinkEndpoints(this.links, options, RELIABLE_LINKS, async (hub) => {
      this.inbound.close();
      // A message may be acknowledged with an effect meanwhile: first wait until no effect is being stored.
      do await this.links.flush();
      while (this.links.inFlight.acks.isStoring);
      this.inbound.next.giveBack();
      this.links.close();
      await hub.close();
    });
  }

  stats(): Pick<
    SocketStats,
    "messagesReceived" | "framesReceived" | "bytesReceived" | "framesRefused" | "messagesRefused"
  > {
    const { frames, framesRefused, bytes } = this.links.counts;
    return {
      messagesReceived: this.inbound.next.count,
      framesReceived: frames,
      bytesReceived: bytes,
      framesRefused,
      messagesRefused: this.inbound.next.refused,
    };
  }

  /** Resolves when the acks of all processed messages are sent. */
  async drain(): Promise<void> {
    this.inbound.settle();
    await this.links.flush();
  }
}
