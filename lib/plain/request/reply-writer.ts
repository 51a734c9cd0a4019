import { Turns } from "../../core/queue/turns.ts";
import { errnoOf } from "../../transport/native/native.ts";
import type { RequestingPeer } from "./requesting-peers.ts";

/** Pauses between tries grow from one to so many milliseconds. */
const PAUSE_MS_MAX = 16;
/** Tries that only wait for the next turn of the event loop, before there are pauses (count). */
const TURNS = 4;
/** What waits for a peer that takes nothing for so long is dropped (milliseconds). */
const STUCK_MS_MAX = 1_000;
/**
 * Replies may wait for one peer (bytes): as much as of any other socket that writes to its peers. What a reply takes
 * beside its bytes bounds their number too, to 16,384.
 */
const WAITING_BYTES_MAX = 4 * 2 ** 20;
/** What a reply that waits takes beside its bytes, about (bytes). */
const REPLY_BYTES = 256;

/** A reply on its way to the connection of its request. */
export interface SendableReply {
  readonly peer: RequestingPeer;
  /** The envelope, which begins with the routing id, and what stands for the body. */
  readonly frames: readonly Buffer[];
  /** What its writer's owner knows it by. */
  readonly number: number;
}

/** What an {@link ReplyWriter} is made of. */
export interface ReplyWriterOptions {
  /** Hands a message to ZeroMQ, or rejects at once with EAGAIN where its peer is full. */
  readonly send: (frames: readonly Buffer[]) => Promise<void>;
  readonly isClosed: () => boolean;
  readonly onSent: (reply: SendableReply) => void;
  /** The replies, of one peer, can not be sent. */
  readonly onDropped: (replies: readonly SendableReply[], cause: unknown) => void;
  /** No reply waits for this peer any more: it reads, or was waited for long enough. */
  readonly onFlowing: (peer: RequestingPeer) => void;
}

/** The replies that wait for one peer, oldest first. */
interface Waiting {
  readonly replies: SendableReply[];
  bytes: number;
}

/**
 * Sends replies, and keeps those that their peer does not take at once: they hold up nobody but that peer.
 *
 * What waits for a peer is bounded, in bytes and so in number, and so is the wait: what comes beyond the bound, and
 * all of it when the peer takes nothing for a second of trying, is dropped. ZeroMQ does not tell when there is room
 * for one peer again: so the oldest reply of each such peer is tried again after short, growing pauses.
 */
export class ReplyWriter {
  readonly #options: ReplyWriterOptions;
  readonly #waiting = new Map<RequestingPeer, Waiting>();

  constructor(options: ReplyWriterOptions) {
    this.#options = options;
  }

  /** Whether replies wait for this peer. */
  isStuck(peer: RequestingPeer): boolean {
    return this.#waiting.has(peer);
  }

  /** Never rejects. Resolves when the reply is with ZeroMQ, waits here, or is dropped. */
  async write(reply: SendableReply): Promise<void> {
    const { peer, frames } = reply;
    if (!peer.isGone && !this.isStuck(peer)) {
      try {
        await this.#options.send(frames);
        peer.isDeaf = false;
        this.#options.onSent(reply);
        return;
      } catch (error) {
        if (errnoOf(error) !== "EAGAIN" || this.#options.isClosed()) {
          this.#options.onDropped([reply], error);
          return;
        }
      }
    }
    if (peer.isGone) this.#options.onDropped([reply], new Error("its connection has ended"));
    else this.#keep(reply);
  }

  /** The peer has gone. */
  forget(peer: RequestingPeer): void {
    this.#drop(peer, new Error("its connection has ended"));
  }

  /** Drops everything. */
  close(): void {
    for (const peer of [...this.#waiting.keys()]) this.#drop(peer, new Error("closed"));
  }

  #keep(reply: SendableReply): void {
    const { peer } = reply;
    const bytes = sizeOf(reply);
    const waiting = this.#waiting.get(peer);
    if (waiting === undefined) {
      const first = { replies: [reply], bytes };
      this.#waiting.set(peer, first);
      void this.#retry(peer, first);
    } else if (waiting.bytes + bytes > WAITING_BYTES_MAX) {
      this.#options.onDropped([reply], new Error("too many replies wait for it"));
    } else {
      waiting.replies.push(reply);
      waiting.bytes += bytes;
    }
  }

  /** The only loop of a peer. Never rejects. */
  async #retry(peer: RequestingPeer, waiting: Waiting): Promise<void> {
    const turns = new Turns();
    let waitedMs = await pause(0);
    for (let tries = 1; ; ) {
      if (turns.isOver) await turns.next();
      if (this.#waiting.get(peer) !== waiting) return;
      const reply = waiting.replies[0]!;
      try {
        await this.#options.send(reply.frames);
        if (this.#waiting.get(peer) !== waiting) return;
        waiting.replies.shift();
        waiting.bytes -= sizeOf(reply);
        tries = 0;
        waitedMs = 0;
        peer.isDeaf = false;
        this.#options.onSent(reply);
        if (waiting.replies.length === 0) break;
      } catch (error) {
        const isFull = errnoOf(error) === "EAGAIN" && !this.#options.isClosed();
        if (!isFull || waitedMs >= STUCK_MS_MAX) {
          peer.isDeaf = true;
          this.#drop(peer, error);
          break;
        }
        waitedMs += await pause(tries++);
      }
    }
    this.#waiting.delete(peer);
    this.#options.onFlowing(peer);
  }

  #drop(peer: RequestingPeer, cause: unknown): void {
    const waiting = this.#waiting.get(peer);
    if (waiting === undefined) return;
    this.#waiting.delete(peer);
    this.#options.onDropped(waiting.replies, cause);
  }
}

/** @returns how long it was (milliseconds); 0 for a turn of the event loop */
async function pause(tries: number): Promise<number> {
  if (tries < TURNS) {
    await new Promise((resolve) => setImmediate(resolve));
    return 0;
  }
  const pauseMs = Math.min(PAUSE_MS_MAX, 2 ** (tries - TURNS));
  await new Promise((resolve) => setTimeout(resolve, pauseMs));
  return pauseMs;
}

function sizeOf({ frames }: SendableReply): number {
  let bytes = REPLY_BYTES;
  for (const frame of frames) bytes += frame.length;
  return bytes;
}
