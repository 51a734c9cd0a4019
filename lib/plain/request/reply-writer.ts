import { Turns } from "../../core/queue/turns.ts";
import { errnoOf } from "../../transport/native/errno.ts";
import type { RequestingPeer } from "./requesting-peers.ts";

/** Longest pause between two attempts; pauses grow from one millisecond (milliseconds). */
const PAUSE_MS_MAX = 16;
/** Attempts that wait only for the next turn of the event loop, before there are pauses (count). */
const TURNS = 4;
/** When a peer has taken no reply for so long, its waiting replies are dropped (milliseconds). */
const STUCK_MS_MAX = 1_000;
/**
 * Most bytes of the replies that wait for one peer: the same as of any other socket that writes to its peers. The
 * overhead of each reply limits their number too, to 16,384.
 */
const WAITING_BYTES_MAX = 4 * 2 ** 20;
/** Approximate overhead of a waiting reply beside its bytes (bytes). */
const REPLY_BYTES = 256;

/** A message with replies on its way to the connection of their requests. */
export interface SendableReply {
  readonly peer: RequestingPeer;
  /** Begins with the routing id. */
  readonly frames: readonly Buffer[];
  /** The numbers of the replies at the owner of the writer. */
  readonly numbers: readonly number[];
  /** Length of their bodies (bytes). */
  readonly bytes: number;
}

/** Dependencies of {@link ReplyWriter}. */
export interface ReplyWriterOptions {
  /** Hands a message to ZeroMQ, or rejects at once with EAGAIN where the peer's queue is full. */
  readonly send: (frames: readonly Buffer[]) => Promise<void>;
  readonly isClosed: () => boolean;
  readonly onSent: (reply: SendableReply) => void;
  /** Called when replies of one peer cannot be sent. */
  readonly onDropped: (replies: readonly SendableReply[], cause: unknown) => void;
  /** Called when no reply waits for this peer any more: they were sent, or dropped after the longest wait. */
  readonly onFlowing: (peer: RequestingPeer) => void;
}

/** The replies that wait for one peer, oldest first. */
interface Waiting {
  readonly replies: SendableReply[];
  bytes: number;
}

/**
 * Sends replies, and queues those that their peer does not take at once, so that they hold up only that peer.
 *
 * The queue of a peer is bounded in bytes, and so in number, and in time: a reply beyond the bound is dropped, and so
 * is the whole queue when the peer takes nothing during a second of attempts. ZeroMQ does not report when there is room
 * for one peer again, so the oldest reply of each such peer is retried after short, growing pauses.
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

  /**
   * Sends or queues a reply. Never rejects. Resolves when the reply was handed to ZeroMQ, is queued here, or was
   * dropped.
   */
  async write(reply: SendableReply): Promise<void> {
    const { peer, frames } = reply;
    if (this.#options.isClosed()) {
      // The native socket may stay open a little longer.
      this.#options.onDropped([reply], new Error("closed"));
      return;
    }
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

  /** Drops the replies of a peer whose connection has ended. */
  forget(peer: RequestingPeer): void {
    this.#drop(peer, new Error("its connection has ended"));
  }

  /** Drops all replies. */
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
      this.#options.onDropped([reply], new Error("too many of its replies wait"));
    } else {
      waiting.replies.push(reply);
      waiting.bytes += bytes;
    }
  }

  /** Retries the replies of one peer; there is one such loop for each. Never rejects. */
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

/** @returns the length of the pause (milliseconds); 0 for a turn of the event loop */
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
