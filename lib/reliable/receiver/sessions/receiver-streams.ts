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
    }
    return stream;
  }

  /** A session begins. */
  begin(stream: ReceiverStream, link: ReceiverLink, welcome: Welcome): void {
    stream.cancelGrace?.();
    stream.cancelGrace = null;
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
    this.review(stream);
    this.#shedIdle();
  }

  /** The sender will never continue the stream. */
  ended(stream: ReceiverStream): void {
    stream.isEnded = true;
    this.#options.memory?.forget(stream.key);
  }

  /** Forgets a stream that has ended, when the application holds nothing of it any more. */
  review(stream: ReceiverStream): void {
    if (!stream.isEnded || stream.link !== null || stream.storing.size > 0) return;
    const { window, key } = stream;
    if (window.waitingCount + window.inHandCount > 0 && stream.cancelGrace !== null) return;
    stream.cancelGrace?.();
    stream.cancelGrace = null;
    if (this.#streams.get(key) === stream) this.#streams.delete(key);
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
    if (idle?.window.isIdle) this.#streams.delete(key);
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
    let bytes = 0;
    for (const { link, window } of this.#streams.values()) {
      if (link === null) bytes += window.waitingBytes;
    }
    for (const { link, window } of this.#streams.values()) {
      if (bytes <= this.waitingBytesMax) return;
      if (link !== null) continue;
      bytes -= window.waitingBytes;
      // Its sender has it too, and gives it to us again, or to others.
      window.release();
    }
  }

  /** Streams without a session are bounded too: of which nothing is to be remembered, they go first. */
  #forgetIdle(links: number): void {
    const { idleMax, restingMax } = this.#limits;
    let spare = this.#streams.size - idleMax - links;
    for (const stream of this.#streams.values()) {
      if (spare <= 0) return;
      if (!this.#isSpare(stream)) continue;
      this.#streams.delete(stream.key);
      spare -= 1;
    }
    if (this.#streams.size <= restingMax + links) return;
    for (const stream of this.#streams.values()) {
      const { id, key, link } = stream;
      if (link !== null) continue;
      stream.cancelGrace?.();
      stream.cancelGrace = null;
      this.#streams.delete(key);
      const text = `${restingMax} streams without a session are remembered`;
      this.#options.onProblem(forgottenError(text, id));
      return;
    }
  }

  #isSpare({ link, window, storing, acking, isRemembered }: ReceiverStream): boolean {
    if (link !== null || !window.isIdle || storing.size > 0 || acking !== null) return false;
    return window.doneSize === 0 || (this.#options.memory !== null && isRemembered);
  }
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
