import type { Request } from "./request-envelope.ts";
import type { RequestingPeer } from "./requesting-peers.ts";

/**
 * Requests that are read ahead of the handlers (count, bytes): so many that it is soon known which of them were given up,
 * and whose connections have ended.
 */
const HELD_MAX = 4_096;
const HELD_BYTES_MAX = 4 * 2 ** 20;
/**
 * Most bytes of the requests of one peer that wait until it reads its replies: the same as may wait for any other peer.
 * The overhead of each request limits their number too, to 16,384.
 */
const WAITING_BYTES_MAX = 4 * 2 ** 20;
/** Approximate overhead of a waiting request beside its bytes (bytes). */
const REQUEST_BYTES = 256;

/** A request that was read, and the connection it arrived on. */
export interface HeldRequest {
  readonly request: Request;
  readonly peer: RequestingPeer;
  /** The number of its reply at the owner. */
  readonly number: number;
  /** Whether its requester has given it up. */
  isCancelled: boolean;
}

/** Dependencies of {@link HeldRequests}. */
export interface HeldRequestsOptions {
  /** Whether replies wait for this peer. */
  readonly isStuck: (peer: RequestingPeer) => boolean;
  /** Called for a request that has no room, of a peer whose replies have already waited as long as they may. */
  readonly onDropped: (held: HeldRequest) => void;
}

/** The requests of a peer that wait until it reads its replies. */
interface Backlog {
  readonly requests: HeldRequest[];
  bytes: number;
}

/**
 * Requests that were read and not begun: a few ahead of the handlers, and those of peers that do not read their
 * replies.
 *
 * The latter are not begun while replies to their peer wait, since their replies would wait as well. Each such peer has
 * its own backlog, which holds back no other peer. When the peer reads again, its backlog is interleaved with new
 * requests.
 *
 * A backlog is bounded. While one is full, nothing is read from any peer, because the requests of one peer alone cannot
 * be left with ZeroMQ: so a peer that sends requests faster than it reads replies loses none. This lasts at most as
 * long as its replies may wait, and happens once: when the peer has taken no reply in that time, its requests without
 * room are dropped until it takes one.
 *
 * Pure. Promises: the requests of a peer come out in the order they went in.
 */
export class HeldRequests {
  readonly #options: HeldRequestsOptions;
  readonly #fresh: HeldRequest[] = [];
  #freshBytes = 0;
  /** Those that can be given up, by the ids of the requests. */
  readonly #byId = new Map<string, HeldRequest>();
  readonly #backlogs = new Map<RequestingPeer, Backlog>();
  /** Peers with a backlog that read again, in round-robin order. */
  readonly #flowing = new Set<RequestingPeer>();
  /** Peers whose backlog is full, and which may still read their replies. */
  readonly #full = new Set<RequestingPeer>();
  #freshIsNext = true;

  constructor(options: HeldRequestsOptions) {
    this.#options = options;
  }

  /** Requests that were not begun (count). */
  get count(): number {
    let count = this.#fresh.length;
    for (const { requests } of this.#backlogs.values()) count += requests.length;
    return count;
  }

  /** Whether reading must pause. */
  get isFull(): boolean {
    const { length } = this.#fresh;
    return length >= HELD_MAX || this.#freshBytes >= HELD_BYTES_MAX || this.#full.size > 0;
  }

  add(held: HeldRequest): void {
    this.#fresh.push(held);
    this.#freshBytes += sizeOf(held);
    const { id } = held.request;
    if (id !== null) this.#byId.set(id.toString("latin1"), held);
  }

  /** Whether there is a request for {@link take}. Moves requests that must wait for their peers to the backlogs. */
  look(): boolean {
    while (this.#fresh.length > 0 && this.#mustWait(this.#fresh[0]!.peer)) {
      this.#setAside(this.#shift());
    }
    for (const peer of this.#flowing) {
      if (!this.#options.isStuck(peer)) break;
      this.#flowing.delete(peer);
    }
    return this.#fresh.length + this.#flowing.size > 0;
  }

  /** The request to begin next. Call it only when {@link look} has returned true. */
  take(): HeldRequest {
    const isFresh = this.#fresh.length > 0 && (this.#freshIsNext || this.#flowing.size === 0);
    this.#freshIsNext = !isFresh;
    if (isFresh) return this.#ended(this.#shift());
    const peer: RequestingPeer = this.#flowing.values().next().value!;
    const backlog = this.#backlogs.get(peer)!;
    const held = backlog.requests.shift()!;
    backlog.bytes -= sizeOf(held);
    if (backlog.bytes <= WAITING_BYTES_MAX) this.#full.delete(peer);
    this.#flowing.delete(peer);
    if (backlog.requests.length > 0) this.#flowing.add(peer);
    else this.#backlogs.delete(peer);
    return this.#ended(held);
  }

  /** To be called when no reply waits for this peer any more: they were sent, or dropped. */
  flow(peer: RequestingPeer): void {
    if (peer.isDeaf) this.#full.delete(peer);
    if (this.#backlogs.has(peer)) this.#flowing.add(peer);
  }

  /** To be called when the connection of a peer has ended. @returns its requests */
  forget(peer: RequestingPeer): readonly HeldRequest[] {
    const held = this.#backlogs.get(peer)?.requests ?? [];
    this.#backlogs.delete(peer);
    this.#flowing.delete(peer);
    this.#full.delete(peer);
    const fresh = this.#fresh.splice(0);
    this.#freshBytes = 0;
    for (const each of fresh) {
      if (each.peer === peer) held.push(each);
      else {
        this.#fresh.push(each);
        this.#freshBytes += sizeOf(each);
      }
    }
    for (const each of held) this.#ended(each);
    return held;
  }

  /** The requester has given up a request: it will not be begun. */
  cancel(peer: RequestingPeer, id: Buffer): void {
    const held = this.#byId.get(id.toString("latin1"));
    if (held?.peer === peer) held.isCancelled = true;
  }

  #shift(): HeldRequest {
    const held = this.#fresh.shift()!;
    this.#freshBytes -= sizeOf(held);
    return held;
  }

  #ended(held: HeldRequest): HeldRequest {
    const { id } = held.request;
    if (id !== null) this.#byId.delete(id.toString("latin1"));
    return held;
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
      this.#options.onDropped(this.#ended(held));
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
