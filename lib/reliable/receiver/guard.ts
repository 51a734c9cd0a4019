import type { SeqRange } from "../../delivery/range/range.ts";
import type { ReceiverLink, ReceiverStream } from "./receiver-stream.ts";

/** Dependencies of {@link Guard}. */
export interface GuardOptions {
  readonly streams: () => Iterable<ReceiverStream>;
  /** Says to the sender that messages are about to be begun; none: wants to hear that it has saved what was said before. */
  readonly ask: (stream: ReceiverStream, ranges: readonly SeqRange[]) => void;
  /** Says what is done. @returns resolves when that is with the transport */
  readonly sayDone: (stream: ReceiverStream) => Promise<void>;
  /** Messages may be handed out again. */
  readonly onFree: () => void;
}

/** A guarded message was answered for, and its sender may not know. */
interface Leaving {
  readonly stream: ReceiverStream;
  /** The session over which its sender is to hear of it; null: there is none. */
  link: ReceiverLink | null;
  /** Whether the answer is with the transport. */
  isSaid: boolean;
  /** Whether the sender was asked to say when it has saved the answer. */
  isAsked: boolean;
}

/**
 * Lets a guarded message be begun alone: when nothing else is in the application's hands, and its sender has saved
 * that it is begun; nothing else is handed out before the sender has saved the answer. So when this process dies
 * meanwhile, no other message is suspected of it, and when another kills it afterwards, neither is this one.
 *
 * Costs nothing for each message where none is guarded.
 *
 * @see docs/decisions/0048-an-attempt-begins-when-a-handler-begins.md
 */
export class Guard {
  readonly #options: GuardOptions;
  /** The guarded message that is in the application's hands. */
  #alone: { readonly stream: ReceiverStream; readonly seq: number } | null = null;
  #leaving: Leaving | null = null;
  /** Somebody waits until nothing is in the application's hands. */
  #isDraining = false;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** Whether nothing of a stream may be handed out. */
  isClosed(stream: ReceiverStream): boolean {
    if (this.#alone !== null) return true;
    const leaving = this.#leaving;
    if (leaving === null) return false;
    const { link } = leaving.stream;
    // What a lost session did not say is claimed by the next.
    if (link !== leaving.link) leaving.isAsked = false;
    leaving.link = link;
    if (!leaving.isSaid || link === null || link.acks === 0) return true;
    // What is said of another guarded one says that what was said before it is known.
    if (leaving.stream.window.guardedNext !== 0) return stream !== leaving.stream;
    if (!leaving.isAsked) this.#options.ask(leaving.stream, []);
    leaving.isAsked = true;
    return true;
  }

  /**
   * The next message of a stream is guarded: whether it can be handed out now; else whether others can meanwhile.
   */
  next(stream: ReceiverStream, seq: number): "now" | "others" | "nothing" {
    const { link } = stream;
    if (link === null || link.acks === 0) return "others";
    for (const { window } of this.#options.streams()) {
      if (window.inHandCount === 0) continue;
      this.#isDraining = true;
      return "nothing";
    }
    if (stream.mayBegin === seq) return "now";
    if (stream.asksFor !== seq) {
      stream.asksFor = seq;
      this.#options.ask(stream, [{ first: seq, last: seq }]);
    }
    return "others";
  }

  /** A guarded message was handed out. */
  enter(stream: ReceiverStream, seq: number): void {
    this.#alone = { stream, seq };
    this.#leaving = null;
    stream.asksFor = 0;
    stream.mayBegin = 0;
  }

  /** The sender has saved that messages are begun, and what was said before that. */
  go(stream: ReceiverStream, ranges: readonly SeqRange[]): void {
    if (ranges.length === 0 && this.#leaving?.isAsked && this.#leaving.stream === stream) {
      this.#leaving = null;
    }
    if (ranges.some(({ first }) => first === stream.asksFor)) stream.mayBegin = stream.asksFor;
    this.#options.onFree();
  }

  /** Messages are no longer this receiver's: should they come again, the question is another one. */
  lost(stream: ReceiverStream, ranges: readonly SeqRange[]): void {
    const { asksFor } = stream;
    if (ranges.some(({ first, last }) => first <= asksFor && asksFor <= last)) {
      stream.asksFor = 0;
      stream.mayBegin = 0;
    }
    this.answered();
  }

  /** Messages are no longer in the application's hands, or a session has ended. */
  answered(): void {
    const alone = this.#alone;
    if (alone === null && this.#leaving === null && !this.#isDraining) return;
    if (alone?.stream.window.holds(alone.seq)) return;
    if (alone !== null) this.#leave(alone.stream);
    this.#alone = null;
    this.#isDraining = false;
    this.#options.onFree();
  }

  /** A sender did not come back. */
  forget(stream: ReceiverStream): void {
    if (this.#leaving?.stream === stream) this.#leaving = null;
    this.answered();
  }

  #leave(stream: ReceiverStream): void {
    const leaving: Leaving = { stream, link: stream.link, isSaid: false, isAsked: false };
    this.#leaving = leaving;
    void this.#options.sayDone(stream).then(() => {
      leaving.isSaid = true;
      this.#options.onFree();
    });
  }
}
