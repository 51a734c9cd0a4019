import {
  blankBytes,
  isBlank,
  OpenPiece,
  type Piece,
  type Position,
  type Splitter,
} from "./splitter.ts";

const NOTHING = Buffer.alloc(0);
const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

/**
 * The elements of one JSON array, which may be larger than memory.
 *
 * It only counts brackets outside strings. Where they do not match, it produces an element that is not JSON, and the
 * parser reports the fault.
 */
export class ArraySplitter implements Splitter {
  readonly #open: OpenPiece;
  #where: "before" | "inside" | "behind" = "before";
  /** Brackets open inside the element (count). */
  #depth = 0;
  #inString = false;
  #escaped = false;
  #count = 0;

  constructor(start: Position) {
    this.#open = new OpenPiece(start);
  }

  push(chunk: Buffer): Piece[] {
    const pieces: Piece[] = [];
    let from = 0;
    if (this.#where === "before") from = this.#enter(chunk);
    while (this.#where === "inside") {
      const to = this.#elementEnd(chunk, from);
      this.#open.add(chunk.subarray(from, to));
      if (to === chunk.length) {
        if (this.#open.isTooLong) pieces.push(this.#open.take(NOTHING));
        return pieces;
      }
      const piece = this.#open.take(chunk.subarray(to, to + 1));
      const isLast = chunk[to] !== COMMA;
      // "[]" has no element; "[1,]" and "[,1]" lack one, which the parser reports.
      if (!(isLast && this.#count === 0 && isBlank(piece.bytes))) pieces.push(piece);
      this.#count++;
      if (isLast) this.#where = "behind";
      from = to + 1;
    }
    pieces.push(...this.#behind(chunk.subarray(from)));
    return pieces;
  }

  end(): Piece[] {
    if (this.#where === "behind") return [];
    return [this.#open.take(NOTHING, "the file ends before the array does")];
  }

  #enter(chunk: Buffer): number {
    const bracket = chunk.indexOf("[");
    this.#open.add(chunk.subarray(0, bracket));
    this.#open.take(chunk.subarray(bracket, bracket + 1));
    this.#where = "inside";
    return bracket + 1;
  }

  /** @returns the end of the element that continues at `from`, or the length of `chunk` */
  #elementEnd(chunk: Buffer, from: number): number {
    let at = from;
    for (; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
      } else if (byte === QUOTE) {
        this.#inString = true;
      } else if (byte === 0x5b || byte === 0x7b) {
        this.#depth++;
      } else if (byte === COMMA) {
        if (this.#depth === 0) return at;
      } else if (byte === 0x5d || byte === 0x7d) {
        if (this.#depth > 0) this.#depth--;
        else if (byte === 0x5d) return at;
      }
    }
    return at;
  }

  #behind(rest: Buffer): Piece[] {
    const blank = blankBytes(rest);
    this.#open.add(rest.subarray(0, blank));
    const piece = this.#open.take(NOTHING, "expected nothing more behind the array");
    return blank === rest.length ? [] : [piece];
  }
}
