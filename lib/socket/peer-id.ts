/**
 * Names a peer of a ROUTER: what ZeroMQ calls its routing id, as text. An address for answers, no proof
 * of identity: a peer chooses its own.
 */
export type PeerId = string;

const PRINTABLE = /^[!-"$-~][!-~]*$/;
const HEX = /^#(?:[0-9a-f]{2}){1,255}$/;

/**
 * Printable ASCII stands for itself; anything else, and what begins with `#`, is `#` and its bytes in
 * hexadecimal. Two different routing ids never have the same text.
 */
export function peerIdOf(routingId: Buffer): PeerId {
  const text = routingId.toString("latin1");
  return PRINTABLE.test(text) ? text : `#${routingId.toString("hex")}`;
}

/** @throws TypeError when `peer` is not what {@link peerIdOf} can give */
export function routingIdOf(peer: unknown): Buffer {
  if (typeof peer === "string" && peer.length <= 511) {
    if (HEX.test(peer)) return Buffer.from(peer.slice(1), "hex");
    if (peer.length <= 255 && PRINTABLE.test(peer)) return Buffer.from(peer, "latin1");
  }
  throw new TypeError("peer must be a peer id, as a received message gives it");
}
