/**
 * Kind of a mark: the change that the copy needs. A number from 0 on is the index of the mark of a
 * key's map.
 */
export const MARK = {
  /**
   * A small integer whose byte msgpackr would read as a record's name: it gets a token of its own.
   */
  integer: -1,
  /**
   * The header of a text of more than 64 bytes with a byte order mark, which msgpackr would drop.
   */
  byteOrder: -2,
  /** The header of a map that stays a map. Lower numbers: minus the record that the map becomes. */
  map: -3,
} as const;

/** Most bytes that a copy has beyond its source, for each text with a byte order mark. */
const BYTE_ORDER_ROOM = 8;
/** Marks that are kept allocated for the next value (count). */
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
 * Ranges `[from, to)` of a value's bytes, in order, where the copy for msgpackr differs, and the
 * change for each. A map whose keys are known is copied as a record: its header becomes the
 * record's name, and its keys are omitted.
 */
export class Marks {
  #cells = new Int32Array(CELLS * 64);
  #used = 0;
  #records = 0;
  #byteOrders = 0;

  /** Whether msgpackr would misread the unchanged bytes. */
  get areNeeded(): boolean {
    return this.#byteOrders > 0;
  }

  /** Number of maps that become records (count). */
  get records(): number {
    return this.#records;
  }

  /** Removes all marks, for the next value. */
  clear(): void {
    this.#used = 0;
    this.#records = 0;
    this.#byteOrders = 0;
    if (this.#cells.length > CELLS * KEPT_MAX) this.#cells = new Int32Array(CELLS * 64);
  }

  /**
   * @param what one of {@link MARK}, or for a key the index that `add` returned for its map
   *   @returns index of the mark
   */
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

  /** Turns the map of a mark into a record. @param record its name, a byte from 0x40 to 0x7f */
  become(mark: number, record: number): void {
    this.#cells[mark + 2] = -record;
    this.#records++;
  }

  /** Turns all records back into maps. */
  keepMaps(): void {
    const cells = this.#cells;
    for (let mark = 0; mark < this.#used; mark += CELLS) {
      if (cells[mark + 2]! < MARK.map) cells[mark + 2] = MARK.map;
    }
    this.#records = 0;
  }

  /** @returns the longest possible copy of `length` bytes (bytes) */
  copyBytesMax(length: number): number {
    return 2 * length + BYTE_ORDER_ROOM * this.#byteOrders;
  }

  /**
   * Copies a value in the form that msgpackr has to read.
   *
   * @param range position of the value in `source` (byte offsets)
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

/** @returns the length in the header of a text at `at` (bytes) */
function lengthAt(bytes: Buffer, at: number): number {
  const token = bytes[at]!;
  if (token === 0xd9) return bytes.readUInt8(at + 1);
  return token === 0xda ? bytes.readUInt16BE(at + 1) : bytes.readUInt32BE(at + 1);
}
