import type { ChannelOptions } from "../transport/channel.ts";
import { LinkHub, type LinkHubListener } from "../transport/link-hub.ts";
import type { Peer } from "./events/peer.ts";
import type { Endpoints } from "./typed-socket.ts";

/** The peers of one end; gets the events of the network. */
export interface LinkDriver
  extends Pick<LinkHubListener, "onConnect" | "onMessage" | "onGone" | "onSuspect"> {
  /** Peers to which messages may be sent (count). */
  readonly peers: number;
  list(): readonly Peer[];
}

/** What the links of a role are used for. */
export interface LinkTraits {
  /** Fewest frames that ZeroMQ may queue for a peer (count). */
  readonly peerFramesMin: number;
  /** Most frames in a message from a peer (count). */
  readonly partsMax: number;
  /** As of {@link LinkHubOptions}. */
  readonly knowsIncoming: boolean;
  /** As of {@link LinkHubOptions}. Default false. */
  readonly sharesIncoming?: boolean;
}

/**
 * Opens the endpoints of a socket that sends each message to a peer of its choice.
 *
 * @param close ends what is under way with the peers, and then the hub
 */
export function openLinkEndpoints(
  driver: LinkDriver,
  { settings, security, gate, gateLimits, listener }: ChannelOptions,
  { peerFramesMin, partsMax, ...incoming }: LinkTraits,
  close: (hub: LinkHub) => Promise<void>,
): Endpoints {
  const hub = new LinkHub(
    {
      settings: { ...settings, peerFramesMax: Math.max(settings.peerFramesMax, peerFramesMin) },
      security,
      gate,
      gateLimits: { ...gateLimits, partsMax },
      ...incoming,
    },
    {
      onConnect: (peer) => driver.onConnect(peer),
      onMessage: (peer, parts) => driver.onMessage(peer, parts),
      onGone: (peer) => driver.onGone(peer),
      onSuspect: () => driver.onSuspect(),
      onProblem: listener.onProblem,
      onUnguarded: listener.onUnguarded,
    },
  );
  return {
    get peers() {
      return driver.peers;
    },
    get addresses() {
      return hub.addresses;
    },
    list: () => driver.list(),
    get connectionsRefused() {
      return hub.connectionsRefused;
    },
    bind: (address) => hub.bind(address),
    connect: (address) => hub.connect(address),
    unbind: (address) => hub.unbind(address),
    disconnect: (address) => hub.disconnect(address),
    close: () => close(hub),
  };
}
