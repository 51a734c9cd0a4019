import type { Clock } from "../../clock.ts";
import type { LinkPeer } from "../../transport/link-peer.ts";

/** Replies that a connection may cause at once, and then per second (count). */
const BURST = 32;
const PER_SECOND = 10;

/**
 * Limits for each connection what a peer can cause by a message that costs it nothing: opened sessions, refusals, new
 * attempts. Beyond the limit a message is ignored: a well-behaved peer sends it again.
 */
export class ReplyLimit {
  readonly #clock: Clock;
  readonly #buckets = new WeakMap<LinkPeer, { left: number; atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns whether the connection gets one more reply now */
  allows(peer: LinkPeer): boolean {
    const atMs = this.#clock.nowMs();
    let bucket = this.#buckets.get(peer);
    if (bucket === undefined) {
      bucket = { left: BURST, atMs };
      this.#buckets.set(peer, bucket);
    }
    bucket.left = Math.min(BURST, bucket.left + ((atMs - bucket.atMs) * PER_SECOND) / 1_000);
    bucket.atMs = atMs;
    if (bucket.left < 1) return false;
    bucket.left -= 1;
    return true;
  }
}
