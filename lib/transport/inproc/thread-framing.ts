import { isMainThread } from "node:worker_threads";
import type { NativeKind, NativeMessage, NativeText } from "../native/native.ts";
import { fromThread, type ThreadFrames, toThread } from "./thread-frames.ts";

const MIXED =
  "a socket that sends from a worker thread uses either inproc or tcp and ipc: over inproc its frames differ, see docs/wire-format.md";

/**
 * The conversion of a socket's messages for inproc, if it uses inproc.
 *
 * @see docs/decisions/0008-threads.md
 */
export class ThreadFraming {
  readonly #frames: ThreadFrames;
  /** Whether another thread may still hold its messages after this one has ended. */
  readonly #mayLeaveThread: boolean;
  /** Whether the socket has ever used an address of each kind. */
  readonly #uses = { inproc: false, network: false };

  constructor(kind: NativeKind) {
    this.#frames = { own: kind === "router" ? 1 : 0, mustOutlive: !isMainThread };
    this.#mayLeaveThread = !isMainThread && kind !== "pull" && kind !== "sub";
  }

  /** Whether the socket has ever used an inproc address. */
  get isInproc(): boolean {
    return this.#uses.inproc;
  }

  /** Registers the use of an address. @throws TypeError where the socket may not use both kinds */
  use(sort: "inproc" | "network"): void {
    const hasOther = sort === "inproc" ? this.#uses.network : this.#uses.inproc;
    if (hasOther && this.#mayLeaveThread) throw new TypeError(MIXED);
    this.#uses[sort] = true;
  }

  /** Converts a message for sending. */
  encode(message: NativeMessage): NativeMessage | NativeText {
    // Peers over tcp and ipc would see the marks.
    return !this.#uses.inproc || this.#uses.network ? message : toThread(message, this.#frames);
  }

  /** The message as it was sent, in memory of the reader's own. */
  decode(frames: Buffer[]): Buffer[] {
    return this.#uses.inproc ? ownFrames(fromThread(frames, this.#frames)) : frames;
  }
}

/**
 * Over inproc libzmq passes a frame unchanged: its memory is the sender's, and that of every other
 * subscriber. A receiver may modify its messages, so they are copied.
 */
function ownFrames(frames: readonly Buffer[]): Buffer[] {
  return frames.map((frame) => Buffer.from(frame));
}
