import { RangeSet } from "../../../delivery/range/range-set.ts";
import {
  decodeRemembered,
  encodeRemembered,
  INBOX_AWAY_S,
  INBOX_BYTES_MAX,
  INBOX_STREAMS_MAX,
  InboxSlots,
  type Remembered,
} from "../../../delivery/saved/inbox-slots.ts";
import type { WindowState } from "../../../delivery/window/window-events.ts";
import { BrokerlessError, type ErrorCode } from "../../../errors.ts";
import { VALUE_RECEIVER } from "../../../journal/identity.ts";
import type { Journal, Values } from "../../../journal/journal.ts";
import type { ReceiverStream } from "./receiver-stream.ts";

/** The effect of a message, to be stored with its acknowledgement. */
export interface Effect {
  readonly seq: number;
  /** The window's version of the stream's history in which the message has its seq. */
  readonly historyVersion: number;
  /** The id of the delivery: the key of the entry. */
  readonly id: string;
  readonly effect: Uint8Array;
}

/** Format version of the receiver id, in front of its 16 bytes. */
const RECEIVER_VERSION = 2;
/** Errors of a full disk or table, which are temporary. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  "BROKERLESS_NO_SPACE",
  "BROKERLESS_FULL",
  "BROKERLESS_TOO_LARGE",
]);

/**
 * A receiver's state across restarts: the processed messages of each stream, and its receiver id, as named values of a
 * journal. An effect that is stored with an acknowledgement is an entry of that journal: both or neither.
 *
 * The state is bounded. A stream without processed messages is not stored, and one that has ended is removed. At the
 * limit, streams are removed in this order: those whose senders have saved all acks, those of in-memory senders that
 * have disappeared without a `close`, and those not heard of for a week. If there is still no room, a new stream is
 * refused, while the stored ones continue.
 *
 * @see docs/decisions/0053-bounded-inbox.md
 */
export class InboxStore {
  readonly #journal: Journal;
  readonly #timeMs: () => number;
  readonly #slots = new InboxSlots();
  #fault: BrokerlessError | null = null;

  /** @throws BrokerlessError BROKERLESS_CORRUPT if a stored state is unreadable: forgetting it would repeat effects */
  constructor(journal: Journal, timeMs: () => number) {
    this.#journal = journal;
    this.#timeMs = timeMs;
    this.#slots.restore(found(journal));
  }

  /** Why nothing can be stored any more; null if it can, or may be possible again. */
  get fault(): BrokerlessError | null {
    return this.#fault;
  }

  /**
   * @returns the id of this receiver since the inbox was created (32 hex digits)
   * @throws BrokerlessError BROKERLESS_VERSION if the inbox is of an earlier version
   */
  receiver(random: () => string): string {
    const known = this.#journal.get(VALUE_RECEIVER);
    if (known !== null) {
      if (known[0] === RECEIVER_VERSION && known.length === 17) {
        return Buffer.from(known.subarray(1)).toString("hex");
      }
      const message =
        "the inbox is of an earlier version, which this one does not read: use a new one";
      throw new BrokerlessError("BROKERLESS_VERSION", message);
    }
    const made = random();
    const value = Buffer.concat([Buffer.of(RECEIVER_VERSION), Buffer.from(made, "hex")]);
    // A failure is harmless: nothing is claimed under this id before state is stored, which happens later.
    void this.#journal.set({ [VALUE_RECEIVER]: value }).catch(() => {});
    return made;
  }

  /**
   * @param key the name of the stream's history
   * @returns its stored state; null if there is none
   */
  recall(key: string): WindowState | null {
    const slot = this.#slots.of(key);
    const bytes = slot === undefined ? null : this.#journal.get(slot.name);
    return bytes === null ? null : (decodeRemembered(bytes)?.state ?? null);
  }

  /** Whether a stream can be accepted, because its state can be stored. */
  hasRoomFor(key: string): boolean {
    return this.#slots.hasRoom || this.#slots.of(key) !== undefined;
  }

