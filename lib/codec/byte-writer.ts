/**
 * A growing byte buffer that hands out what was written so far as one piece, without copying it.
 *
 * Pieces handed out are never written again: the transport may hold them until the bytes are on the
 * wire. Several small pieces share one slab; a new slab starts where the next piece would not fit.
 *
 * Invariant: `start <= end <= bytes.length`; only `[start, end)` is still open.
 */
export class ByteWriter {
  /** The slab being written; encoders may write into `[end, bytes.length)` after `reserve`. */
  bytes: Buffer;
  /** Where the open piece begins (byte offset). */
  start = 0;
  /** Where the next byte goes (byte offset). */
  end = 0;
  readonly #slabBytes: number;
  readonly #allocate: (bytes: number) => Buffer;

  /**
   * @param slabBytes size of a slab; the longest piece that never needs copying (bytes)
   * @param allocate where slabs of that size come from; a pool, for who knows when pieces are done
   */
  constructor(
    slabBytes: number,
    allocate: (bytes: number) => Buffer = (bytes) => Buffer.allocUnsafeSlow(bytes),
  ) {
    this.#slabBytes = slabBytes;
    this.#allocate = allocate;
    this.bytes = allocate(slabBytes);
  }

  /** Length of the open piece (bytes). */
  get length(): number {
    return this.end - this.start;
  }

  /**
   * Makes room for `count` more bytes; `bytes` may be another buffer afterwards.
   *
   * @returns where they go: the current `end`, which the caller then advances (byte offset)
   */
  reserve(count: number): number {
    if (this.end + count > this.bytes.length) this.#grow(count);
    return this.end;
  }

  /** Copies `source` behind what is there. */
  append(source: Uint8Array): void {
    const at = this.reserve(source.length);
    this.bytes.set(source, at);
    this.end = at + source.length;
  }

  /** Forgets what was written after `end`: the way back when an encoder throws half-way. */
  rewind(end: number): void {
    this.end = this.start + end;
  }

  /** @returns the open piece, which now belongs to the caller; the next one starts empty */
  take(): Buffer {
    const piece = this.bytes.subarray(this.start, this.end);
    this.start = this.end;
    // The next piece is likely to be as long as this one: better a new slab now than a copy later.
    if (this.bytes.length - this.end < piece.length) this.#renew(this.#slabBytes);
    return piece;
  }

  #grow(count: number): void {
    const length = this.length;
    const previous = this.bytes;
    const from = this.start;
    const needed = length + count;
    this.#renew(needed <= this.#slabBytes ? this.#slabBytes : needed * 2);
    previous.copy(this.bytes, 0, from, from + length);
    this.end = length;
  }

  #renew(bytes: number): void {
    this.bytes = bytes === this.#slabBytes ? this.#allocate(bytes) : Buffer.allocUnsafeSlow(bytes);
    this.start = 0;
    this.end = 0;
  }
}
