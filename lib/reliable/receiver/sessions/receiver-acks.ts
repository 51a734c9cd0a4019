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
  /** Stores the processed messages; null: they are in memory only. */
  readonly inbox: InboxStore | null;
  readonly prefetch: number;
  readonly onProblem: (error: BrokerlessError) => void;
  /** A message is no longer in flight at the application: it is stored as processed. */
  readonly onDone: () => void;
}

/** Acks are sent at once when they reach this part of the prefetch, otherwise at the end of the turn (part of 1). */
const ACK_SHARE = 0.25;
/** How often an effect waits for room that others then take, before it is refused (count). */
const ROOM_ATTEMPTS_MAX = 64;

/**
 * A receiver's acks. Processed messages are stored first, if there is an inbox, and then acknowledged, once in a
 * session; acks that could not be sent are claimed in the next session.
 */
export class ReceiverAcks {
  readonly #options: ReceiverAcksOptions;
  readonly #storing = new Set<Promise<void>>();
  #closed = false;

  constructor(options: ReceiverAcksOptions) {
    this.#options = options;
  }

  /** Sends due acks: at the end of the turn, or at once if there are many. */
  soon(stream: ReceiverStream): void {
    const { window } = stream;
    const { inbox, prefetch } = this.#options;
    if (stream.isEnded) return;
    if (window.unsentCount === 0 || (inbox === null && stream.link === null)) return;
    if (inbox === null && window.unsentCount >= prefetch * ACK_SHARE) {
      this.#send(stream);
      return;
    }
    if (stream.isAckDue) return;
    stream.isAckDue = true;
    process.nextTick(() => {
      stream.isAckDue = false;
      void this.now(stream);
    });
  }

  /** The application has processed messages. */
  done(stream: ReceiverStream): void {
    stream.isRemembered = false;
    this.soon(stream);
  }

  /** Whether effects can be stored with acks. */
  get hasInbox(): boolean {
    return this.#options.inbox !== null;
  }

  /** Whether an effect is being stored in the inbox. */
  get isStoring(): boolean {
    return this.#storing.size > 0;
  }

  /** Whether effects have to wait for room in the inbox. */
  get isFull(): boolean {
    return this.#options.inbox?.isFull ?? false;
  }

  /** Resolves when there may be room for an effect. */
  async room(): Promise<void> {
    // Other waiting effects may have taken the room; and for a failed inbox, `room` resolves although there is none.
    for (let attempt = 0; this.isFull && attempt < ROOM_ATTEMPTS_MAX; attempt++) {
      await this.#options.inbox!.room();
    }
  }

  /**
   * The application has processed a message; its effect is stored with that, or neither is. Requires an inbox.
   *
   * @throws BrokerlessError as the inbox's `append` does: then the message is not processed
   */
  async doneWith(stream: ReceiverStream, effect: Effect): Promise<void> {
    const inbox = this.#options.inbox!;
    const { seq, historyVersion } = effect;
    stream.storing.set(seq, historyVersion);
    const stored = inbox.store(stream, effect).then(
      () => {
        stream.storing.delete(seq);
        if (!isSame(stream, seq, historyVersion)) return;
        stream.window.step({ type: "done", first: seq, last: seq });
        this.soon(stream);
        this.#options.onDone();
      },
      (error: unknown) => {
        // Nothing behind it was stored either: the next stored state does not contain this message as processed.
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

  /** Sends due acks now. @returns resolves when the transport has them, after the effects that were being stored */
  async flush(streams: readonly ReceiverStream[]): Promise<void> {
    await Promise.allSettled(this.#storing);
    await Promise.all(streams.map((stream) => this.now(stream)));
  }

  /** @returns resolves when messages processed before are stored, and acknowledged if there is a session */
  async now(stream: ReceiverStream): Promise<void> {
    if (this.#options.inbox === null) return this.#send(stream);
    if (stream.isEnded) return;
    stream.acking ??= this.#sendRemembered(stream).finally(() => {
      stream.acking = null;
      this.#options.streams.review(stream);
    });
    await stream.acking;
  }

  /** Claims messages in a new session. If there is an inbox, messages claimed as processed are stored first. */
  async claim(link: ReceiverLink, stream: ReceiverStream): Promise<void> {
    const { inbox, sessions } = this.#options;
    const { floor, incarnations } = stream.welcome;
    stream.window.step({ type: "opened", floor, incarnations });
    const { held, done } = stream.window.claim(RANGES_MAX);
    if (inbox !== null && !(await this.#remember(stream))) return;
    if (this.#closed || stream.link !== link) return;
    link.acks = 1;
    const ranges = [...held, ...done];
    sessions.sendTo(link.peer, {
      type: "claim",
      session: link.session,
      argument: held.length,
      ranges,
    });
    this.soon(stream);
  }

  /** Ends all sending. */
  close(): void {
    this.#closed = true;
  }

  /** Acknowledges only what is stored; messages that cannot be acknowledged now are stored nevertheless. */
  async #sendRemembered(stream: ReceiverStream): Promise<void> {
    while (!this.#closed) {
      const { link, window } = stream;
      const isOpen = link !== null && link.acks > 0;
      const ranges = isOpen ? window.takeAck(RANGES_MAX) : [];
      if (ranges.length === 0 && stream.isRemembered) return;
      if (!(await this.#remember(stream))) return;
      if (ranges.length > 0 && stream.link === link) this.#sendRanges(link!, ranges);
    }
  }

  #send(stream: ReceiverStream): void {
    const { link, window } = stream;
    while (link !== null && link.acks > 0 && window.unsentCount > 0 && !this.#closed) {
      this.#sendRanges(link, window.takeAck(RANGES_MAX));
    }
  }

  #sendRanges(link: ReceiverLink, ranges: readonly SeqRange[]): void {
    const { peer, session } = link;
    link.acks += 1;
    this.#options.sessions.sendTo(peer, { type: "ack", session, number: link.acks, ranges });
  }

  /** @returns whether the messages processed before the call are stored; if not, the session has ended */
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
    const { inbox, streams } = this.#options;
    for (;;) {
      try {
        return await inbox!.remember(stream);
      } catch (error) {
        const isFull = error instanceof BrokerlessError && error.code === "BROKERLESS_TOO_LARGE";
        if (!isFull || this.#closed || !streams.makeRoom()) throw error;
      }
    }
  }

  /** Nothing may be acknowledged. The error is reported once, until storing succeeds again. */
  #unremembered({ link }: ReceiverStream, error: BrokerlessError): void {
    const { sessions, onProblem } = this.#options;
    if (link === null || link.postponed === 0) onProblem(error);
    if (link === null) return;
    sessions.postpone(link, `the receiver cannot remember what it has done: ${error.message}`);
  }
}
