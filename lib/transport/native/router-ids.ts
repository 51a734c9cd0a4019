import { randomBytes, randomInt } from "node:crypto";
import { Dealer } from "zeromq";
import { bindTo, connectTo, disconnectFrom, uninterrupted } from "./errno.ts";
import type { NativeSocket } from "./native.ts";

/** Upper limit of the nameless peers that a ROUTER has before it is bound (count). */
const PEERS_MAX = 2_048;
/** Of these at the same time (count). */
const PEERS_AT_ONCE = 32;

/**
 * A random routing id for a peer of a ROUTER, not of ZeroMQ's own form, which starts with a zero
 * byte.
 */
export function randomRoutingId(): Buffer {
  const id = randomBytes(16);
  id[0]! |= 1;
  return id;
}

/**
 * Makes a ROUTER that is not bound yet assign some of its consecutive ids, so that an attacker
 * cannot predict the next one. It takes at most some milliseconds.
 */
export function skipRoutingIds(router: NativeSocket): void {
  const address = `inproc://brokerless.${randomBytes(12).toString("hex")}`;
  const dealer = new Dealer({});
  dealer.linger = 0;
  bindTo(router, address);
  let left = randomInt(PEERS_MAX);
  while (left > 0) {
    const count = Math.min(left, PEERS_AT_ONCE);
    for (let peer = 0; peer < count; peer++) connectTo(dealer, address);
    // libzmq adds and removes peers in whatever call comes next.
    uninterrupted(() => router.readable);
    disconnectFrom(dealer, address);
    uninterrupted(() => router.readable);
    uninterrupted(() => dealer.readable);
    left -= count;
  }
  disconnectFrom(router, address);
  dealer.close();
}
