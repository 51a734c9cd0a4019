import type { Batch } from "../../../batch/batch.ts";
import type { Rejection } from "../../../delivery/protocol/error-words.ts";
import { type LinkMessageInput, WORD_GO } from "../../../delivery/protocol/link-message.ts";
import type { SeqRange } from "../../../delivery/range/range.ts";
import { without } from "../../../delivery/range/range-set.ts";
import type { WindowEvent, WindowItem } from "../../../delivery/window/window-events.ts";
import type { BrokerlessError } from "../../../errors.ts";
import { Guard } from "./guard.ts";
import type { InboxStore } from "./inbox-store.ts";
import { ReceiverAcks } from "./receiver-acks.ts";
import type { ReceiverSessions } from "./receiver-sessions.ts";
import type { ReceiverStream } from "./receiver-stream.ts";
import type { ReceiverStreams } from "./receiver-streams.ts";
import { ALL, Rejections } from "./rejections.ts";

/** What is said of a message that is to be tried again. */
export interface Nack {
  /** After so many ms, or `WORD_NONE`. */
  readonly word: number;
  /** The handler's error, encoded; or empty. */
  readonly text: string;
}

/** Dependencies of {@link InFlightMessages}. */
export interface InFlightMessagesOptions {
  readonly sessions: ReceiverSessions;
  readonly streams: ReceiverStreams;
  readonly memory: InboxStore | null;
  readonly prefetch: number;
  /** Messages of the application's that are not yet looked at. */
  readonly untouched: () => readonly {
    readonly stream: ReceiverStream;
    readonly range: SeqRange;
  }[];
  /** Messages wait for the application. */
  readonly onWaiting: () => void;
  /** The sender has given, or will give, these to others. */
  readonly onLost: (stream: ReceiverStream, ranges: readonly SeqRange[]) => void;
  readonly onProblem: (error: BrokerlessError) => void;
}

/**
 * The application's side of the windows: gives it what is next, and tells the senders what it has in its hands and
 * what became of it.
 */
export class InFlightMessages {
  readonly #options: InFlightMessagesOptions;
  /** What is done, and how the senders hear of it. */
  readonly acks: ReceiverAcks;
  readonly #rejections: Rejections;
  readonly #guard: Guard;
  /** Streams that have something for the application, in the order of their turns. */
  readonly #waiting = new Set<ReceiverStream>();

