import type { Batch } from "../../../batch/batch.ts";
import { BATCH_HEADER_BYTES } from "../../../batch/layout.ts";
import type { Clock } from "../../../clock.ts";
import type { Hello, Welcome } from "../../../delivery/protocol/handshake.ts";
import { historyKey } from "../../../delivery/protocol/incarnations.ts";
import type { BatchMeasure } from "../../../delivery/window/waiting-items.ts";
import { Window } from "../../../delivery/window/window.ts";
import { BrokerlessError } from "../../../errors.ts";
import type { InboxStore } from "./inbox-store.ts";
import type { ReceiverLink, ReceiverStream } from "./receiver-stream.ts";
import { RestingStreams } from "./resting-streams.ts";

/** Dependencies of {@link ReceiverStreams}. */
export interface ReceiverStreamsOptions {
  readonly clock: Clock;
  readonly hello: Pick<Hello, "prefetchBytesMax" | "messageBytesMax">;
  readonly inbox: InboxStore | null;
  /** The grace has ended: the sender has given the messages held here to other receivers. */
  readonly onExpired: (stream: ReceiverStream) => void;
  readonly onProblem: (error: BrokerlessError) => void;
}

/** Limits on the streams kept in memory without a session. */
export interface StreamLimits {
  /** Beyond this number, streams are removed if nothing has to be remembered of them (count). */
  readonly idleMax: number;
  /** Beyond this number, streams are removed in any case (count). */
  readonly restingMax: number;
}

const LIMITS: StreamLimits = Object.freeze({ idleMax: 1_024, restingMax: 16_384 });

/**
 * The streams of a receiver, across their sessions: the waiting and the processed messages of each. Bounded, in memory
 * and in the inbox, by removing the most expendable streams.
 *
 * @see docs/decisions/0053-bounded-inbox.md
 */
export class ReceiverStreams implements Iterable<ReceiverStream> {
  readonly #options: ReceiverStreamsOptions;
  /** By the names of their histories. */
  readonly #streams = new Map<string, ReceiverStream>();
  /** The streams without a session. */
  readonly #resting = new RestingStreams((stream) => this.#isSpare(stream));
  readonly #limits: StreamLimits;

  constructor(options: ReceiverStreamsOptions, limits: StreamLimits = LIMITS) {
    this.#options = options;
    this.#limits = limits;
  }

  [Symbol.iterator](): Iterator<ReceiverStream> {
    return this.#streams.values();
  }

  /** The stream of a welcome. @param links open connections, by which the limits are raised (count) */
  of(welcome: Welcome, links: number): ReceiverStream {
    const { stream: id, incarnations } = welcome;
    const key = historyKey(id, incarnations);
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      const window = new Window<Batch>(this.#options.inbox?.recall(key) ?? null, MEASURE);
      const idle = {
        link: null,
        asksFor: null,
        cancelGrace: null,
        isEnded: false,
        isWatched: false,
        isAckDue: false,
      };
      stream = {
        id,
        key,
        window,
        welcome,
        rejections: new Map(),
        storing: new Map(),
        acking: null,
        isRemembered: true,
        ...idle,
      };
      this.#forgetIdle(links);
      this.#streams.set(key, stream);
      this.#resting.add(stream);
    }
    return stream;
  }

  /** A session begins. */
  begin(stream: ReceiverStream, link: ReceiverLink, welcome: Welcome): void {
    stream.cancelGrace?.();
    stream.cancelGrace = null;
    this.#resting.delete(stream);
    stream.link = link;
    stream.welcome = welcome;
  }

