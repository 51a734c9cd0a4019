import { randomBytes, randomInt } from "node:crypto";
import { Dealer } from "zeromq";
import type { NativeSocket } from "./native.ts";
import { uninterrupted } from "./uninterrupted.ts";

/** Nameless peers that a ROUTER has had before it is bound: less than so many (count). */
const PEERS_MAX = 2_048;
/** Of these at the same time (count). */
const PEERS_AT_ONCE = 32;

/** A routing id for a peer of a ROUTER: random, and not of ZeroMQ's own kind, which begins with a zero byte. */
export function randomRoutingId(): Buffer {
  const id = randomBytes(16);
  id[0]! |= 1;
  return id;
}

/**
 * Lets a ROUTER that is not bound yet give away some of the ids that count up, so that a stranger does not know the
 * next one. It takes some milliseconds at most.
 */
export function skipRoutingIds(router: NativeSocket): void {
  const address = `inproc://brokerless.${randomBytes(12).toString("hex")}`;
  const dealer = new Dealer({});
  dealer.linger = 0;
  uninterrupted(() => router.bindSync(address));
  let left = randomInt(PEERS_MAX);
  while (left > 0) {
    const count = Math.min(left, PEERS_AT_ONCE);
    for (let peer = 0; peer < count; peer++) uninterrupted(() => dealer.connect(address));
    // libzmq takes peers up, and lets go of them, in whatever call comes next.
    uninterrupted(() => router.readable);
    uninterrupted(() => dealer.disconnect(address));
    uninterrupted(() => router.readable);
    uninterrupted(() => dealer.readable);
    left -= count;
  }
  uninterrupted(() => router.disconnect(address));
  dealer.close();
}
