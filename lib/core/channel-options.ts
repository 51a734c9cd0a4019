import type { ChannelListener, ChannelOptions } from "../transport/channel.ts";
import type { ResolvedCommon } from "./socket-options.ts";

/** Properties of a role. */
export interface RoleTraits {
  /** Most frames that ZeroMQ may hold for each peer (count). Default: by `batch`. */
  readonly peerFramesMax?: number;
  /** Most frames in a message from a peer, without the ids that ZeroMQ adds (count). Default 1. */
  readonly partsMax?: number;
  /** Most subscriptions of one peer of a gated publisher, all of them together (bytes). Default 0: no subscriptions. */
  readonly topicBytesMax?: number;
  /** Events besides those of all sockets. */
  readonly events?: readonly string[];
}

/** Frames that ZeroMQ holds for each peer where a frame is a batch, so that memory stays bounded (count). */
const PEER_FRAMES_BATCHED = 64;
/** The same where a frame is one message: ZeroMQ's own default (count). */
const PEER_FRAMES_SINGLE = 1_000;
/** Allowance of a frame beyond one message of the longest kind, for its length field or a batch (bytes). */
const FRAME_BYTES_SPARE = 2 ** 20;

/** The options of the channels of a socket, by its own options and its role. */
export function channelOptions(
  common: ResolvedCommon,
  traits: RoleTraits,
  listener: ChannelListener,
): ChannelOptions {
  const frames = common.batch === false ? PEER_FRAMES_SINGLE : PEER_FRAMES_BATCHED;
  const frameBytesMax = common.messageBytesMax + FRAME_BYTES_SPARE;
  return {
    security: common.security,
    settings: {
      lingerMs: common.lingerMs,
      heartbeatMs: common.heartbeatMs,
      frameBytesMax,
      peerFramesMax: common.peerFramesMax ?? traits.peerFramesMax ?? frames,
      name: common.name,
    },
    gate: common.gate,
    gateLimits: {
      partsMax: traits.partsMax ?? 1,
      messageBytesMax: frameBytesMax,
      topicBytesMax: traits.topicBytesMax ?? 0,
      connectionsMax: common.connectionsMax,
    },
    listener,
  };
}
