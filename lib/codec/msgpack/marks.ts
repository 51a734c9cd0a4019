/** What a mark asks of a copy; at and above 0 it is the place of its map's mark. */
export const MARK = {
  /** A small integer whose byte is a record's name to msgpackr: it gets a token of its own. */
  integer: -1,
  /** The head of a text of more than 64 bytes with a byte order mark, which msgpackr would drop. */
  byteOrder: -2,
  /** The head of a map that stays one. Below it: minus the record that the map becomes. */
  map: -3,
} as const;

/** What a copy has more than its source at most, for each text with a byte order mark (bytes). */
const BYTE_ORDER_ROOM = 8;
/** Marks that are kept for the next value (count). */
const KEPT_MAX = 4096;
const CELLS = 3;
/** Up to this length a loop is faster than a call into native code (bytes). */
const LOOP_BYTES_MAX = 64;
const BYTE_ORDER_MARK: Buffer = Buffer.from("\ufeff");

interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * Places in a value's bytes, in their order, where a copy for msgpackr differs: each `[from, to)`, and what is to be
 * done with it. A map whose keys are known is copied as a record: its head becomes the record's name, and its keys
 * are left out.
 */
export class Marks {
  #cells = new Int32Array(CELLS * 64);
  #used = 0;
  #records = 0;
  #byteOrders = 0;

  /** Whether msgpackr would not read the bytes as they are meant. */
  get areNeeded(): boolean {
    return this.#byteOrders > 0;
  }

  /** Maps that become records (count). */
  get records(): number {
    return this.#records;
  }

  /** Forgets all marks, for the next value. */
  clear(): void {
    this.#used = 0;
    this.#records = 0;
    this.#byteOrders = 0;
    if (this.#cells.length > CELLS * KEPT_MAX) this.#cells = new Int32Array(CELLS * 64);
  }

  /** @param what one of {@link MARK}, or for a key what `add` gave for its map @returns the mark */
  add(from: number, to: number, what: number): number {
    const used = this.#used;
    if (used === this.#cells.length) this.#grow();
    const cells = this.#cells;
    cells[used] = from;
    cells[used + 1] = to;
    cells[used + 2] = what;
    this.#used = used + CELLS;
    if (what === MARK.byteOrder) this.#byteOrders++;
    return used;
  }

  /** The map of a mark has turned out to be a record. @param record its name, a byte from 0x40 to 0x7f */
  become(mark: number, record: number): void {
    this.#cells[mark + 2] = -record;
    this.#records++;
  }

  /** No map is a record any more. */
  keepMaps(): void {
    const cells = this.#cells;
    for (let mark = 0; mark < this.#used; mark += CELLS) {
      if (cells[mark + 2]! < MARK.map) cells[mark + 2] = MARK.map;
    }
    this.#records = 0;
  }

  /** @returns most bytes that a copy of `length` bytes can have */
  copyBytesMax(length: number): number {
    return 2 * length + BYTE_ORDER_ROOM * this.#byteOrders;
  }

  /**
   * Copies a value as msgpackr is to read it.
   *
   * @param range where the value is in `source` (byte offsets)
   * @param target has room for `copyBytesMax`
   * @returns length of the copy (bytes)
   */
  copy(source: Buffer, { start, end }: Range, target: Buffer): number {
    const cells = this.#cells;
    const used = this.#used;
    const hasRecords = this.#records > 0;
    let at = start;
    let to = 0;
    for (let mark = 0; mark < used; mark += CELLS) {
      const what = cells[mark + 2]!;
      if (what === MARK.map || (what >= 0 && cells[what + 2] === MARK.map)) continue;
      if (what === MARK.integer && !hasRecords) continue;
      const from = cells[mark]!;
      while (at < from) target[to++] = source[at++]!;
      at = cells[mark + 1]!;
      if (what >= 0) continue;
      if (what === MARK.integer) {
        target[to++] = 0xcc;
        target[to++] = source[from]!;
      } else if (what === MARK.byteOrder) {
        to = target.writeUInt8(0xdb, to);
        to = target.writeUInt32BE(lengthAt(source, from) + BYTE_ORDER_MARK.length, to);
        to += BYTE_ORDER_MARK.copy(target, to);
      } else target[to++] = -what;
    }
    if (end - at > LOOP_BYTES_MAX) return to + source.copy(target, to, at, end);
    while (at < end) target[to++] = source[at++]!;
    return to;
  }

  #grow(): void {
    const cells = new Int32Array(2 * this.#cells.length);
    cells.set(this.#cells);
    this.#cells = cells;
  }
}

/** @returns the length that the head of a text at `at` says (bytes) */
function lengthAt(bytes: Buffer, at: number): number {
  const token = bytes[at]!;
  if (token === 0xd9) return bytes.readUInt8(at + 1);
  return token === 0xda ? bytes.readUInt16BE(at + 1) : bytes.readUInt32BE(at + 1);
}
