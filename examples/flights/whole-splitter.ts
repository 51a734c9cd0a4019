import { OpenPiece, type Piece, type Position, type Splitter } from "./splitter.ts";

const NOTHING = Buffer.alloc(0);

/** The whole file is one record: a JSON value that spans several lines. */
export class WholeSplitter implements Splitter {
  readonly #open: OpenPiece;

  constructor(start: Position) {
    this.#open = new OpenPiece(start);
  }

  push(chunk: Buffer): Piece[] {
    this.#open.add(chunk);
    return this.#open.isTooLong ? [this.#open.take(NOTHING)] : [];
  }

  end(): Piece[] {
    return [this.#open.take(NOTHING)];
  }
}
