import type { Clock } from "../../clock.ts";
import type { LinkPeer } from "../../transport/link-peer.ts";

/** Answers that a connection gets at once, and then per second (count). */
const BURST = 32;
const PER_SECOND = 10;

/**
 * What a peer makes us do and say by one message that costs it nothing, for each connection: sessions that are
 * opened, refusals, new tries. Beyond so many, the message counts for nothing: a peer that means it comes again.
 */
export class AnswerLimit {
  readonly #clock: Clock;
  readonly #buckets = new WeakMap<LinkPeer, { left: number; atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns whether the connection gets one more answer now */
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
