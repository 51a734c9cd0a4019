import type { Batch } from "../../../batch/batch.ts";
import type { Rejection } from "../../../delivery/protocol/error-texts.ts";
import { ARGUMENT_GO, type LinkMessageInput } from "../../../delivery/protocol/link-message.ts";
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

/** The report of a message that is to be tried again. */
export interface Nack {
  /** Delay before the next attempt (ms), or `ARGUMENT_NONE`. */
  readonly argument: number;
  /** The handler's error, encoded; or empty. */
  readonly text: string;
}

/** Dependencies of {@link InFlightMessages}. */
export interface InFlightMessagesOptions {
  readonly sessions: ReceiverSessions;
  readonly streams: ReceiverStreams;
  readonly inbox: InboxStore | null;
  readonly prefetch: number;
  /** Messages that are decoded and not delivered to the application. */
  readonly untouched: () => readonly {
    readonly stream: ReceiverStream;
    readonly range: SeqRange;
  }[];
  /** Messages wait for the application. */
  readonly onWaiting: () => void;
  /** The sender has given, or will give, these messages to other receivers. */
  readonly onRevoked: (stream: ReceiverStream, ranges: readonly SeqRange[]) => void;
  readonly onProblem: (error: BrokerlessError) => void;
}

/**
 * The application's side of the windows: gets the next messages for it, and reports to the senders which are in flight,
 * and how they were settled.
 */
export class InFlightMessages {
  readonly #options: InFlightMessagesOptions;
  /** Processed messages, and their acks to the senders. */
  readonly acks: ReceiverAcks;
  readonly #rejections: Rejections;
  readonly #guard: Guard;
  /** Streams with messages for the application, in round-robin order. */
  readonly #waiting = new Set<ReceiverStream>();

  constructor(options: InFlightMessagesOptions) {
    this.#options = options;
    const { sessions, streams, onWaiting } = options;
    this.#rejections = new Rejections(sessions);
    this.acks = new ReceiverAcks({ ...options, onDone: () => this.changed() });
    const { acks } = this;
    this.#guard = new Guard({
      streams: () => streams,
      ask: (stream, ranges) =>
        sessions.send(stream, { type: "begun", argument: ARGUMENT_GO, ranges }),
      sendAcks: (stream) => acks.now(stream),
      onFree: onWaiting,
    });
  }

  /** Whether a sender asks for early reports of begun messages: a receiver died, and the cause is unknown. */
  get isWatched(): boolean {
    for (const { isWatched, link } of this.#options.streams) {
      if (isWatched && link !== null) return true;
    }
    return false;
  }

  /** The next messages for the application, from the streams in turn; null if there are none. */
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

  /** Reports which messages of a delivered range are in flight: those not settled yet. */
  begun(stream: ReceiverStream, { first, last }: SeqRange): void {
    this.#reportBegun(stream, stream.window.heldOf(first, last));
  }

  /** The application has processed messages. */
  done(stream: ReceiverStream, first: number, last: number): void {
    stream.window.step({ type: "done", first, last });
    if (!stream.isEnded) this.acks.done(stream);
    this.#options.streams.review(stream);
    this.#guard.ended();
  }

  /** The application gives messages back, to be tried again. */
  nack(stream: ReceiverStream, range: SeqRange, said: Nack): void {
    this.#giveBack(stream, range, { type: "nack", ...said });
    if (stream.window.waitingCount > 0) this.#waiting.add(stream);
    this.#guard.ended();
  }

  /** The application rejects a message. */
  reject(stream: ReceiverStream, seq: number, rejection: Rejection): void {
    const isHeld = stream.window.holds(seq);
    stream.window.step({ type: "rejected", first: seq, last: seq });
    this.#options.streams.review(stream);
    this.#guard.ended();
    if (!isHeld) return;
    this.#rejections.add(stream, seq, rejection);
    this.#rejections.send(stream, { first: seq, last: seq });
  }

  /** Gives undelivered messages back. */
  release(stream: ReceiverStream, range: SeqRange): void {
    this.#giveBack(stream, range, { type: "release" });
  }

  /** The application needs more time. */
  extend(stream: ReceiverStream, seq: number, ms: number): void {
    if (!stream.window.holds(seq)) return;
    const ranges = [{ first: seq, last: seq }];
    this.#options.sessions.send(stream, { type: "extend", argument: ms, ranges });
  }

  /** A batch of this range was put into the window. */
  arrived(stream: ReceiverStream, range: SeqRange): void {
    this.#rejections.send(stream, range);
    this.acks.soon(stream);
    this.#wake(stream);
  }

  /** A message of the sender was applied to the window. */
  heard(stream: ReceiverStream, event: WindowEvent<Batch>): void {
    if (event.type === "go") this.#guard.go(stream, event.ranges);
    if (event.type === "progress") this.#rejections.forget(stream);
    if (event.type === "revoked") {
      this.#options.onRevoked(stream, event.ranges);
      this.#guard.revoked(stream, event.ranges);
    } else this.#wake(stream);
  }

  /** A session has begun: repeats reports that the sender may not have got in the previous one. */
  resume(stream: ReceiverStream): void {
    this.#rejections.send(stream, ALL);
    const untouched = this.#options.untouched().filter((one) => one.stream === stream);
    const ranges = untouched.map(({ range }) => range);
    this.#reportBegun(stream, without(stream.window.unacked(), ranges));
    this.#wake(stream);
    this.changed();
  }

  /** Messages are no longer in flight at the application, or a session has begun or ended. */
  changed(): void {
    this.#guard.ended();
  }

  /** The grace has ended: the sender has given the messages held here to other receivers. */
  expired(stream: ReceiverStream): void {
    const ranges = [...stream.window.release(), ...stream.window.unacked()];
    stream.window.step({ type: "revoked", ranges });
    this.#waiting.delete(stream);
    if (ranges.length > 0) this.#options.onRevoked(stream, ranges);
    this.#guard.forget(stream);
    this.#options.onWaiting();
  }

  /** Ends deliveries and reports. */
  stop(): void {
    this.acks.close();
    this.#waiting.clear();
  }

  #wake(stream: ReceiverStream): void {
    if (stream.window.waitingCount === 0) return;
    this.#waiting.add(stream);
    this.#options.onWaiting();
  }

  #reportBegun(stream: ReceiverStream, ranges: readonly SeqRange[]): void {
    if (ranges.length > 0) this.#options.sessions.sendRanges(stream, { type: "begun" }, ranges);
  }

  #giveBack(
    stream: ReceiverStream,
    { first, last }: SeqRange,
    message: Omit<LinkMessageInput, "session">,
  ): void {
    const { sessions, streams } = this.#options;
    const ranges = stream.window.heldOf(first, last);
    stream.window.step({ type: "returned", first, last });
    sessions.sendRanges(stream, message, ranges);
    streams.review(stream);
  }
}