  constructor(options: InFlightMessagesOptions) {
    this.#options = options;
    const { sessions, streams, onWaiting } = options;
    this.#rejections = new Rejections(sessions);
    this.acks = new ReceiverAcks({ ...options, onDone: () => this.changed() });
    const { acks } = this;
    this.#guard = new Guard({
      streams: () => streams,
      ask: (stream, ranges) => sessions.tell(stream, { type: "begun", word: WORD_GO, ranges }),
      sayDone: (stream) => acks.now(stream),
      onFree: onWaiting,
    });
  }

  /** Whether a sender wants to hear soon what is begun: one of its receivers died, and it does not know of what. */
  get isWatched(): boolean {
    for (const { isWatched, link } of this.#options.streams) {
      if (isWatched && link !== null) return true;
    }
    return false;
  }

  /** The next messages for the application, of the streams round-robin; null when there are none. */
  next(
    countMax: number,
  ): { readonly stream: ReceiverStream; readonly item: WindowItem<Batch> } | null {
    for (const stream of this.#waiting) {
      if (this.#guard.isClosed(stream)) continue;
      const guarded = stream.window.guardedNext;
      if (guarded !== 0) {
        const may = this.#guard.next(stream, guarded);
        if (may === "nothing") return null;
        if (may === "others") continue;
      }
      this.#waiting.delete(stream);
      const item = stream.window.next(countMax);
      if (item === null) continue;
      if (guarded !== 0) this.#guard.enter(stream, guarded);
      if (stream.window.waitingCount > 0) this.#waiting.add(stream);
      this.#options.streams.review(stream);
      return { stream, item };
    }
    return null;
  }

  /** Of a range that the application was given, it has in its hands what it has not answered for. */
  begun(stream: ReceiverStream, { first, last }: SeqRange): void {
    this.#sayBegun(stream, stream.window.heldOf(first, last));
  }

  /** The application has finished with messages. */
  done(stream: ReceiverStream, first: number, last: number): void {
    stream.window.step({ type: "done", first, last });
    if (!stream.isEnded) this.acks.done(stream);
    this.#options.streams.review(stream);
    this.#guard.answered();
  }

  /** The application gives messages back. */
  nack(stream: ReceiverStream, range: SeqRange, said: Nack): void {
    this.#giveBack(stream, range, { type: "nack", ...said });
    if (stream.window.waitingCount > 0) this.#waiting.add(stream);
    this.#guard.answered();
  }

  /** The application never wants to see a message again. */
  reject(stream: ReceiverStream, seq: number, rejection: Rejection): void {
    const isHeld = stream.window.holds(seq);
    stream.window.step({ type: "rejected", first: seq, last: seq });
    this.#options.streams.review(stream);
    this.#guard.answered();
    if (!isHeld) return;
    this.#rejections.add(stream, seq, rejection);
    this.#rejections.say(stream, { first: seq, last: seq });
  }

  /** The application gives back what it has not looked at. */
  release(stream: ReceiverStream, range: SeqRange): void {
    this.#giveBack(stream, range, { type: "release" });
  }

  /** The application needs longer. */
  extend(stream: ReceiverStream, seq: number, ms: number): void {
    if (!stream.window.holds(seq)) return;
    const ranges = [{ first: seq, last: seq }];
    this.#options.sessions.tell(stream, { type: "extend", word: ms, ranges });
  }

  /** A batch of this range has come into the window. */
  arrived(stream: ReceiverStream, range: SeqRange): void {
    this.#rejections.say(stream, range);
    this.acks.soon(stream);
    this.#wake(stream);
  }

  /** The window was told something by the sender. */
  heard(stream: ReceiverStream, event: WindowEvent<Batch>): void {
    if (event.type === "go") this.#guard.go(stream, event.ranges);
    if (event.type === "news") this.#rejections.forget(stream);
    if (event.type === "lost") {
      this.#options.onLost(stream, event.ranges);
      this.#guard.lost(stream, event.ranges);
    } else this.#wake(stream);
  }

  /** A session has begun: says what the sender may not have heard in the one before. */
  resume(stream: ReceiverStream): void {
    this.#rejections.say(stream, ALL);
    const untouched = this.#options.untouched().filter((one) => one.stream === stream);
    const ranges = untouched.map(({ range }) => range);
    this.#sayBegun(stream, without(stream.window.inHand(), ranges));
    this.#wake(stream);
    this.changed();
  }

  /** Something is no longer in the application's hands, or a session has begun or ended. */
  changed(): void {
    this.#guard.answered();
  }

  /** The sender has given to others by now what we did not come back for. */
  expired(stream: ReceiverStream): void {
    const ranges = [...stream.window.release(), ...stream.window.inHand()];
    stream.window.step({ type: "lost", ranges });
    this.#waiting.delete(stream);
    if (ranges.length > 0) this.#options.onLost(stream, ranges);
    this.#guard.forget(stream);
    this.#options.onWaiting();
  }

  /** Hands out nothing more, and says nothing more. */
  stop(): void {
    this.acks.close();
    this.#waiting.clear();
  }

  #wake(stream: ReceiverStream): void {
    if (stream.window.waitingCount === 0) return;
    this.#waiting.add(stream);
    this.#options.onWaiting();
  }

  #sayBegun(stream: ReceiverStream, ranges: readonly SeqRange[]): void {
    if (ranges.length > 0) this.#options.sessions.tellRanges(stream, { type: "begun" }, ranges);
  }

  #giveBack(
    stream: ReceiverStream,
    { first, last }: SeqRange,
    message: Omit<LinkMessageInput, "session">,
  ): void {
    const { sessions, streams } = this.#options;
    const ranges = stream.window.heldOf(first, last);
    stream.window.step({ type: "returned", first, last });
    sessions.tellRanges(stream, message, ranges);
    streams.review(stream);
  }
}
