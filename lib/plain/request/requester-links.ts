import type { Framing } from "../../batch/framing/framing.ts";
import { type Peer, strangerAt } from "../../core/events/peer.ts";
import type { LinkDriver, LinkTraits } from "../../core/link-endpoints.ts";
import { Turns } from "../../core/queue/turns.ts";
import { filterIncoming, type Schema } from "../../core/schema.ts";
import { NO_STATS, type SocketStats } from "../../core/socket-stats.ts";
import { strayOf } from "../../delivery/protocol/stray.ts";
import type { BrokerlessError } from "../../errors.ts";
import type { LinkPeer } from "../../transport/link-peer.ts";
import { strayError } from "../inbound.ts";
import { type PendingRequest, PendingRequests } from "./pending-requests.ts";
import { ReplierLane, ReplierLanes } from "./replier-lanes.ts";
import { openReply, readError } from "./request-envelope.ts";
import { decodeEntries, type FrameEntry, isReplies, REPLY_KINDS } from "./request-frames.ts";

/** Frames that ZeroMQ holds for each peer; replies are read at once (count). */
const PEER_FRAMES = 256;
/** Frames of a reply with the envelope of REQ and an error: id, empty, mark, error (count). */
const PARTS_MAX = 4;

/** The links of a requester: a replier that connects gets requests before it has sent anything. */
export const REQUESTER_LINKS: LinkTraits = Object.freeze({
  peerFramesMin: PEER_FRAMES,
  partsMax: PARTS_MAX,
  knowsIncoming: true,
});

/** Dependencies of {@link RequesterLinks}. */
export interface RequesterLinksOptions {
  readonly encode: (request: unknown) => Buffer;
  readonly framing: Framing<unknown>;
  readonly replySchema: Schema | null;
  readonly queueBytesMax: number;
  readonly unroutableMs: number;
  readonly onPeer: (type: "peer" | "peerLost", peer: Peer, peers: number) => void;
  readonly onError: (error: BrokerlessError) => void;
  /** Called for a request that its check refused: its promise rejects too, but may not be awaited. */
  readonly onRefused: (error: unknown) => void;
}

/** The connections of a requester to its repliers: requests go out by load, and replies come back. */
export class RequesterLinks implements LinkDriver {
  readonly pending: PendingRequests;
  readonly #options: RequesterLinksOptions;
  readonly #lanes = new ReplierLanes();
  readonly #byLink = new Map<LinkPeer, ReplierLane>();
  readonly #turns = new Turns();
  #messagesSent = 0;
  #framesSent = 0;
  #bytesSent = 0;
  #messagesReceived = 0;
  #framesReceived = 0;
  #bytesReceived = 0;
  #framesRefused = 0;
  #messagesRefused = 0;
  #messagesDropped = 0;

  constructor(options: RequesterLinksOptions) {
    this.#options = options;
    const { encode, queueBytesMax, unroutableMs, onRefused } = options;
    const lanes = this.#lanes;
    const isReading = (): boolean => [...lanes].some(({ reading }) => reading !== null);
    const limits = { queueBytesMax, unroutableMs };
    this.pending = new PendingRequests({ encode, lanes, ...limits, isReading, onRefused });
  }

  get peers(): number {
    return this.#lanes.size;
  }

