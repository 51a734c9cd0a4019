import type { Death, DispatcherState } from "./dispatcher-events.ts";
import { type EpochStart, parseStarts } from "./epochs.ts";
import type { SeqRange } from "./range.ts";
import type { WindowState } from "./window-events.ts";

/** What a sender keeps beside its journal. */
export interface SenderState extends DispatcherState {
  readonly epoch: number;
  /** First seq of this epoch. */
  readonly epochSeqFirst: number;
  /** The starts of the epochs before, oldest first. */
  readonly epochsBefore: readonly EpochStart[];
}

/** Numbers as in MessagePack's cousins: seven bits a byte, low ones first; at most eight bytes. */
const NUMBER_BYTES_MAX = 8;
const SENDER_VERSION = 2;
const WINDOW_VERSION = 1;

/**
 * Encodes what a sender has to know again after a restart. Pure. All numbers are of variable length, and
 * ranges are distances, so that most take two or three bytes.
 *
 * | part                                                                        |
 * |-----------------------------------------------------------------------------|
 * | version 2, epoch, first seq of the epoch, floor                             |
 * | count; settled ranges: distance from the end of the one before, length      |
 * | count; the same of messages handed out before, then how often               |
 * | count; the same of messages that are handed out                             |
 * | length; receivers, dead letters and epochs before, as JSON                  |
 */
export function encodeSenderState(state: SenderState): Buffer {
  const numbers = new NumberWriter();
  numbers.add(SENDER_VERSION);
  numbers.add(state.epoch);
  numbers.add(state.epochSeqFirst);
  numbers.add(state.floor);
  putRanges(numbers, state.settled);
  putRanges(numbers, state.attempts, ({ value }) => value);
  putRanges(numbers, state.leased, ({ value }) => value);
  const { receivers, dead, epochsBefore } = state;
  const isPlain = receivers.length + dead.length + epochsBefore.length === 0;
  const text = isPlain ? "" : JSON.stringify({ receivers, dead, epochsBefore });
  return Buffer.concat([numbers.take(), Buffer.from(text)]);
}

/** Pure. @returns null where the bytes are none that {@link encodeSenderState} made */
export function decodeSenderState(bytes: Uint8Array): SenderState | null {
  const numbers = new NumberReader(bytes);
  if (numbers.next() !== SENDER_VERSION) return null;
  const epoch = numbers.next();
  const epochSeqFirst = numbers.next();
  const floor = numbers.next();
  const settled = getRanges(numbers, false);
  const attempts = getRanges(numbers, true);
  const leased = getRanges(numbers, true);
  if (numbers.isBad) return null;
  const named = parseNamed(Buffer.from(bytes.subarray(numbers.at)).toString());
  return named === null
    ? null
    : { epoch, epochSeqFirst, floor, settled, attempts, leased, ...named };
}

/** What a receiver remembers of one stream. Pure. */
export function encodeWindowState(state: WindowState): Buffer {
  const numbers = new NumberWriter();
  numbers.add(WINDOW_VERSION);
  numbers.add(state.epoch);
  numbers.add(state.floor);
  putRanges(numbers, state.done);
  return numbers.take();
}

/** Pure. @returns null where the bytes are none that {@link encodeWindowState} made */
export function decodeWindowState(bytes: Uint8Array): WindowState | null {
  const numbers = new NumberReader(bytes);
  if (numbers.next() !== WINDOW_VERSION) return null;
  const epoch = numbers.next();
  const floor = numbers.next();
  const done = getRanges(numbers, false);
  return numbers.isBad || numbers.at !== bytes.length ? null : { epoch, floor, done };
}

type Named = Pick<SenderState, "receivers" | "dead" | "epochsBefore">;

function parseNamed(text: string): Named | null {
  if (text === "") return { receivers: [], dead: [], epochsBefore: [] };
  try {
    const { receivers, dead, ...rest } = JSON.parse(text) as Partial<Named>;
    const epochsBefore = parseStarts(rest.epochsBefore ?? []);
    if (!Array.isArray(receivers) || !Array.isArray(dead) || epochsBefore === null) return null;
    const sound = (dead as readonly (SeqRange & { readonly value: Death })[]).every(
      ({ first, last, value }) =>
        Number.isSafeInteger(first) &&
        Number.isSafeInteger(last) &&
        typeof value?.reason === "string" &&
        [value.attempts, value.timeMs, value.bytesEach, value.offset, value.epoch].every(
          Number.isSafeInteger,
        ),
    );
    return sound ? { receivers, dead, epochsBefore } : null;
  } catch {
    return null;
  }
}

function putRanges<R extends SeqRange>(
  numbers: NumberWriter,
  ranges: readonly R[],
  value?: (range: R) => number,
): void {
  numbers.add(ranges.length);
  let before = 0;
  for (const range of ranges) {
    numbers.add(range.first - before);
    numbers.add(range.last - range.first);
    if (value !== undefined) numbers.add(value(range));
    before = range.last;
  }
}

function getRanges(
  numbers: NumberReader,
  valued: boolean,
): (SeqRange & { readonly value: number })[] {
  const ranges: (SeqRange & { readonly value: number })[] = [];
  const count = numbers.next();
  let before = 0;
  for (let index = 0; index < count && !numbers.isBad; index++) {
    const distance = numbers.next();
    const first = before + distance;
    before = first + numbers.next();
    if (distance === 0 || before > Number.MAX_SAFE_INTEGER) numbers.isBad = true;
    ranges.push({ first, last: before, value: valued ? numbers.next() : 0 });
  }
  return ranges;
}

class NumberWriter {
  #bytes = Buffer.allocUnsafe(64);
  #end = 0;

  add(value: number): void {
    if (this.#end + NUMBER_BYTES_MAX > this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes], this.#bytes.length * 2);
    }
    let left = value;
    while (left >= 0x80) {
      this.#bytes[this.#end++] = (left % 0x80) | 0x80;
      left = Math.floor(left / 0x80);
    }
    this.#bytes[this.#end++] = left;
  }

  take(): Buffer {
    return this.#bytes.subarray(0, this.#end);
  }
}

class NumberReader {
  readonly #bytes: Uint8Array;
  at = 0;
  isBad = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(): number {
    let value = 0;
    let factor = 1;
    for (let index = 0; index < NUMBER_BYTES_MAX; index++) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      factor *= 0x80;
    }
    this.isBad = true;
    return 0;
  }
}
