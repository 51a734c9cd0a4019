import type { SeqRange } from "../range/range.ts";
import { RangeMap, type ValuedRange } from "../range/range-map.ts";
import type { DeadLetterRecord } from "./dead-letter-record.ts";
import { cutText, fairLength, isSameCause, mapTexts, textsOf } from "./reasons.ts";

/** Limit on ranges of dead letters, so that their saved state stays small (count). */
export const DEAD_RANGES_MAX = 16_384;
/**
 * Ranges from which on neighbours that differ only in the time of their death are merged, with the time of the last
 * one, and new letters have no time of the first attempt (count).
 */
const TIMED_RANGES_MAX = DEAD_RANGES_MAX * (3 / 4);
/** Limit on all texts of reasons and errors, each counted once; beyond it the longest are cut (bytes). */
const TEXTS_BYTES_MAX = 2 ** 18;
/** Share of that limit that the texts take after a cut, so that not every further text requires one (part of 1). */
const TEXTS_PART = 3 / 4;

/** A dead letter that was copied to the end of its journal. */
export interface DeadLetterMove {
  readonly seq: number;
  /** The seq of the copy. */
  readonly to: number;
  /** The epoch in which the message had its seq. */
  readonly epoch: number;
}

/** Where a dead letter is stored. */
export interface DeadLetterLocation {
  readonly seq: number;
  /** The seq under which the journal has its bytes. */
  readonly at: number;
  /** The epoch in which the message had its seq; 0: that of the batch at `at`. */
  readonly epoch: number;
}

/**
 * The dead letters of a stream, by their original seq, and where in the journal their bytes are now.
 *
 * The texts of reasons and errors are kept once each, and whole as long as they fit `TEXTS_BYTES_MAX`; beyond that the
 * longest are cut, all to one length.
 *
 * Pure. Invariant: no two letters are stored at the same place.
 */
export class DeadLetterIndex implements Iterable<ValuedRange<DeadLetterRecord>> {
  readonly #ranges = new RangeMap<DeadLetterRecord>(
    (a, b) =>
      a.attempts === b.attempts &&
      isSameCause(a, b) &&
      a.offset === b.offset &&
      a.epoch === b.epoch &&
      a.bytesEach === b.bytesEach &&
      a.firstMs === b.firstMs &&
      (a.timeMs === b.timeMs || this.size >= TIMED_RANGES_MAX),
  );

  /** The texts of all letters, each once, and possibly of some letters that were removed. */
  #texts = new Map<string, string>();
  /** All of these together (bytes). */
  #textBytes = 0;
  #version = 0;

  constructor(dead: Iterable<ValuedRange<DeadLetterRecord>> = []) {
    for (const range of dead) this.#add(range, range.value);
  }

  /** Rises with each change. */
  get version(): number {
    return this.#version;
  }

  /** Dead letters (count). */
  get count(): number {
    return this.#ranges.count;
  }

  /** Ranges of them (count). */
  get size(): number {
    return this.#ranges.size;
  }

  /** The lowest seq under which the journal stores a dead letter; infinite where there is none. */
  get lowestAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const { first, value } of this.#ranges) at = Math.min(at, first + value.offset);
    return at;
  }

  /** Approximate size of the letters stored up to `seq` (bytes). */
  bytesUpTo(seq: number): number {
    let bytes = 0;
    for (const { first, last, value } of this.#ranges) {
      const count = Math.min(last, seq - value.offset) - first + 1;
      if (count > 0) bytes += count * value.bytesEach;
    }
    return bytes;
  }

  /** The letters stored up to `seq`, in the order of the journal. */
  locationsUpTo(seq: number): DeadLetterLocation[] {
    const locations: DeadLetterLocation[] = [];
    for (const { first, last, value } of this.#ranges) {
      const end = Math.min(last, seq - value.offset);
      for (let one = first; one <= end; one++) {
        locations.push({ seq: one, at: one + value.offset, epoch: value.epoch });
      }
    }
    return locations.sort((a, b) => a.at - b.at);
  }

  /** Where a dead letter is stored; null where the message is none. */
  locationOf(seq: number): DeadLetterLocation | null {
    const value = this.#ranges.get(seq);
    return value === undefined ? null : { seq, at: seq + value.offset, epoch: value.epoch };
  }

  /** The parts of a range that are dead letters, in order. */
  parts(first: number, last: number): ValuedRange<DeadLetterRecord>[] {
    return this.#ranges.parts(first, last);
  }

  add(range: SeqRange, death: DeadLetterRecord): void {
    this.#version += 1;
    this.#add(range, this.size < TIMED_RANGES_MAX ? death : { ...death, firstMs: null });
  }

  #add({ first, last }: SeqRange, death: DeadLetterRecord): void {
    this.#ranges.set(first, last, { ...death, ...mapTexts(death, (text) => this.#intern(text)) });
    if (this.#textBytes > TEXTS_BYTES_MAX) this.#fitTexts();
  }

  /** Removes the letters of a range. */
  delete({ first, last }: SeqRange): void {
    this.#version += 1;
    this.#ranges.take(first, last);
  }

  /** The letters of `moves` that are still in the index are stored elsewhere now. */
  move(moves: readonly DeadLetterMove[]): void {
    this.#version += 1;
    for (const { seq, to, epoch } of moves) {
      for (const { value } of this.#ranges.take(seq, seq)) {
        this.#ranges.set(seq, seq, { ...value, offset: to - seq, epoch });
      }
    }
  }

  [Symbol.iterator](): Iterator<ValuedRange<DeadLetterRecord>> {
    return this.#ranges[Symbol.iterator]();
  }

  /** @returns the instance of the text that is kept */
  #intern(text: string): string {
    const kept = this.#texts.get(text);
    if (kept !== undefined) return kept;
    this.#texts.set(text, text);
    this.#textBytes += Buffer.byteLength(text);
    return text;
  }

  /** Forgets texts that no letter has any more, and cuts the longest if they still exceed their share of the limit. */
  #fitTexts(): void {
    const lengths = new Map<string, number>();
    for (const { value } of this.#ranges) {
      for (const text of textsOf(value)) lengths.set(text, Buffer.byteLength(text));
    }
    const lengthMax = fairLength(lengths.values(), TEXTS_BYTES_MAX * TEXTS_PART);
    const isCut = [...lengths.values()].some((length) => length > lengthMax);
    this.#texts = new Map();
    this.#textBytes = 0;
    if (!isCut) for (const text of lengths.keys()) this.#intern(text);
    for (const { first, last, value } of isCut ? [...this.#ranges] : []) {
      const cut = mapTexts(value, (text) => this.#intern(cutText(text, lengthMax)));
      this.#ranges.set(first, last, { ...value, ...cut });
    }
  }
}
