/**
 * Names a peer of a ROUTER: what ZeroMQ calls its routing id, as text. An address for replies, no proof
 * of identity: a peer chooses its own, and with CURVE the router gives it a random one.
 */
export type PeerId = string;

const PRINTABLE = /^[!-"$-~][!-~]*$/;
const KEY = /^[!-~]{40}$|^#?[0-9A-Fa-f]{64,}$/;
const HEX = /^#(?:[0-9a-f]{2}){1,255}$/;

/**
 * Printable ASCII stands for itself; anything else, and what begins with `#`, is `#` and its bytes in
 * hexadecimal. Two different routing ids never have the same text.
 */
export function peerIdOf(routingId: Buffer): PeerId {
  const text = routingId.toString("latin1");
  return PRINTABLE.test(text) ? text : `#${routingId.toString("hex")}`;
}

/** A peer id for an error text: how long it is, where it has the shape of a key. */
export function shownPeer(peer: PeerId): string {
  return KEY.test(peer) ? `of ${peer.length} characters` : peer;
}

/** @throws TypeError when `peer` is not what {@link peerIdOf} can give */
export function routingIdOf(peer: unknown): Buffer {
  if (typeof peer === "string" && peer.length <= 511) {
    if (HEX.test(peer)) return Buffer.from(peer.slice(1), "hex");
    if (peer.length <= 255 && PRINTABLE.test(peer)) return Buffer.from(peer, "latin1");
  }
  throw new TypeError("peer must be a peer id, as a received message gives it");
}
