import type { SeqRange } from "../../../delivery/range/range.ts";
import type { ReceiverLink, ReceiverStream } from "./receiver-stream.ts";

/** Dependencies of {@link Guard}. */
export interface GuardOptions {
  readonly streams: () => Iterable<ReceiverStream>;
  /** Asks the sender to save that messages are about to begin; no ranges: to save earlier reports. */
  readonly ask: (stream: ReceiverStream, ranges: readonly SeqRange[]) => void;
  /** Sends the acks of processed messages. @returns resolves when the transport has them */
  readonly sendAcks: (stream: ReceiverStream) => Promise<void>;
  /** Messages may be delivered again. */
  readonly onFree: () => void;
}

/** A guarded message for whose begin its sender was asked, and that it may have saved as begun. */
interface Asked {
  readonly stream: ReceiverStream;
  readonly seq: number;
  /** The session over which it was asked; null: not over the current one. */
  link: ReceiverLink | null;
  /** Whether its begin is saved. */
  isSaved: boolean;
}

/** What the sender has saved as begun may be out of date: a guarded message was settled, or is no longer the next. */
interface Leaving {
  readonly stream: ReceiverStream;
  /** The session over which the report goes to its sender; null: there is none. */
  link: ReceiverLink | null;
  /** Whether the transport has the report. */
  isSent: boolean;
  /** Whether the sender was asked for a `go` when it has saved the report. */
  isAsked: boolean;
}

/**
 * Lets a guarded message begin alone: when no other message is in flight at the application, and its sender has saved
 * that it begins. From the question until the sender has saved the outcome, no other message is delivered. So if this
 * process dies in between, no other message is suspected, and if another message kills it afterwards, this one is not
 * suspected.
 *
 * A `go` does not identify its question, so a sender is asked one question at a time.
 *
 * Costs nothing for each message if none is guarded.
 *
 * @see docs/decisions/0048-an-attempt-begins-when-a-handler-begins.md
 */
export class Guard {
  readonly #options: GuardOptions;
  /** The guarded message in flight at the application. */
  #alone: { readonly stream: ReceiverStream; readonly seq: number } | null = null;
  #asked: Asked | null = null;
  #leaving: Leaving | null = null;
  /** A guarded message waits until no message is in flight at the application. */
  #isDraining = false;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** Whether no message of a stream may be delivered. */
  isClosed(stream: ReceiverStream): boolean {
    if (this.#alone !== null) return true;
    this.#forgetGone();
    const asked = this.#asked;
    if (asked !== null) {
      if (asked.stream.window.guardedNext === asked.seq) return stream !== asked.stream;
      // Another message is the next of that stream: if it kills this process, the former must not count as begun.
      this.#asked = null;
      this.#leaving = { stream: asked.stream, link: null, isSent: true, isAsked: false };
    }
    const leaving = this.#leaving;
    if (leaving === null) return false;
    const { link } = leaving.stream;
    // Settlements that a lost session did not report are claimed in the next one.
    if (link !== leaving.link) leaving.isAsked = false;
    leaving.link = link;
    if (!leaving.isSent || link === null || link.acks === 0) return true;
    // The `go` for another guarded message also confirms the reports before it.
    if (leaving.stream.window.guardedNext !== 0) return stream !== leaving.stream;
    if (!leaving.isAsked) leaving.isAsked = this.#ask(leaving.stream, 0);
    return true;
  }

  /** The next message of a stream is guarded: whether it, or else others meanwhile, can be delivered now. */
  next(stream: ReceiverStream, seq: number): "now" | "others" | "nothing" {
    const { link } = stream;
    if (link === null || link.acks === 0) return "others";
    for (const { window } of this.#options.streams()) {
      if (window.unackedCount === 0) continue;
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

  /** A guarded message was delivered. */
  enter(stream: ReceiverStream, seq: number): void {
    this.#alone = { stream, seq };
    this.#asked = null;
    this.#leaving = null;
  }

  /** The sender has saved that messages begin, and all earlier reports. */
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

  /** Leases have ended: if these messages come again, the sender has to be asked again. */
  revoked(stream: ReceiverStream, ranges: readonly SeqRange[]): void {
    const asked = this.#asked;
    const isLost = ({ first, last }: SeqRange): boolean =>
      asked !== null && first <= asked.seq && asked.seq <= last;
    if (asked?.stream === stream && ranges.some(isLost)) {
      this.#asked = null;
      this.#options.onFree();
    }
    this.ended();
  }

  /** Messages are no longer in flight at the application, or a session has ended. */
  ended(): void {
    const alone = this.#alone;
    const isWaiting = this.#asked !== null || this.#leaving !== null || this.#isDraining;
    if (alone === null && !isWaiting) return;
    if (alone?.stream.window.holds(alone.seq)) return;
    if (alone !== null) this.#leave(alone.stream);
    this.#alone = null;
    this.#isDraining = false;
    this.#options.onFree();
  }

  /** A sender did not come back within the grace. */
  forget(stream: ReceiverStream): void {
    if (this.#asked?.stream === stream) this.#asked = null;
    if (this.#leaving?.stream === stream) this.#leaving = null;
    this.ended();
  }

  /** Ends the wait for senders that are gone for good. */
  #forgetGone(): void {
    if (this.#asked !== null && isGone(this.#asked.stream)) this.#asked = null;
    if (this.#leaving !== null && isGone(this.#leaving.stream)) this.#leaving = null;
  }

  /** @returns whether it was asked: only when there is no open request */
  #ask(stream: ReceiverStream, seq: number): boolean {
    if (stream.asksFor !== null) return false;
    stream.asksFor = seq;
    this.#options.ask(stream, seq === 0 ? [] : [{ first: seq, last: seq }]);
    return true;
  }

  #leave(stream: ReceiverStream): void {
    const leaving: Leaving = { stream, link: stream.link, isSent: false, isAsked: false };
    this.#leaving = leaving;
    void this.#options.sendAcks(stream).then(() => {
      leaving.isSent = true;
      this.#options.onFree();
    });
  }
}

function isGone({ link, cancelGrace }: ReceiverStream): boolean {
  return link === null && cancelGrace === null;
}
