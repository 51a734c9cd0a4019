import type { Batch } from "../../../batch/batch.ts";
import { BATCH_HEADER_BYTES } from "../../../batch/layout.ts";
import type { Clock } from "../../../clock.ts";
import { historyKey } from "../../../delivery/protocol/epochs.ts";
import type { Hello, Welcome } from "../../../delivery/protocol/handshake.ts";
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
  readonly memory: InboxStore | null;
  /** The sender has given what we did not come back for to others by now. */
  readonly onExpired: (stream: ReceiverStream) => void;
  readonly onProblem: (error: BrokerlessError) => void;
}

/** Streams that are kept in memory without a session. */
export interface StreamLimits {
  /** Before some are forgotten of which nothing is to be remembered (count). */
  readonly idleMax: number;
  /** Whatever is to be remembered of them (count). */
  readonly restingMax: number;
}

const LIMITS: StreamLimits = Object.freeze({ idleMax: 1_024, restingMax: 16_384 });

/**
 * The streams of a receiver, across their sessions: what waits of each, and what was done of it. Bounded, in memory and
 * in the inbox, by forgetting what can be spared.
 *
 * @see docs/decisions/0053-bounded-inbox.md
 */
export class ReceiverStreams implements Iterable<ReceiverStream> {
  readonly #options: ReceiverStreamsOptions;
  /** By the names of their histories. */
  readonly #streams = new Map<string, ReceiverStream>();
  /** Those of them that have no session. */
  readonly #resting = new RestingStreams((stream) => this.#isSpare(stream));
  readonly #limits: StreamLimits;

  constructor(options: ReceiverStreamsOptions, limits: StreamLimits = LIMITS) {
    this.#options = options;
    this.#limits = limits;
  }

  [Symbol.iterator](): Iterator<ReceiverStream> {
    return this.#streams.values();
  }

  /** The stream of a welcome. @param links connections that there are: so many more are kept (count) */
  of(welcome: Welcome, links: number): ReceiverStream {
    const { stream: id, epochs } = welcome;
    const key = historyKey(id, epochs);
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      const window = new Window<Batch>(this.#options.memory?.recall(key) ?? null, MEASURE);
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

  /** The session is over: what waits is kept for as long as the sender keeps it for us. */
  rest(stream: ReceiverStream): void {
    const { clock, memory, onExpired } = this.#options;
    stream.link = null;
    stream.asksFor = null;
    stream.window.step({ type: "closed" });
    stream.cancelGrace = clock.after(stream.welcome.graceMs, () => {
      stream.cancelGrace = null;
      onExpired(stream);
      this.review(stream);
    });
    memory?.rest(stream);
    if (this.#streams.get(stream.key) === stream) this.#resting.add(stream);
    this.review(stream);
    this.#shedIdle();
  }

  /** The sender will never continue the stream. */
  ended(stream: ReceiverStream): void {
    stream.isEnded = true;
    this.#options.memory?.forget(stream.key);
  }

  /**
   * Something of a stream has changed by the application, by time, or in the inbox. Without a session nothing else tells
   * what can be spared of it; one that has ended is forgotten when the application holds nothing of it any more.
   */
  review(stream: ReceiverStream): void {
    if (stream.link !== null) return;
    if (isOver(stream)) this.#giveUp(stream);
    else this.#resting.review(stream);
  }

  /**
   * Makes room for what is to be remembered in the inbox: forgets what can be spared.
   *
   * @returns whether anything was
   */
  makeRoom(): boolean {
    const { memory, onProblem } = this.#options;
    const isLive = (key: string): boolean => (this.#streams.get(key)?.link ?? null) !== null;
    const forgotten = memory?.forgetOne(isLive) ?? null;
    if (forgotten === null) return false;
    const { key, isExact } = forgotten;
    const idle = this.#streams.get(key);
    if (idle?.window.isIdle) this.#forget(idle);
    if (!isExact) onProblem(forgottenError(`the inbox is full: ${memory!.fullness}`, key));
    return true;
  }

  /** Why no session can carry this stream now; null where one can. */
  lackFor({ stream, epochs }: Welcome): string | null {
    const { memory } = this.#options;
    if (memory === null) return null;
    const key = historyKey(stream, epochs);
    if (memory.fault !== null) return `the receiver's inbox has failed: ${memory.fault.message}`;
    while (!memory.hasRoomFor(key)) {
      if (!this.makeRoom())
        return `the receiver's inbox has no room for new streams: ${memory.fullness}`;
    }
    return null;
  }

  /**
   * Bytes that may wait here of one stream. The sender counts what it has given and not heard back of, and so gives no
   * more than `prefetchBytesMax` and the rest of a batch; twice, since what comes again and goes first may come beyond.
   */
  get waitingBytesMax(): number {
    const { prefetchBytesMax, messageBytesMax } = this.#options.hello;
    return (prefetchBytesMax + messageBytesMax) * 2;
  }

  /** No grace ends any more. */
  stop(): void {
    for (const stream of this.#streams.values()) stream.cancelGrace?.();
  }

  /** What waits of streams without a session is together no more than what one with a session may have. */
  #shedIdle(): void {
    while (this.#resting.waitingBytes > this.waitingBytesMax) {
      const stream = this.#resting.oldestWaiting!;
      // Its sender has it too, and gives it to us again, or to others.
      stream.window.release();
      this.#resting.review(stream);
    }
  }

  /** Streams without a session are bounded too: of which nothing is to be remembered, they go first. */
  #forgetIdle(links: number): void {
    const { idleMax, restingMax } = this.#limits;
    while (this.#streams.size > idleMax + links) {
      const spare = this.#resting.spare();
      if (spare === null) break;
      this.#forget(spare);
    }
    if (this.#streams.size <= restingMax + links) return;
    // One for each new one: where many have lost their sessions at once, most come back.
    const { oldest } = this.#resting;
    if (oldest === null) return;
    this.#giveUp(oldest);
    const text = `${restingMax} streams without a session are remembered`;
    this.#options.onProblem(forgottenError(text, oldest.id));
  }

  /** Nobody waits for the sender any more. */
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
    return window.doneSize === 0 || (this.#options.memory !== null && isRemembered);
  }
}

/** Whether a stream has ended, and the application holds nothing of it any more. */
function isOver({ isEnded, storing, window, cancelGrace }: ReceiverStream): boolean {
  if (!isEnded || storing.size > 0) return false;
  return window.waitingCount + window.inHandCount === 0 || cancelGrace === null;
}

const MEASURE: BatchMeasure<Batch> = {
  keyOf: (batch) => batch.number,
  /** Its messages. That it may have a header for each is bounded by their number. */
  bytesOf: ({ bytes }) => bytes.length - BATCH_HEADER_BYTES,
};

function forgottenError(why: string, stream: string): BrokerlessError {
  const message = `${why}; stream ${stream}, whose sender left without a word, was forgotten: what it should send again would be done again`;
  return new BrokerlessError("BROKERLESS_FULL", message);
}
