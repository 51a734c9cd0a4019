import { RANGES_MAX } from "../../../delivery/protocol/link-message.ts";
import type { SeqRange } from "../../../delivery/range/range.ts";
import { BrokerlessError } from "../../../errors.ts";
import type { Effect, InboxStore } from "./inbox-store.ts";
import type { ReceiverSessions } from "./receiver-sessions.ts";
import { isSame, type ReceiverLink, type ReceiverStream } from "./receiver-stream.ts";
import type { ReceiverStreams } from "./receiver-streams.ts";

/** Dependencies of {@link ReceiverAcks}. */
export interface ReceiverAcksOptions {
  readonly sessions: ReceiverSessions;
  readonly streams: Pick<ReceiverStreams, "makeRoom" | "review">;
  /** Where it is remembered what was done; null: in memory alone. */
  readonly memory: InboxStore | null;
  readonly prefetch: number;
  readonly onProblem: (error: BrokerlessError) => void;
  /** A message is not in the application's hands any more: it is stored that it is done. */
  readonly onDone: () => void;
}

/** Acks are said at once when so much of the prefetch is unsaid, else at the end of the turn (part of 1). */
const ACK_SHARE = 0.25;
/** An effect waits so many times for room that others then take, before it is refused (count). */
const ROOM_TRIES = 64;

/**
 * A receiver's acks: what is done is remembered first, where there is an inbox, and then said, once in a
 * session; what could not be said is claimed in the next.
 */
export class ReceiverAcks {
  readonly #options: ReceiverAcksOptions;
  readonly #storing = new Set<Promise<void>>();
  #closed = false;

  constructor(options: ReceiverAcksOptions) {
    this.#options = options;
  }

  /** Something may have to be said: at the end of the turn, or when it is much. */
  soon(stream: ReceiverStream): void {
    const { window } = stream;
    const { memory, prefetch } = this.#options;
    if (stream.isEnded) return;
    if (window.unsaidCount === 0 || (memory === null && stream.link === null)) return;
    if (memory === null && window.unsaidCount >= prefetch * ACK_SHARE) {
      this.#say(stream);
      return;
    }
    if (stream.isAckDue) return;
    stream.isAckDue = true;
    process.nextTick(() => {
      stream.isAckDue = false;
      void this.now(stream);
    });
  }

  /** The application has finished with messages. */
  done(stream: ReceiverStream): void {
    stream.isRemembered = false;
    this.soon(stream);
  }

  /** Whether effects can be stored with what is done. */
  get hasInbox(): boolean {
    return this.#options.memory !== null;
  }

  /** Whether an effect is on its way to the inbox. */
  get isStoring(): boolean {
    return this.#storing.size > 0;
  }

  /** Whether effects have to wait for room in the inbox. */
  get isFull(): boolean {
    return this.#options.memory?.isFull ?? false;
  }

  /** Resolves when there may be room for an effect. */
  async room(): Promise<void> {
    // Others that waited may have taken it; of an inbox that has failed it is said again and again.
    for (let tries = 0; this.isFull && tries < ROOM_TRIES; tries++) {
      await this.#options.memory!.room();
    }
  }

  /**
   * The application has finished with a message, and its effect is stored with that, or neither. There is an inbox.
   *
   * @throws BrokerlessError as the inbox's `append` does: then it has not finished
   */
  async doneWith(stream: ReceiverStream, effect: Effect): Promise<void> {
    const memory = this.#options.memory!;
    const { seq, epoch } = effect;
    stream.storing.set(seq, epoch);
    const stored = memory.store(stream, effect).then(
      () => {
        stream.storing.delete(seq);
        if (!isSame(stream, seq, epoch)) return;
        stream.window.step({ type: "done", first: seq, last: seq });
        this.soon(stream);
        this.#options.onDone();
      },
      (error: unknown) => {
        // Nothing behind it was stored either: whatever is remembered next does not say that it is done.
        stream.storing.delete(seq);
        stream.isRemembered = false;
        throw error;
      },
    );
    this.#storing.add(stored);
    await stored.finally(() => {
      this.#storing.delete(stored);
      this.#options.streams.review(stream);
    });
  }

