import type { SeqRange } from "../../../delivery/range/range.ts";
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

/** A guarded message that its sender was asked for, and may have saved as begun. */
interface Asked {
  readonly stream: ReceiverStream;
  readonly seq: number;
  /** The session over which it was asked; null: not over the one that there is. */
  link: ReceiverLink | null;
  /** Whether it is saved that it is begun. */
  isSaved: boolean;
}

/** What the sender has saved of what is begun may be no longer true: a guarded message was answered for, or is not next any more. */
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
 * that it is begun. From the question on, until the sender has saved the answer, nothing else is handed out. So when
 * this process dies meanwhile, no other message is suspected of it, and when another kills it afterwards, neither is
 * this one.
 *
 * A `go` does not say what it answers, so a sender is asked one thing at a time.
 *
 * Costs nothing for each message where none is guarded.
 *
 * @see docs/decisions/0048-an-attempt-begins-when-a-handler-begins.md
 */
export class Guard {
  readonly #options: GuardOptions;
  /** The guarded message that is in the application's hands. */
  #alone: { readonly stream: ReceiverStream; readonly seq: number } | null = null;
  #asked: Asked | null = null;
  #leaving: Leaving | null = null;
  /** Somebody waits until nothing is in the application's hands. */
  #isDraining = false;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** Whether nothing of a stream may be handed out. */
  isClosed(stream: ReceiverStream): boolean {
    if (this.#alone !== null) return true;
    this.#forgetGone();
    const asked = this.#asked;
    if (asked !== null) {
      if (asked.stream.window.guardedNext === asked.seq) return stream !== asked.stream;
      // Another is next there: should that one kill, this one must not count as begun.
      this.#asked = null;
      this.#leaving = { stream: asked.stream, link: null, isSaid: true, isAsked: false };
    }
    const leaving = this.#leaving;
    if (leaving === null) return false;
    const { link } = leaving.stream;
    // What a lost session did not say is claimed by the next.
    if (link !== leaving.link) leaving.isAsked = false;
    leaving.link = link;
    if (!leaving.isSaid || link === null || link.acks === 0) return true;
    // What is said of another guarded one says that what was said before it is known.
    if (leaving.stream.window.guardedNext !== 0) return stream !== leaving.stream;
    if (!leaving.isAsked) leaving.isAsked = this.#ask(leaving.stream, 0);
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
    this.#asked ??= { stream, seq, link: null, isSaved: false };
    const asked = this.#asked;
    if (asked.link !== link) {
      asked.isSaved = false;
      if (this.#ask(stream, seq)) asked.link = link;
    }
    return asked.isSaved ? "now" : "nothing";
  }

  /** A guarded message was handed out. */
  enter(stream: ReceiverStream, seq: number): void {
    this.#alone = { stream, seq };
    this.#asked = null;
    this.#leaving = null;
  }

  /** The sender has saved that messages are begun, and what was said before that. */
  go(stream: ReceiverStream, ranges: readonly SeqRange[]): void {
    const { asksFor } = stream;
    stream.asksFor = null;
    const [asked, leaving] = [this.#asked, this.#leaving];
    if (asksFor === 0 && leaving?.isAsked && leaving.stream === stream) this.#leaving = null;
    if (asked?.stream === stream && asked.link === stream.link && asked.seq === asksFor) {
      asked.isSaved = ranges.some(({ first }) => first === asksFor);
    }
    this.#options.onFree();
  }

  /** Messages are no longer this receiver's: should they come again, the question is another one. */
  lost(stream: ReceiverStream, ranges: readonly SeqRange[]): void {
    const asked = this.#asked;
    const isLost = ({ first, last }: SeqRange): boolean =>
      asked !== null && first <= asked.seq && asked.seq <= last;
    if (asked?.stream === stream && ranges.some(isLost)) {
      this.#asked = null;
      this.#options.onFree();
    }
    this.answered();
  }

  /** Messages are no longer in the application's hands, or a session has ended. */
  answered(): void {
    const alone = this.#alone;
    const isWaiting = this.#asked !== null || this.#leaving !== null || this.#isDraining;
    if (alone === null && !isWaiting) return;
    if (alone?.stream.window.holds(alone.seq)) return;
    if (alone !== null) this.#leave(alone.stream);
    this.#alone = null;
    this.#isDraining = false;
    this.#options.onFree();
  }

  /** A sender did not come back. */
  forget(stream: ReceiverStream): void {
    if (this.#asked?.stream === stream) this.#asked = null;
    if (this.#leaving?.stream === stream) this.#leaving = null;
    this.answered();
  }

  /** Nobody waits any more for a sender that has ended its stream. */
  #forgetGone(): void {
    if (this.#asked !== null && isGone(this.#asked.stream)) this.#asked = null;
    if (this.#leaving !== null && isGone(this.#leaving.stream)) this.#leaving = null;
  }

  /** @returns whether it was asked: not before the answer to the last question is there */
  #ask(stream: ReceiverStream, seq: number): boolean {
    if (stream.asksFor !== null) return false;
    stream.asksFor = seq;
    this.#options.ask(stream, seq === 0 ? [] : [{ first: seq, last: seq }]);
    return true;
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

function isGone({ link, cancelGrace }: ReceiverStream): boolean {
  return link === null && cancelGrace === null;
}
