import { DrainTracker } from "../../core/queue/drain-tracker.ts";
import type { WaitOptions } from "../../wait.ts";
import { EntryBatch } from "./entry-batch.ts";
import type { FrameEntry } from "./request-frames.ts";
import type { RequestingPeer } from "./requesting-peers.ts";

/** A reply to a requester that reads frames of replies. */
export interface OwnReply extends FrameEntry {
  readonly peer: RequestingPeer;
  /** Its number at the owner; null where it is no reply, but a notice. */
  readonly number: number | null;
}

/** A connection of a {@link Requester}. */
export interface OwnRequester {
  readonly routingId: Buffer;
  /** Gathers the replies of one turn of the event loop. */
  readonly replies: EntryBatch<OwnReply>;
  /** Whether it was told that this side leaves. */
  isTold: boolean;
  /** Whether it knows of what kind this side is. */
  isGreeted: boolean;
}

/** Most requesters that are remembered: over inproc the end of a connection is not reported (count). */
const REMEMBERED_MAX = 10_000;

/**
 * The connected {@link Requester} sockets of a replier, and which of them know that it leaves: nothing is on its way
 * from those that have confirmed it.
 *
 * Remembers a requester from its first request to the end of its connection. One that was forgotten is not told.
 */
export class OwnRequesters {
  readonly #requesters = new Map<string, OwnRequester>();
  /** Those that were told and have not confirmed it. */
  readonly #waiting = new Set<OwnRequester>();
  readonly #drains = new DrainTracker();
  readonly #write: (routingId: Buffer, replies: readonly OwnReply[]) => void;

  /** @param write sends replies in one frame */
  constructor(write: (routingId: Buffer, replies: readonly OwnReply[]) => void) {
    this.#write = write;
  }

  /** To be called with each request of a requester. @param key its routing id as text */
  met(key: string, routingId: Buffer): OwnRequester {
    const known = this.#requesters.get(key);
    if (known !== undefined) return known;
    const copy = Buffer.from(routingId);
    const replies = new EntryBatch<OwnReply>((entries) => this.#write(copy, entries));
    const requester = { routingId: copy, replies, isTold: false, isGreeted: false };
    this.#requesters.set(key, requester);
    if (this.#requesters.size > REMEMBERED_MAX) this.#forget(this.#requesters.keys().next().value!);
    return requester;
  }

  /** To be called when a connection has ended, or turns out to be gone. */
  lost(routingId: Buffer): void {
    this.#forget(routingId.toString("latin1"));
  }

  /** The requester has confirmed that this side leaves. */
  left(routingId: Buffer): void {
    const requester = this.#requesters.get(routingId.toString("latin1"));
    if (requester !== undefined && this.#waiting.delete(requester)) this.#drains.check();
  }

  /** To be called when a requester is told that this side leaves. */
  told(requester: OwnRequester): void {
    requester.isTold = true;
    this.#waiting.add(requester);
  }

  /** This side leaves. @returns the requesters to be told: none of them has confirmed it */
  leave(): OwnRequester[] {
    for (const requester of this.#requesters.values()) {
      if (!requester.isTold) this.told(requester);
    }
    return [...this.#waiting];
  }

  /** This side stays. @returns the requesters to be told: they believe that it leaves */
  stay(): OwnRequester[] {
    const told = [...this.#requesters.values()].filter(({ isTold }) => isTold);
    for (const requester of told) requester.isTold = false;
    this.#giveUp();
    return told;
  }

  /** Whether a requester was told, and has not confirmed it. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /**
   * Resolves when none is waited for any more. Call it only while {@link isWaiting}.
   *
   * @param patienceMs how long a requester has that does not confirm, such as a stopped one (milliseconds)
   */
  async drain(options: WaitOptions | undefined, patienceMs: number): Promise<void> {
    const timer = setTimeout(() => this.#giveUp(), patienceMs);
    try {
      await this.#drains.until(() => !this.isWaiting, options);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Writes what is gathered for them. */
  flush(): void {
    for (const { replies } of this.#requesters.values()) replies.flush();
  }

  close(): void {
    this.#drains.close();
  }

  #forget(key: string): void {
    const requester = this.#requesters.get(key);
    if (requester === undefined) return;
    this.#requesters.delete(key);
    if (this.#waiting.delete(requester)) this.#drains.check();
  }

  #giveUp(): void {
    this.#waiting.clear();
    this.#drains.check();
  }
}
