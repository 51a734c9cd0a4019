import type { SeqRange } from "../range/range.ts";
import { RangeMap, type Segment } from "../range/range-map.ts";
import type { DeadLetterRecord } from "./dead-letter-record.ts";
import { cutText, fairLength, isSameCause, mapTexts, textsOf } from "./reasons.ts";

/** Ranges of dead letters that are kept, so that what is saved of them stays small (count). */
export const DEAD_RANGES_MAX = 16_384;
/**
 * Ranges beyond which neighbours that differ in their times alone become one, with the time of the last death, and without
 * that of the first attempt (count).
 */
const TIMED_RANGES_MAX = DEAD_RANGES_MAX * (3 / 4);
/** All texts of reasons and errors together, each counted once; beyond, the longest are cut (bytes). */
const TEXTS_BYTES_MAX = 2 ** 18;
/** So much of it they take after a cut, so that not every further one means another (part of 1). */
const TEXTS_PART = 3 / 4;

/** A dead letter that was copied to the end of its journal. */
export interface Move {
  readonly seq: number;
  /** The seq of the copy. */
  readonly to: number;
  /** The epoch in which the message had its seq. */
  readonly epoch: number;
}

/** Where a dead letter is kept. */
export interface DeadLetterLocation {
  readonly seq: number;
  /** The seq under which the journal has its bytes. */
  readonly at: number;
  /** The epoch in which the message had its seq; 0: that of the batch at `at`. */
  readonly epoch: number;
}

/**
 * The dead letters of a stream, by the seq that they had, and where in the journal their bytes are now.
 *
 * The texts of reasons and errors are kept whole as long as they fit `TEXTS_BYTES_MAX`, each once; then the longest are
 * cut, all to one length.
 *
 * Pure. Invariant: no two are kept at the same place.
 */
export class DeadLetterIndex implements Iterable<Segment<DeadLetterRecord>> {
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

  /** Every text that a letter has, and some that letters had: equal ones are kept as one. */
  #texts = new Map<string, string>();
  /** All of these together (bytes). */
  #textBytes = 0;
  #version = 0;

  constructor(dead: Iterable<Segment<DeadLetterRecord>> = []) {
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

  /** The lowest seq under which the journal keeps one; infinite where there is none. */
  get lowestAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const { first, value } of this.#ranges) at = Math.min(at, first + value.offset);
    return at;
  }

  /** About so much room those take that are kept up to `seq` (bytes). */
  bytesUpTo(seq: number): number {
    let bytes = 0;
    for (const { first, last, value } of this.#ranges) {
      const count = Math.min(last, seq - value.offset) - first + 1;
      if (count > 0) bytes += count * value.bytesEach;
    }
    return bytes;
  }

  /** Those that are kept up to `seq`, in the order in which the journal has them. */
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

  /** Where a dead letter is kept; null where it is none. */
  locationOf(seq: number): DeadLetterLocation | null {
    const value = this.#ranges.get(seq);
    return value === undefined ? null : { seq, at: seq + value.offset, epoch: value.epoch };
  }

  /** The parts of a range that are dead, in order. */
  parts(first: number, last: number): Segment<DeadLetterRecord>[] {
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

  /** Forgets what there is of a range. */
  delete({ first, last }: SeqRange): void {
    this.#version += 1;
    this.#ranges.take(first, last);
  }

  /** Those of `moves` that are still here are kept elsewhere now. */
  move(moves: readonly Move[]): void {
    this.#version += 1;
    for (const { seq, to, epoch } of moves) {
      for (const { value } of this.#ranges.take(seq, seq)) {
        this.#ranges.set(seq, seq, { ...value, offset: to - seq, epoch });
      }
    }
  }

  [Symbol.iterator](): Iterator<Segment<DeadLetterRecord>> {
    return this.#ranges[Symbol.iterator]();
  }

  /** @returns the text that is kept */
  #intern(text: string): string {
    const kept = this.#texts.get(text);
    if (kept !== undefined) return kept;
    this.#texts.set(text, text);
    this.#textBytes += Buffer.byteLength(text);
    return text;
  }

  /** Forgets texts that no letter has any more, and cuts the longest where there are still too many. */
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
