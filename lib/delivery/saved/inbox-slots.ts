import type { WindowState } from "../window/window-events.ts";
import { decodeWindowState, encodeWindowState } from "./saved-state.ts";

/** Limit on streams that an inbox remembers (count). */
export const INBOX_STREAMS_MAX = 8_192;
/** Size of all slots from which on no further stream is accepted, of the 1 MiB for a journal's named values (bytes). */
export const INBOX_BYTES_MAX: number = 768 * 2 ** 10;
/** A stream without news for this long may be forgotten at the limits (seconds): a week. */
export const INBOX_AWAY_S: number = 7 * 24 * 3_600;
/** Prefix of a slot's number in the name of its value. */
const NAME = "in-";
const VERSION = 2;
const TRANSIENT = 1;
const HEADER_BYTES = 3;
const TIME_BYTES = 4;

/** The memory of one stream in an inbox. */
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
 * Encodes the memory of one stream in an inbox. Pure.
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

/** Decodes the output of {@link encodeRemembered}. Pure. @returns null if the bytes are no such output */
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

/** The place of one stream in an inbox. */
export interface InboxSlot {
  /** Name of the value. */
  readonly name: string;
  /** The name of the stream's history. */
  readonly key: string;
  /** Whether the stream ends with its sender's process. */
  readonly isTransient: boolean;
  /** Whether no message is done whose ack the sender may not have stored: only a floor and the lives would be lost. */
  isFloor: boolean;
  /** When it was written (seconds since 1970). */
  timeS: number;
  /** Length of name and value together (bytes). */
  bytes: number;
}

/**
 * The streams that an inbox remembers, and the names of their slots. There is a fixed set of names, so that all slots
 * can be found after a restart, and reused.
 *
 * Pure. Invariant: a stream has at most one slot; the slots are in the order in which they were last written.
 */
export class InboxSlots {
  readonly #slots = new Map<string, InboxSlot>();
  readonly #free: string[] = [];
  #made = 0;
  #bytes = 0;

  /** All possible names of slots. */
  static *names(): Iterable<string> {
    for (let number = 0; number < INBOX_STREAMS_MAX; number++) yield `${NAME}${number}`;
  }

  /** Streams (count). */
  get size(): number {
    return this.#slots.size;
  }

  /** Length of all names and values (bytes). */
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

  /** Restores the slots found in the inbox, given oldest first. */
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

  /** A value of this length (bytes) is written into a slot, which becomes the newest. */
  write(slot: InboxSlot, valueBytes: number): void {
    this.#bytes -= slot.bytes;
    slot.bytes = slot.name.length + valueBytes;
    this.#bytes += slot.bytes;
    this.#slots.delete(slot.key);
    this.#slots.set(slot.key, slot);
  }

  /** Forgets a stream, whose slot may then be reused. @returns the slot's name; null where the stream had none */
  free(key: string): string | null {
    const slot = this.#slots.get(key);
    if (slot === undefined) return null;
    this.#slots.delete(key);
    this.#bytes -= slot.bytes;
    this.#free.push(slot.name);
    return slot.name;
  }

  /**
   * The stream to forget first, among those that are not live: the oldest with only a floor; otherwise the oldest that
   * ends with its sender; otherwise the oldest, if it was written before `awayS`. Null where there is none.
   *
   * @param awayS seconds since 1970
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
