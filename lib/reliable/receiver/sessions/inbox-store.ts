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
  /** The window's epoch in which the message has its seq. */
  readonly epoch: number;
  /** The delivery's: the key of the entry. */
  readonly id: string;
  readonly effect: Uint8Array;
}

/** Of who the receiver is: before its 16 bytes. */
const RECEIVER_VERSION = 2;
/** What a full disk, or a full table, says: it may have room again. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  "BROKERLESS_NO_SPACE",
  "BROKERLESS_FULL",
  "BROKERLESS_TOO_LARGE",
]);

/**
 * A receiver's memory across restarts: what it has done of each stream, and who it is, as named values of a
 * journal. An effect that goes with an acknowledgement is an entry of that journal, stored with both or not at all.
 *
 * It is bounded. A stream of which nothing was done is not remembered, and one that has ended is forgotten. At the
 * bound those are forgotten whose senders know all that was done, then those of senders in memory that have left
 * without a word, then those of which nothing was heard for a week; a stream that is new and finds no room even so
 * is refused, while those that are known go on.
 *
 * @see docs/decisions/0053-bounded-inbox.md
 */
export class InboxStore {
  readonly #journal: Journal;
  readonly #timeMs: () => number;
  readonly #slots = new InboxSlots();
  #fault: BrokerlessError | null = null;

  /** @throws BrokerlessError BROKERLESS_CORRUPT: what is there is unreadable, and forgetting it would repeat effects */
  constructor(journal: Journal, timeMs: () => number) {
    this.#journal = journal;
    this.#timeMs = timeMs;
    this.#slots.restore(found(journal));
  }

  /** Why nothing can be remembered any more; null where it can, or may be again. */
  get fault(): BrokerlessError | null {
    return this.#fault;
  }

  /**
   * @returns who this receiver has been since the inbox was made (32 hex digits)
   * @throws BrokerlessError BROKERLESS_VERSION: the inbox is of an earlier version
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
    // Nothing is claimed under this name before something is remembered, and that comes later.
    void this.#journal.set({ [VALUE_RECEIVER]: value }).catch(() => {});
    return made;
  }

  /**
   * @param key the name of the stream's history
   * @returns what was done of it; null where nothing is known of it
   */
  recall(key: string): WindowState | null {
    const slot = this.#slots.of(key);
    const bytes = slot === undefined ? null : this.#journal.get(slot.name);
    return bytes === null ? null : (decodeRemembered(bytes)?.state ?? null);
  }

  /** Whether a stream can be accepted: what is done of it can be remembered. */
  hasRoomFor(key: string): boolean {
    return this.#slots.hasRoom || this.#slots.of(key) !== undefined;
  }

  /**
   * Forgets the stream that can best be spared.
   *
   * @returns it, and whether it is known that nothing of it can be done twice now; null where there is none to spare
   */
  forgetOne(
    isLive: (key: string) => boolean,
  ): { readonly key: string; readonly isExact: boolean } | null {
    const slot = this.#slots.expendable(isLive, this.#nowS - INBOX_AWAY_S);
    if (slot === null) return null;
    this.forget(slot.key);
    return { key: slot.key, isExact: slot.isFloor };
  }

  /** In words, how much is remembered. */
  get fullness(): string {
    const { size, bytes } = this.#slots;
    return `it remembers ${size} streams in ${bytes} bytes, of at most ${INBOX_STREAMS_MAX} in ${INBOX_BYTES_MAX}`;
  }

  /** Remembers what is done. @returns resolves when it is stored at the journal's sync level */
  async remember(stream: ReceiverStream): Promise<void> {
    const values = this.#valuesOf(stream);
    if (values !== undefined) await this.#guard(this.#journal.set(values));
  }

  /** Appends an effect and remembers what is done, `storing` included. @returns resolves when it is stored */
  async store(stream: ReceiverStream, { id, effect }: Effect): Promise<void> {
    const values = this.#valuesOf(stream);
    await this.#guard(this.#journal.append({ key: id, value: effect }, { values }));
  }

  /** A stream will not be continued, or nothing needs to be known of it. */
  forget(key: string): void {
    const name = this.#slots.free(key);
    // Where that fails it is remembered for longer than it must be.
    if (name !== null) void this.#guard(this.#set({ [name]: null })).catch(() => {});
  }

  /** A session has ended, and the sender knows all that was done: that is all that has to be remembered. */
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
   * What is done, and what will be when the effects on their way are stored: a journal stores in order, and nothing
   * behind what fails, so this never says more than the entries before it.
   *
   * @returns nothing where nothing has to be remembered
   */
  #valuesOf({ key, window, storing, isEnded, welcome }: ReceiverStream): Values | undefined {
    if (isEnded) return undefined;
    let state = window.state();
    if (storing.size > 0) {
      const done = new RangeSet();
      done.addAll(state.done);
      for (const [seq, epoch] of storing) {
        if (window.valid({ first: seq, last: seq }, epoch) !== null) done.add(seq, seq);
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

/** What an inbox remembers; the oldest first. */
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
