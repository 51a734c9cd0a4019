import type { LinkPeer } from "../../transport/link-peer.ts";
import { EntryBatch } from "./entry-batch.ts";
import { DELIMITER } from "./request-envelope.ts";
import {
  bareEntry,
  ENTRIES_MAX,
  encodeRequests,
  type FrameEntry,
  REQUEST_KINDS,
} from "./request-frames.ts";
import { envelopeId } from "./request-ids.ts";

/** A connection to a replier. */
export class ReplierLane {
  readonly link: LinkPeer;
  /**
   * Requests there that have no reply yet (count). Of a {@link Replier} also those that were given up here: it replies to
   * them, or says that it does not.
   */
  outstanding = 0;
  /** Whether it gets no more requests. */
  isLeaving = false;
  /** Resolves when the replies that were read have been handed out; null where they have been. */
  reading: Promise<void> | null = null;
  /** Whether it has shown itself as a {@link Replier}: then requests share frames. */
  #isOwn = false;
  /** Requests that were given up before it had. */
  #cancelled: Buffer[] = [];
  readonly #batch: EntryBatch;
  readonly #onSent: (count: number, bytes: number) => void;

  /** @param onSent called with the number of requests and bytes handed to ZeroMQ in each message */
  constructor(link: LinkPeer, onSent: (count: number, bytes: number) => void) {
    this.link = link;
    this.#onSent = onSent;
    this.#batch = new EntryBatch((entries) => this.#write(entries));
  }

  /** To be called when a request there was given up. */
  giveUp(): void {
    if (!this.#isOwn) this.outstanding -= 1;
  }

  /** To be called when it has replied to a request that was given up, or says that it will not. */
  late(): void {
    if (this.#isOwn && this.outstanding > 0) this.outstanding -= 1;
  }

  /** To be called when it has shown itself as a {@link Replier}. */
  known(): void {
    if (this.#isOwn) return;
    this.#isOwn = true;
    for (const id of this.#cancelled.splice(0)) this.cancel(id);
  }

  /** Whether another request may be sent to it. */
  get hasRoom(): boolean {
    return !this.isLeaving && !this.link.isFull;
  }

  /** @param request an entry of the kind `request` */
  send(request: FrameEntry): void {
    this.outstanding += 1;
    if (this.#isOwn) {
      this.#batch.add(request, this.outstanding === 1);
      return;
    }
    const { id, leftMs, headers, body } = request;
    // A shared lane gets an id that shows nothing: replies in frames, and farewells, would be of one of many repliers.
    const frames = [this.link.isShared ? id : envelopeId(id, leftMs), DELIMITER, body];
    if (headers !== null) frames.push(headers);
    this.link.send(frames);
    this.#onSent(1, body.length + (headers?.length ?? 0));
  }

  /** The requester no longer waits for the reply. */
  cancel(id: Buffer): void {
    if (this.#batch.remove(id)) return;
    if (this.#isOwn) this.#batch.add(bareEntry(REQUEST_KINDS.cancel, id), false);
    else if (this.#cancelled.length < ENTRIES_MAX) this.#cancelled.push(id);
  }

  /** The replier leaves: it is told when the last request is on its way. */
  leave(): void {
    this.isLeaving = true;
    this.#batch.flush();
    this.#write([bareEntry(REQUEST_KINDS.left)]);
  }

  #write(entries: readonly FrameEntry[]): void {
    let count = 0;
    let bytes = 0;
    for (const { kind, body, headers } of entries) {
      if (kind !== REQUEST_KINDS.request) continue;
      count += 1;
      bytes += body.length + (headers?.length ?? 0);
    }
    // What belongs to requests counts as data, of which there is no more than its replier takes.
    const isNotice = entries.length === 1 && entries[0]!.kind === REQUEST_KINDS.left;
    this.link.send([encodeRequests(entries)], !isNotice);
    if (count > 0) this.#onSent(count, bytes);
  }
}

/**
 * The repliers that a requester is connected to, chosen by load: a request goes to the one with the fewest requests
 * that have no reply, in turn where several have as few.
 */
export class ReplierLanes {
  readonly #lanes: ReplierLane[] = [];
  /** Index of the lane that is looked at first. */
  #turn = 0;

  /** Connected repliers (count). */
  get size(): number {
    return this.#lanes.length;
  }

  /** Whether one of them takes requests, now or as soon as it has room. */
  get isReachable(): boolean {
    return this.#lanes.some(({ isLeaving }) => !isLeaving);
  }

  add(lane: ReplierLane): void {
    this.#lanes.push(lane);
  }

  delete(lane: ReplierLane): void {
    const at = this.#lanes.indexOf(lane);
    if (at >= 0) this.#lanes.splice(at, 1);
  }

  [Symbol.iterator](): Iterator<ReplierLane> {
    return this.#lanes.values();
  }

  /** The lane for the next request; null where none has room. */
  pick(): ReplierLane | null {
    const { length } = this.#lanes;
    let best: ReplierLane | null = null;
    let bestAt = 0;
    for (let offset = 0; offset < length; offset++) {
      const at = (this.#turn + offset) % length;
      const lane = this.#lanes[at]!;
      if (!lane.hasRoom || (best !== null && lane.outstanding >= best.outstanding)) continue;
      best = lane;
      bestAt = at;
      if (lane.outstanding === 0) break;
    }
    if (best !== null) this.#turn = bestAt + 1;
    return best;
  }
}
