import type { Peer } from "../../core/events/peer.ts";
import type { Endpoints } from "../../core/typed-socket.ts";
import type { ChannelOptions } from "../../transport/channel.ts";
import { LINK_PARTS_MAX, LinkHub, type LinkHubListener } from "../../transport/link-hub.ts";

/** The sessions of one end; gets the events of the network. */
export interface LinkDriver
  extends Pick<LinkHubListener, "onConnect" | "onMessage" | "onGone" | "onSuspect"> {
  /** Sessions over which messages may be sent (count). */
  readonly peers: number;
  list(): readonly Peer[];
}

/** Frames that ZeroMQ may queue for a peer (count); their contents are bounded by the credit. */
const PEER_FRAMES = 1_000;

/**
 * Opens the endpoints of a reliable socket, the same for both ends.
 *
 * @param close ends the sessions, and then the hub
 */
export function openLinkEndpoints(
  driver: LinkDriver,
  { settings, security, gate, gateLimits, listener }: ChannelOptions,
  close: (hub: LinkHub) => Promise<void>,
): Endpoints {
  const hub = new LinkHub(
    {
      settings: { ...settings, peerFramesMax: Math.max(settings.peerFramesMax, PEER_FRAMES) },
      security,
      gate,
      gateLimits: { ...gateLimits, partsMax: LINK_PARTS_MAX },
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
