import type { Request } from "./request-envelope.ts";
import type { RequestingPeer } from "./requesting-peers.ts";

/** Requests that are read ahead of the handlers (count). */
const HELD_MAX = 16;
/**
 * Requests of one peer may wait for it to read its replies (bytes): as much as may wait for any other peer. What a
 * request takes beside its bytes bounds their number too, to 16,384.
 */
const WAITING_BYTES_MAX = 4 * 2 ** 20;
/** What a request that waits takes beside its bytes, about (bytes). */
const REQUEST_BYTES = 256;

/** A request that was read, and the connection it came on. */
export interface HeldRequest {
  readonly request: Request;
  readonly peer: RequestingPeer;
}

/** Told of and asked by {@link HeldRequests}. */
export interface HeldRequestsOptions {
  /** Whether replies wait for this peer. */
  readonly isStuck: (peer: RequestingPeer) => boolean;
  /** There is no room for this request, of a peer that was waited for. */
  readonly onDropped: (held: HeldRequest) => void;
}

/** The requests of a peer that wait until it reads. */
interface Backlog {
  readonly requests: HeldRequest[];
  bytes: number;
}

/**
 * Requests that were read and not begun: a few ahead of the handlers, and those of peers that do not read.
 *
 * The latter are not begun while replies to their peer wait, for theirs would wait as well. Each such peer has its own
 * backlog, which holds back nobody else; when the peer reads again, its backlog and new requests take turns.
 *
 * A backlog is bounded. Where one is full nothing more is read of anybody, as the requests of a peer cannot be left with
 * ZeroMQ alone: so one that requests faster than it reads loses nothing. That is for as long as its replies may wait, once:
 * of a peer that has taken none in that time, what has no room is dropped until it takes one.
 *
 * Pure. Promises: requests of a peer come out in the order they went in.
 */
export class HeldRequests {
  readonly #options: HeldRequestsOptions;
  readonly #fresh: HeldRequest[] = [];
  readonly #backlogs = new Map<RequestingPeer, Backlog>();
  /** Those with a backlog that read again, in the order of their turns. */
  readonly #flowing = new Set<RequestingPeer>();
  /** Those whose backlog is full, and who may read yet. */
  readonly #full = new Set<RequestingPeer>();
  #freshIsNext = true;

  constructor(options: HeldRequestsOptions) {
    this.#options = options;
  }

  /** Whether no more are to be read for now. */
  get isFull(): boolean {
    return this.#fresh.length >= HELD_MAX || this.#full.size > 0;
  }

  add(held: HeldRequest): void {
    this.#fresh.push(held);
  }

  /** Whether {@link take} has one. Sets those aside that have to wait for their peers. */
  look(): boolean {
    while (this.#fresh.length > 0 && this.#mustWait(this.#fresh[0]!.peer)) {
      this.#setAside(this.#fresh.shift()!);
    }
    for (const peer of this.#flowing) {
      if (!this.#options.isStuck(peer)) break;
      this.#flowing.delete(peer);
    }
    return this.#fresh.length + this.#flowing.size > 0;
  }

  /** The request to begin next. {@link look} has said that there is one. */
  take(): HeldRequest {
    const isFresh = this.#fresh.length > 0 && (this.#freshIsNext || this.#flowing.size === 0);
    this.#freshIsNext = !isFresh;
    if (isFresh) return this.#fresh.shift()!;
    const peer: RequestingPeer = this.#flowing.values().next().value!;
    const backlog = this.#backlogs.get(peer)!;
    const held = backlog.requests.shift()!;
    backlog.bytes -= sizeOf(held);
    if (backlog.bytes <= WAITING_BYTES_MAX) this.#full.delete(peer);
    this.#flowing.delete(peer);
    if (backlog.requests.length > 0) this.#flowing.add(peer);
    else this.#backlogs.delete(peer);
    return held;
  }

  /** No reply waits for this peer any more: it reads, or was given up. */
  flow(peer: RequestingPeer): void {
    if (peer.isDeaf) this.#full.delete(peer);
    if (this.#backlogs.has(peer)) this.#flowing.add(peer);
  }

  /** The peer has gone: gives back its requests that wait for it to read. */
  forget(peer: RequestingPeer): readonly HeldRequest[] {
    const backlog = this.#backlogs.get(peer);
    this.#backlogs.delete(peer);
    this.#flowing.delete(peer);
    this.#full.delete(peer);
    return backlog?.requests ?? [];
  }

  #mustWait(peer: RequestingPeer): boolean {
    return this.#backlogs.has(peer) || this.#options.isStuck(peer);
  }

  #setAside(held: HeldRequest): void {
    const { peer } = held;
    const backlog = this.#backlogs.get(peer) ?? { requests: [], bytes: 0 };
    const bytes = sizeOf(held);
    const isFull = backlog.bytes + bytes > WAITING_BYTES_MAX;
    if (isFull && peer.isDeaf) {
      this.#options.onDropped(held);
      return;
    }
    if (isFull) this.#full.add(peer);
    backlog.requests.push(held);
    backlog.bytes += bytes;
    this.#backlogs.set(peer, backlog);
  }
}

function sizeOf({ request: { envelope, body, headers } }: HeldRequest): number {
  let bytes = REQUEST_BYTES + body.length + (headers?.length ?? 0);
  for (const frame of envelope) bytes += frame.length;
  return bytes;
}
