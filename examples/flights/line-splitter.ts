import { isBlank, OpenPiece, type Piece, type Position, type Splitter } from "./splitter.ts";

const LINE_FEED = Buffer.from("\n");

/** NDJSON: one record on each line. Blank lines are skipped. */
export class LineSplitter implements Splitter {
  readonly #open: OpenPiece;

  constructor(start: Position) {
    this.#open = new OpenPiece(start);
  }

  push(chunk: Buffer): Piece[] {
    const pieces: Piece[] = [];
    let from = 0;
    for (let to = chunk.indexOf(0x0a); to !== -1; to = chunk.indexOf(0x0a, from)) {
      this.#open.add(chunk.subarray(from, to));
      const piece = this.#open.take(LINE_FEED);
      if (!isBlank(piece.bytes)) pieces.push(piece);
      from = to + 1;
    }
    this.#open.add(chunk.subarray(from));
    if (this.#open.isTooLong) pieces.push(this.#open.take(LINE_FEED));
    return pieces;
  }

  end(): Piece[] {
    const piece = this.#open.take(LINE_FEED);
    return isBlank(piece.bytes) ? [] : [piece];
  }
}
