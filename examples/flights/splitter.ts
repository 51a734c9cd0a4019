/** A place in a file; offsets count from the file's first byte. */
export interface Position {
  /** Byte offset from the start of the file. */
  readonly offset: number;
  /** Line number, from 1. */
  readonly line: number;
  /** Start of that line (byte offset). */
  readonly lineOffset: number;
}

/** The bytes of one record, and where they begin. */
export interface Piece {
  readonly bytes: Buffer;
  readonly position: Position;
  /** Why the record is incomplete, reported at its end; `null` when it is complete. */
  readonly problem: string | null;
}

/**
 * Cuts the chunks of a file into records, as far as possible without parsing them.
 *
 * Contract: chunks come in order and are never changed; a piece with a problem is the last one.
 */
export interface Splitter {
  /** @returns the records that end in `chunk` */
  push(chunk: Buffer): Piece[];
  /** @returns the remaining records at the end of the file */
  end(): Piece[];
}

/**
 * Longest record: 4 MiB. JSON such as `[0.5,0.5]` grows to little more than twice its length as MessagePack, and a
 * message may have 16 MiB (bytes).
 */
export const RECORD_BYTES_MAX: number = 4 * 1024 * 1024;

/** Assembles a record that spans several chunks, and remembers where it began. */
export class OpenPiece {
  #position: Position;
  #chunks: Buffer[] = [];
  #bytes = 0;

  /** @param position start of the first record */
  constructor(position: Position) {
    this.#position = position;
  }

  /** Adds the next bytes of the record. */
  add(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#bytes += bytes.length;
  }

  /** Whether the record has exceeded its limit. */
  get isTooLong(): boolean {
    return this.#bytes > RECORD_BYTES_MAX;
  }

  /** Ends the record here, and starts the next one after a `separator` (which may be empty). */
  take(separator: Buffer, problem: string | null = null): Piece {
    const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    const tooLong = this.isTooLong ? `a record of more than ${RECORD_BYTES_MAX} bytes` : null;
    const piece = { bytes, position: this.#position, problem: problem ?? tooLong };
    this.#position = advance(advance(this.#position, bytes), separator);
    this.#chunks = [];
    this.#bytes = 0;
    return piece;
  }
}

/** @returns the position `bytes` further on */
export function advance(from: Position, bytes: Buffer): Position {
  let { line, lineOffset } = from;
  for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, at + 1)) {
    line++;
    lineOffset = from.offset + at + 1;
  }
  return { offset: from.offset + bytes.length, line, lineOffset };
}

/** @returns how many bytes of JSON white space `bytes` start with */
export function blankBytes(bytes: Buffer): number {
  const first = bytes.findIndex(
    (byte) => byte !== 0x20 && byte !== 9 && byte !== 10 && byte !== 13,
  );
  return first === -1 ? bytes.length : first;
}

/** @returns whether there is only white space */
export function isBlank(bytes: Buffer): boolean {
  return blankBytes(bytes) === bytes.length;
}