  /** Says what is done now. @returns resolves when it is with the transport, and no effect is on its way */
  async flush(streams: readonly ReceiverStream[]): Promise<void> {
    await Promise.allSettled(this.#storing);
    await Promise.all(streams.map((stream) => this.now(stream)));
  }

  /** @returns resolves when what is done at the call is remembered, and said as far as there is a session */
  async now(stream: ReceiverStream): Promise<void> {
    if (this.#options.memory === null) return this.#say(stream);
    if (stream.isEnded) return;
    stream.acking ??= this.#sayRemembered(stream).finally(() => {
      stream.acking = null;
      this.#options.streams.review(stream);
    });
    await stream.acking;
  }

  /** What is claimed as done must be remembered first, where there is an inbox. */
  async claim(link: ReceiverLink, stream: ReceiverStream): Promise<void> {
    const { memory, sessions } = this.#options;
    const { floor, epochs } = stream.welcome;
    stream.window.step({ type: "opened", floor, epochs });
    const { held, done } = stream.window.claim(RANGES_MAX);
    if (memory !== null && !(await this.#remember(stream))) return;
    if (this.#closed || stream.link !== link) return;
    link.acks = 1;
    const ranges = [...held, ...done];
    sessions.say(link.peer, { type: "claim", session: link.session, word: held.length, ranges });
    this.soon(stream);
  }

  /** Says nothing more. */
  close(): void {
    this.#closed = true;
  }

  /** What is remembered is said, and nothing else; what cannot be said is remembered nevertheless. */
  async #sayRemembered(stream: ReceiverStream): Promise<void> {
    while (!this.#closed) {
      const { link, window } = stream;
      const isOpen = link !== null && link.acks > 0;
      const ranges = isOpen ? window.takeAck(RANGES_MAX) : [];
      if (ranges.length === 0 && stream.isRemembered) return;
      if (!(await this.#remember(stream))) return;
      if (ranges.length > 0 && stream.link === link) this.#sayRanges(link!, ranges);
    }
  }

  #say(stream: ReceiverStream): void {
    const { link, window } = stream;
    while (link !== null && link.acks > 0 && window.unsaidCount > 0 && !this.#closed) {
      this.#sayRanges(link, window.takeAck(RANGES_MAX));
    }
  }

  #sayRanges(link: ReceiverLink, ranges: readonly SeqRange[]): void {
    const { peer, session } = link;
    link.acks += 1;
    this.#options.sessions.say(peer, { type: "ack", session, number: link.acks, ranges });
  }

  /** @returns whether what was done at the call is remembered; where not, the session has ended */
  async #remember(stream: ReceiverStream): Promise<boolean> {
    stream.isRemembered = true;
    try {
      await this.#rememberOrMakeRoom(stream);
      if (stream.link !== null) stream.link.postponed = 0;
      return true;
    } catch (error) {
      stream.isRemembered = false;
      if (!this.#closed) this.#unremembered(stream, error as BrokerlessError);
      return false;
    }
  }

  async #rememberOrMakeRoom(stream: ReceiverStream): Promise<void> {
    const { memory, streams } = this.#options;
    for (;;) {
      try {
        return await memory!.remember(stream);
      } catch (error) {
        const isFull = error instanceof BrokerlessError && error.code === "BROKERLESS_TOO_LARGE";
        if (!isFull || this.#closed || !streams.makeRoom()) throw error;
      }
    }
  }

  /** Nothing may be said of what is done. It is told once, until something can be remembered again. */
  #unremembered({ link }: ReceiverStream, error: BrokerlessError): void {
    const { sessions, onProblem } = this.#options;
    if (link === null || link.postponed === 0) onProblem(error);
    if (link === null) return;
    sessions.postpone(link, `the receiver cannot remember what it has done: ${error.message}`);
  }
}