  list(): readonly Peer[] {
    return [...this.#lanes].map(({ link }) => strangerAt(link.address));
  }

  stats(): SocketStats {
    return {
      ...NO_STATS,
      ...this.pending.stats(),
      messagesSent: this.#messagesSent,
      framesSent: this.#framesSent,
      bytesSent: this.#bytesSent,
      messagesReceived: this.#messagesReceived,
      framesReceived: this.#framesReceived,
      bytesReceived: this.#bytesReceived,
      framesRefused: this.#framesRefused,
      messagesRefused: this.#messagesRefused,
      messagesDropped: this.#messagesDropped,
      peers: this.#lanes.size,
    };
  }

  onConnect(link: LinkPeer): void {
    const lane = new ReplierLane(link, (count, bytes) => {
      this.#messagesSent += count;
      this.#framesSent += 1;
      this.#bytesSent += bytes;
    });
    this.#byLink.set(link, lane);
    this.#lanes.add(lane);
    this.pending.onReachable();
    this.#options.onPeer("peer", strangerAt(link.address), this.#lanes.size);
  }

  onGone(link: LinkPeer): void {
    const lane = this.#byLink.get(link);
    if (lane === undefined) return;
    this.#byLink.delete(link);
    this.#lanes.delete(lane);
    link.close();
    this.#options.onPeer("peerLost", strangerAt(link.address), this.#lanes.size);
    // Replies that were read count.
    if (lane.reading === null) this.pending.lose(lane);
    else void lane.reading.then(() => this.pending.lose(lane));
  }

  onSuspect(): void {}

  onMessage(link: LinkPeer, parts: readonly Buffer[]): Promise<void> | void {
    const lane = this.#byLink.get(link);
    if (lane === undefined) return;
    try {
      if (parts.length === 1 && isReplies(parts[0]!)) {
        const entries = decodeEntries(parts[0]!);
        lane.known();
        this.#framesReceived += 1;
        if (entries.length > 1) return this.#onEntries(lane, entries);
        this.#onEntry(lane, entries[0]!);
      } else {
        this.#onPlain(lane, parts);
        this.#framesReceived += 1;
      }
    } catch (error) {
      this.#framesRefused += 1;
      const stray = strayOf(parts.at(-1)!);
      this.#options.onError(stray === null ? (error as BrokerlessError) : strayError(stray));
    }
    this.pending.pump();
  }

  /** Hands out the replies of a frame, with a turn of the event loop in between where their callers compute for long. */
  async #onEntries(lane: ReplierLane, entries: readonly FrameEntry[]): Promise<void> {
    let resolve = (): void => {};
    const promise = new Promise<void>((settle) => {
      resolve = settle;
    });
    lane.reading = promise;
    for (const entry of entries) {
      this.#onEntry(lane, entry);
      // The caller goes on before the next reply is handed out.
      await null;
      if (this.#turns.isOver) await this.#turns.next();
    }
    lane.reading = null;
    resolve();
    this.pending.pump();
  }

  /** A reply with the envelope of REQ: a plain REP has sent it, or a replier behind a proxy. */
  #onPlain(lane: ReplierLane, parts: readonly Buffer[]): void {
    const { id, body, error } = openReply(parts);
    const request = this.#take(lane, id, body?.length ?? 0);
    if (request === null) return;
    if (error !== null) this.#fail(request, error);
    else this.#decode(request, body);
  }

  #onEntry(lane: ReplierLane, { kind, id, body }: FrameEntry): void {
    if (kind === REPLY_KINDS.returned) {
      this.pending.giveBack(id, lane);
    } else if (kind === REPLY_KINDS.expired) {
      if (!this.pending.expire(id, lane)) lane.late();
    } else if (kind === REPLY_KINDS.leaving) {
      if (!lane.isLeaving) lane.leave();
      this.pending.onUnreachable();
    } else if (kind === REPLY_KINDS.staying) {
      lane.isLeaving = false;
      this.pending.onReachable();
    } else if (kind === REPLY_KINDS.value || kind === REPLY_KINDS.error) {
      const request = this.#take(lane, id, body.length);
      if (request === null) return;
      if (kind === REPLY_KINDS.error) this.#fail(request, body);
      else this.#decode(request, body);
    }
  }

  #take(lane: ReplierLane, id: Buffer, bytes: number): PendingRequest | null {
    const request = this.pending.take(id, lane);
    if (request === null) {
      lane.late();
      this.#messagesDropped += 1;
    } else {
      this.#messagesReceived += 1;
      this.#bytesReceived += bytes;
    }
    return request;
  }

  #fail(request: PendingRequest, body: Buffer): void {
    let error: unknown;
    try {
      error = readError(body);
    } catch (unreadable) {
      this.#framesRefused += 1;
      error = unreadable;
    }
    this.pending.reject(request, error);
  }

  #decode(request: PendingRequest, body: Buffer): void {
    let values: unknown[];
    try {
      values = this.#options.framing.decode(body);
    } catch (error) {
      this.#framesRefused += 1;
      this.pending.reject(request, error);
      return;
    }
    const { replySchema } = this.#options;
    if (replySchema === null) this.pending.resolve(request, values[0]);
    else void this.#checkReply(replySchema, request, values);
  }

  async #checkReply(schema: Schema, request: PendingRequest, values: unknown[]): Promise<void> {
    const bad: BrokerlessError[] = [];
    const kept = await filterIncoming(schema, values, (error) => bad.push(error));
    if (bad.length === 0) {
      this.pending.resolve(request, kept[0]);
      return;
    }
    this.#messagesRefused += 1;
    this.pending.reject(request, bad[0]);
  }
}