  /** The session has ended: waiting messages are kept for as long as the sender keeps them for this receiver. */
  rest(stream: ReceiverStream): void {
    const { clock, inbox, onExpired } = this.#options;
    stream.link = null;
    stream.asksFor = null;
    stream.window.step({ type: "closed" });
    stream.cancelGrace = clock.after(stream.welcome.graceMs, () => {
      stream.cancelGrace = null;
      onExpired(stream);
      this.review(stream);
    });
    inbox?.rest(stream);
    if (this.#streams.get(stream.key) === stream) this.#resting.add(stream);
    this.review(stream);
    this.#shedIdle();
  }

  /** The sender will never continue the stream. */
  ended(stream: ReceiverStream): void {
    stream.isEnded = true;
    this.#options.inbox?.forget(stream.key);
  }

  /**
   * The application, time or the inbox has changed the state of a stream. Without a session, nothing else triggers a
   * check whether it can be removed; one that has ended is removed when the application holds no more of its messages.
   */
  review(stream: ReceiverStream): void {
    if (stream.link !== null) return;
    if (isOver(stream)) this.#giveUp(stream);
    else this.#resting.review(stream);
  }

  /**
   * Makes room in the inbox by removing an expendable stream.
   *
   * @returns whether one was removed
   */
  makeRoom(): boolean {
    const { inbox, onProblem } = this.#options;
    const isLive = (key: string): boolean => (this.#streams.get(key)?.link ?? null) !== null;
    const forgotten = inbox?.forgetOne(isLive) ?? null;
    if (forgotten === null) return false;
    const { key, isExact } = forgotten;
    const idle = this.#streams.get(key);
    if (idle?.window.isIdle) this.#forget(idle);
    if (!isExact) onProblem(forgottenError(`the inbox is full: ${inbox!.fullness}`, key));
    return true;
  }

  /** Why no session can carry this stream now; null if one can. */
  lackFor({ stream, incarnations }: Welcome): string | null {
    const { inbox } = this.#options;
    if (inbox === null) return null;
    const key = historyKey(stream, incarnations);
    if (inbox.fault !== null) return `the receiver's inbox has failed: ${inbox.fault.message}`;
    while (!inbox.hasRoomFor(key)) {
      if (!this.makeRoom())
        return `the receiver's inbox has no room for new streams: ${inbox.fullness}`;
    }
    return null;
  }

  /**
   * Limit on waiting messages of one stream (bytes). The sender counts messages in flight, so it sends at most
   * `prefetchBytesMax` and the rest of a batch; twice that, since messages sent again, which go first, may exceed it.
   */
  get waitingBytesMax(): number {
    const { prefetchBytesMax, messageBytesMax } = this.#options.hello;
    return (prefetchBytesMax + messageBytesMax) * 2;
  }

  /** Cancels all graces. */
  stop(): void {
    for (const stream of this.#streams.values()) stream.cancelGrace?.();
  }

  /** Limits the waiting messages of all streams without a session to what one stream with a session may have. */
  #shedIdle(): void {
    while (this.#resting.waitingBytes > this.waitingBytesMax) {
      const stream = this.#resting.oldestWaiting!;
      // The sender has these messages too, and will send them again, here or to other receivers.
      stream.window.release();
      this.#resting.review(stream);
    }
  }

  /** Limits the streams without a session: those of which nothing has to be remembered are removed first. */
  #forgetIdle(links: number): void {
    const { idleMax, restingMax } = this.#limits;
    while (this.#streams.size > idleMax + links) {
      const spare = this.#resting.spare();
      if (spare === null) break;
      this.#forget(spare);
    }
    if (this.#streams.size <= restingMax + links) return;
    // One for each new stream: if many have lost their sessions at once, most will come back.
    const { oldest } = this.#resting;
    if (oldest === null) return;
    this.#giveUp(oldest);
    const text = `${restingMax} streams without a session are remembered`;
    this.#options.onProblem(forgottenError(text, oldest.id));
  }

  /** Removes a stream without waiting for its sender any longer. */
  #giveUp(stream: ReceiverStream): void {
    stream.cancelGrace?.();
    stream.cancelGrace = null;
    this.#forget(stream);
  }

  #forget(stream: ReceiverStream): void {
    this.#resting.delete(stream);
    if (this.#streams.get(stream.key) === stream) this.#streams.delete(stream.key);
  }

  #isSpare({ link, window, storing, acking, isRemembered }: ReceiverStream): boolean {
    if (link !== null || !window.isIdle || storing.size > 0 || acking !== null) return false;
    return window.doneSize === 0 || (this.#options.inbox !== null && isRemembered);
  }
}

/** Whether a stream has ended, and the application holds no more of its messages. */
function isOver({ isEnded, storing, window, cancelGrace }: ReceiverStream): boolean {
  if (!isEnded || storing.size > 0) return false;
  return window.waitingCount + window.unackedCount === 0 || cancelGrace === null;
}

const MEASURE: BatchMeasure<Batch> = {
  keyOf: (batch) => batch.number,
  /** The size of its messages. Batch headers are not counted; there are at most as many as messages. */
  bytesOf: ({ bytes }) => bytes.length - BATCH_HEADER_BYTES,
};

function forgottenError(why: string, stream: string): BrokerlessError {
  const message = `${why}; stream ${stream}, whose sender left without a word, was forgotten: what it should send again would be done again`;
  return new BrokerlessError("BROKERLESS_FULL", message);
}