  /**
   * Removes the most expendable stream.
   *
   * @returns it, and whether surely none of its messages will be processed twice; null if none is expendable
   */
  forgetOne(
    isLive: (key: string) => boolean,
  ): { readonly key: string; readonly isExact: boolean } | null {
    const slot = this.#slots.expendable(isLive, this.#nowS - INBOX_AWAY_S);
    if (slot === null) return null;
    this.forget(slot.key);
    return { key: slot.key, isExact: slot.isFloor };
  }

  /** The amount stored, as text. */
  get fullness(): string {
    const { size, bytes } = this.#slots;
    return `it remembers ${size} streams in ${bytes} bytes, of at most ${INBOX_STREAMS_MAX} in ${INBOX_BYTES_MAX}`;
  }

  /** Stores the processed messages. @returns resolves when that is stored at the journal's sync level */
  async remember(stream: ReceiverStream): Promise<void> {
    const values = this.#valuesOf(stream);
    if (values !== undefined) await this.#guard(this.#journal.set(values));
  }

  /** Appends an effect, and stores all processed messages, also `storing`. @returns resolves when stored */
  async store(stream: ReceiverStream, { id, effect }: Effect): Promise<void> {
    const values = this.#valuesOf(stream);
    await this.#guard(this.#journal.append({ key: id, value: effect }, { values }));
  }

  /** Removes a stream that will not be continued, or whose state is not needed. */
  forget(key: string): void {
    const name = this.#slots.free(key);
    // After a failure it is only kept for longer than needed.
    if (name !== null) void this.#guard(this.#set({ [name]: null })).catch(() => {});
  }

  /** A session has ended. If the sender has saved all acks, only that has to be stored. */
  rest(stream: ReceiverStream): void {
    const slot = this.#slots.of(stream.key);
    if (slot === undefined || slot.isFloor || stream.window.doneSize > 0) return;
    void this.remember(stream).catch(() => {});
  }

  /** Whether effects have to wait for room. */
  get isFull(): boolean {
    return this.#journal.full;
  }

  /** Resolves when there may be room. */
  room(): Promise<void> {
    return this.#journal.room();
  }

  async #set(values: Values): Promise<void> {
    await this.#journal.set(values);
  }

  async #guard(stored: PromiseLike<unknown>): Promise<void> {
    try {
      await stored;
    } catch (error) {
      if (error instanceof BrokerlessError && !PASSING.has(error.code)) this.#fault = error;
      throw error;
    }
  }

  /**
   * The messages that are processed now, plus those that will be when the effects being stored are. A journal stores in
   * order, and nothing behind a failed write, so this never claims more than the entries before it.
   *
   * @returns undefined if nothing has to be stored
   */
  #valuesOf({ key, window, storing, isEnded, welcome }: ReceiverStream): Values | undefined {
    if (isEnded) return undefined;
    let state = window.state();
    if (storing.size > 0) {
      const done = new RangeSet();
      done.addAll(state.done);
      for (const [seq, historyVersion] of storing) {
        if (window.valid({ first: seq, last: seq }, historyVersion) !== null) done.add(seq, seq);
      }
      state = { ...state, done: [...done] };
    }
    const isTransient = welcome.transient === true;
    const isFloor = state.done.length === 0;
    const known = this.#slots.of(key);
    if (isFloor && known === undefined) return undefined;
    const slot = known ?? this.#slots.make(key, isTransient);
    const timeS = this.#nowS;
    const value = encodeRemembered({ key, isTransient, timeS, state });
    Object.assign(slot, { isFloor, timeS });
    this.#slots.write(slot, value.length);
    return { [slot.name]: value };
  }

  get #nowS(): number {
    return Math.floor(this.#timeMs() / 1_000) % 2 ** 32;
  }
}

/** The states found in an inbox, oldest first. */
function found(journal: Journal): { name: string; value: Uint8Array; of: Remembered }[] {
  const all: { name: string; value: Uint8Array; of: Remembered }[] = [];
  for (const name of InboxSlots.names()) {
    const value = journal.get(name);
    if (value === null) continue;
    const of = decodeRemembered(value);
    if (of === null) {
      const message = `the inbox's value ${name} is unreadable: what was done cannot be told`;
      throw new BrokerlessError("BROKERLESS_CORRUPT", message);
    }
    all.push({ name, value, of });
  }
  return all.sort((a, b) => a.of.timeS - b.of.timeS);
}
