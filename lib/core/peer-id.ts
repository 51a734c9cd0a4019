/**
 * The id of a peer at a ROUTER: ZeroMQ's routing id, as text. An address for replies, not proof of identity: a peer
 * chooses its own id; with CURVE the router assigns a random one.
 */
export type PeerId = string;

const PRINTABLE = /^[!-"$-~][!-~]*$/;
const KEY = /^[!-~]{40}$|^#?[0-9A-Fa-f]{64,}$/;
const HEX = /^#(?:[0-9a-f]{2}){1,255}$/;

/**
 * The peer id of a routing id. Printable ASCII stays as it is. Any other id, and an id that begins with `#`, becomes
 * `#` and its bytes in hexadecimal. Different routing ids never have the same text.
 */
export function peerIdOf(routingId: Buffer): PeerId {
  const text = routingId.toString("latin1");
  return PRINTABLE.test(text) ? text : `#${routingId.toString("hex")}`;
}

/** A peer id for an error text: its length only, where it has the shape of a key. */
export function shownPeer(peer: PeerId): string {
  return KEY.test(peer) ? `of ${peer.length} characters` : peer;
}

/** The routing id of a peer id. @throws TypeError when `peer` is not a result of {@link peerIdOf} */
export function routingIdOf(peer: unknown): Buffer {
  if (typeof peer === "string" && peer.length <= 511) {
    if (HEX.test(peer)) return Buffer.from(peer.slice(1), "hex");
    if (peer.length <= 255 && PRINTABLE.test(peer)) return Buffer.from(peer, "latin1");
  }
  throw new TypeError("peer must be the peer id of a received message");
}
