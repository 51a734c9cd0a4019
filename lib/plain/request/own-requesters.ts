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
  /** Whether it was told that this side leaves, and has not confirmed it yet. */
  isTold: boolean;
  hasLeft: boolean;
}

/**
 * The connected {@link Requester} sockets of a replier, and which of them know that it leaves: nothing is on its way
 * from those that have confirmed it.
 *
 * Remembers a requester from its first request to the end of its connection.
 */
export class OwnRequesters {
  readonly #requesters = new Map<string, OwnRequester>();
  readonly #drains = new DrainTracker();
  readonly #write: (routingId: Buffer, replies: readonly OwnReply[]) => void;

  /** @param write sends replies in one frame */
  constructor(write: (routingId: Buffer, replies: readonly OwnReply[]) => void) {
    this.#write = write;
  }

  /** To be called with each request of a requester. */
  met(key: string, routingId: Buffer): OwnRequester {
    const known = this.#requesters.get(key);
    if (known !== undefined) return known;
    const copy = Buffer.from(routingId);
    const replies = new EntryBatch<OwnReply>((entries) => this.#write(copy, entries));
    const requester = { routingId: copy, replies, isTold: false, hasLeft: false };
    this.#requesters.set(key, requester);
    return requester;
  }

  /** To be called when a connection has ended, or turns out to be gone. */
  lost(routingId: Buffer): void {
    this.#requesters.delete(routingId.toString("latin1"));
    this.#drains.check();
  }

  /** The requester has confirmed that this side leaves. */
  left(routingId: Buffer): void {
    const requester = this.#requesters.get(routingId.toString("latin1"));
    if (requester === undefined || !requester.isTold) return;
    requester.hasLeft = true;
    this.#drains.check();
  }

  /** This side leaves. @returns the requesters to be told that have not confirmed it */
  leave(): Buffer[] {
    const told = [...this.#requesters.values()].filter(({ hasLeft }) => !hasLeft);
    for (const requester of told) requester.isTold = true;
    return told.map(({ routingId }) => routingId);
  }

  /** This side stays. @returns the requesters that believe that it leaves */
  stay(): Buffer[] {
    const told = [...this.#requesters.values()].filter(({ isTold }) => isTold);
    for (const requester of told) {
      requester.isTold = false;
      requester.hasLeft = false;
    }
    return told.map(({ routingId }) => routingId);
  }

  /** Whether a requester was told, and has not confirmed it. */
  get isWaiting(): boolean {
    return [...this.#requesters.values()].some(({ isTold, hasLeft }) => isTold && !hasLeft);
  }

  /** Resolves when none is waited for any more. Call it only while {@link isWaiting}. */
  drain(options: WaitOptions | undefined): Promise<void> {
    return this.#drains.until(() => !this.isWaiting, options);
  }

  /** Writes what is gathered for them. */
  flush(): void {
    for (const { replies } of this.#requesters.values()) replies.flush();
  }

  close(): void {
    this.#drains.close();
  }
}
