import type { WindowState } from "../window/window-events.ts";
import { decodeWindowState, encodeWindowState } from "./saved-state.ts";

/** Streams that an inbox remembers (count). */
export const INBOX_STREAMS_MAX = 8_192;
/** What it remembers of streams, beyond which no further ones are accepted: of the 1 MiB that a journal has (bytes). */
export const INBOX_BYTES_MAX: number = 768 * 2 ** 10;
/** A stream that was not heard of for so long may be forgotten at the bound (seconds): a week. */
export const INBOX_AWAY_S: number = 7 * 24 * 3_600;
/** In front of a slot's number: the named values of an inbox. */
const NAME = "in-";
const VERSION = 2;
const TRANSIENT = 1;
const HEADER_BYTES = 3;
const TIME_BYTES = 4;

/** What an inbox says of one stream. */
export interface Remembered {
  /** The name of the stream's history. */
  readonly key: string;
  /** Whether the stream ends with its sender's process. */
  readonly isTransient: boolean;
  /** When it was written (seconds since 1970). */
  readonly timeS: number;
  readonly state: WindowState;
}

/**
 * Encodes what an inbox says of one stream. Pure.
 *
 * | at | bytes | field                                     |
 * |----|-------|-------------------------------------------|
 * |  0 |     1 | version, 2                                |
 * |  1 |     1 | 1: the stream ends with its sender; else 0 |
 * |  2 |     1 | length of the history's name (bytes)      |
 * |  3 |       | the name, latin1                          |
 * |    |     4 | when it was written (seconds since 1970)  |
 * |    |       | the state of its window                   |
 */
export function encodeRemembered({ key, isTransient, timeS, state }: Remembered): Buffer {
  const head = Buffer.alloc(HEADER_BYTES + key.length + TIME_BYTES);
  head[0] = VERSION;
  head[1] = isTransient ? TRANSIENT : 0;
  head[2] = key.length;
  head.write(key, HEADER_BYTES, "latin1");
  head.writeUInt32LE(timeS, HEADER_BYTES + key.length);
  return Buffer.concat([head, encodeWindowState(state)]);
}

/** Pure. @returns null where the bytes are none that {@link encodeRemembered} made */
export function decodeRemembered(given: Uint8Array): Remembered | null {
  const bytes = Buffer.from(given.buffer, given.byteOffset, given.length);
  if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION || bytes[1]! > TRANSIENT) return null;
  const end = HEADER_BYTES + bytes[2]!;
  if (bytes.length < end + TIME_BYTES) return null;
  const state = decodeWindowState(bytes.subarray(end + TIME_BYTES));
  if (state === null) return null;
  const key = bytes.toString("latin1", HEADER_BYTES, end);
  return { key, isTransient: bytes[1] === TRANSIENT, timeS: bytes.readUInt32LE(end), state };
}

/** Where an inbox remembers one stream. */
export interface InboxSlot {
  /** Of the named value. */
  readonly name: string;
  /** The name of the stream's history. */
  readonly key: string;
  /** Whether the stream ends with its sender's process. */
  readonly isTransient: boolean;
  /** Whether it says that nothing is done of which the sender may not know: all that is lost with it is history. */
  isFloor: boolean;
  /** When it was written (seconds since 1970). */
  timeS: number;
  /** Name and value (bytes). */
  bytes: number;
}

/**
 * Which streams an inbox remembers, and under which names: a limited number, so that they can all be found again,
 * and used anew.
 *
 * Pure. Invariant: a stream has one slot at most; the slots are in the order in which they were written last.
 */
export class InboxSlots {
  readonly #slots = new Map<string, InboxSlot>();
  readonly #free: string[] = [];
  #made = 0;
  #bytes = 0;

  /** All names that slots can have. */
  static *names(): Iterable<string> {
    for (let number = 0; number < INBOX_STREAMS_MAX; number++) yield `${NAME}${number}`;
  }

  /** Streams (count). */
  get size(): number {
    return this.#slots.size;
  }

  /** Names and values (bytes). */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether another stream may be remembered. */
  get hasRoom(): boolean {
    return this.#slots.size < INBOX_STREAMS_MAX && this.#bytes < INBOX_BYTES_MAX;
  }

  of(key: string): InboxSlot | undefined {
    return this.#slots.get(key);
  }

  /** What was found in the inbox; the oldest first. */
  restore(
    found: readonly {
      readonly name: string;
      readonly value: Uint8Array;
      readonly of: Remembered;
    }[],
  ): void {
    const taken = new Set(found.map(({ name }) => name));
    for (const { name, value, of } of found) {
      const { key, isTransient, timeS, state } = of;
      const isFloor = state.done.length === 0;
      this.write({ name, key, isTransient, isFloor, timeS, bytes: 0 }, value.length);
    }
    for (const name of InboxSlots.names()) {
      if (taken.size === 0) break;
      this.#made += 1;
      if (!taken.delete(name)) this.#free.push(name);
    }
  }

  /** @returns a slot for a stream that has none */
  make(key: string, isTransient: boolean): InboxSlot {
    const name = this.#free.pop() ?? `${NAME}${this.#made++}`;
    return { name, key, isTransient, isFloor: false, timeS: 0, bytes: 0 };
  }

  /** A value is written into a slot (bytes): it is the newest now. */
  write(slot: InboxSlot, valueBytes: number): void {
    this.#bytes -= slot.bytes;
    slot.bytes = slot.name.length + valueBytes;
    this.#bytes += slot.bytes;
    this.#slots.delete(slot.key);
    this.#slots.set(slot.key, slot);
  }

  /** A stream is forgotten, and its slot may be another's. @returns the slot's name; null where it had none */
  free(key: string): string | null {
    const slot = this.#slots.get(key);
    if (slot === undefined) return null;
    this.#slots.delete(key);
    this.#bytes -= slot.bytes;
    this.#free.push(slot.name);
    return slot.name;
  }

  /**
   * The stream that is to be forgotten first: the oldest of those with only a floor; else of those that end with
   * their sender; else the oldest of all, where nothing was heard of it since `awayS`.
   */
  expendable(isLive: (key: string) => boolean, awayS: number): InboxSlot | null {
    let transient: InboxSlot | null = null;
    let away: InboxSlot | null = null;
    for (const slot of this.#slots.values()) {
      if (isLive(slot.key)) continue;
      if (slot.isFloor) return slot;
      if (slot.isTransient) transient ??= slot;
      else if (slot.timeS < awayS) away ??= slot;
    }
    return transient ?? away;
  }
}
