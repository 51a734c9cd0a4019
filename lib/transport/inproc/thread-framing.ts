import { isMainThread } from "node:worker_threads";
import type { NativeKind, NativeMessage, NativeText } from "../native/native.ts";
import { fromThread, type ThreadFrames, toThread } from "./thread-frames.ts";

const MIXED =
  "a socket that sends from a worker thread uses either inproc or tcp and ipc: over inproc its frames differ, see docs/wire-format.md";

/**
 * Whether the frames of a socket go over inproc, and what becomes of them then.
 *
 * @see docs/decisions/0008-threads.md
 */
export class ThreadFraming {
  readonly #frames: ThreadFrames;
  /** Whether what it sends may be held by another thread when this one has ended. */
  readonly #mayLeaveThread: boolean;
  /** Whether an address of each sort was ever among those of the socket. */
  readonly #uses = { inproc: false, network: false };

  constructor(kind: NativeKind) {
    this.#frames = { own: kind === "router" ? 1 : 0, mustOutlive: !isMainThread };
    this.#mayLeaveThread = !isMainThread && kind !== "pull" && kind !== "sub";
  }

  /** Whether an inproc address was ever among those of the socket. */
  get isInproc(): boolean {
    return this.#uses.inproc;
  }

  /** The socket is going to use an address. @throws TypeError where it may not use both sorts */
  use(sort: "inproc" | "network"): void {
    const hasOther = sort === "inproc" ? this.#uses.network : this.#uses.inproc;
    if (hasOther && this.#mayLeaveThread) throw new TypeError(MIXED);
    this.#uses[sort] = true;
  }

  /** What is to be sent of a message. */
  encode(message: NativeMessage): NativeMessage | NativeText {
    // Peers over tcp and ipc would see the marks.
    return !this.#uses.inproc || this.#uses.network ? message : toThread(message, this.#frames);
  }

  /** The message as its sender had it, of memory that is its reader's own. */
  decode(frames: Buffer[]): Buffer[] {
    return this.#uses.inproc ? ownFrames(fromThread(frames, this.#frames)) : frames;
  }
}

/**
 * Over inproc libzmq hands a frame over as it stands: it is the sender's memory, and that of every other subscriber.
 * Whoever receives it may change what he is given, so it is copied.
 */
function ownFrames(frames: readonly Buffer[]): Buffer[] {
  return frames.map((frame) => Buffer.from(frame));
}
