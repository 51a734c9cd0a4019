import { viewOf } from "../view.ts";

/** Smallest slab, so that a rarely used writer holds little memory (bytes). */
const SLAB_BYTES_MIN = 1_024;
/**
 * A new slab has room for the previous piece and this factor of it again, since pieces vary in
 * length.
 */
const SLAB_SPARE = 1.25;
/**
 * A slab up to this length is not given back: to allocate it again in each turn costs more than to
 * keep it (bytes).
 */
const SLAB_BYTES_KEPT = 8_192;
/**
 * Slab length shared by messages that are encoded one by one while they wait, see
 * {@link ByteWriter} (bytes).
 */
export const ASIDE_SLAB_BYTES = 32_768;
/** Placeholder for a slab that was given back. */
const NO_SLAB = Buffer.allocUnsafeSlow(0);

/**
 * Stored in a constant, because to look it up on a Buffer each time takes half as long as to copy
 * 100 bytes.
 */
const copyInto = Uint8Array.prototype.set;

/** Allocator of slabs, for a writer whose owner tracks when pieces are no longer used. */
export interface SlabSource {
  /** Length of every slab (bytes). */
  readonly slabBytes: number;
  /** @returns a slab with arbitrary content, for the writer's exclusive use */
  take(): Buffer;
}

/**
 * A growing byte buffer that hands out the bytes written so far as one piece, without copying them.
 *
 * Pieces that were handed out are never written again: the transport may hold them until the bytes
 * are on the wire. Several small pieces share one slab; a new slab is started where the next piece
 * would not fit.
 *
 * Invariant: `start <= end <= bytes.length`; only `[start, end)` is still open.
 */
export class ByteWriter {
  /** The slab being written; encoders may write into `[end, bytes.length)` after `reserve`. */
  bytes: Buffer;
  /** Start of the open piece (byte offset). */
  start = 0;
  /** Position of the next byte (byte offset). */
  end = 0;
  #view: DataView | null = null;
  /** The memory of `bytes`, cached because access through a Buffer is slow. */
  #memory: ArrayBufferLike;
  /** Length of the slab that will replace one that was given back (bytes). */
  #slabBytesNext = 0;
  readonly #slabs: SlabSource | null;
  readonly #sharedBytesMax: number;

  /**
   * @param slabs source of slabs; default: new memory, as long as the pieces need
   * @param sharedBytesMax length to which slabs grow while many small pieces follow each other;
   *   default 1,024. A retained piece keeps its whole slab in memory (bytes)
   */
  constructor(slabs: SlabSource | null = null, sharedBytesMax: number = SLAB_BYTES_MIN) {
    this.#slabs = slabs;
    this.#sharedBytesMax = sharedBytesMax;
    this.bytes = slabs === null ? Buffer.allocUnsafeSlow(SLAB_BYTES_MIN) : slabs.take();
    this.#memory = this.bytes.buffer;
  }

  /** Length of the open piece (bytes). */
  get length(): number {
    return this.end - this.start;
  }

  /** The memory of `bytes`, for writing numbers; like `bytes`, replaced by `reserve`. */
  get view(): DataView {
    this.#view ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);
    return this.#view;
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

  /** Copies `source` to the end of the open piece. */
  append(source: Uint8Array): void {
    const at = this.reserve(source.length);
    copyInto.call(this.bytes, source, at);
    this.end = at + source.length;
  }

  /** Discards everything after `end`: the recovery when an encoder throws half-way. */
  rewind(end: number): void {
    this.end = this.start + end;
  }

  /**
   * Hands out the first `length` bytes of the open piece; the bytes after them stay open.
   *
   * @returns the bytes, which now belong to the caller
   */
  take(length: number = this.length): Buffer {
    const piece = viewOf(this.#memory, this.bytes.byteOffset + this.start, length);
    this.start += length;
    // The next piece is likely to be as long as this one: a new slab now is cheaper than a copy
    // later.
    if (this.bytes.length - this.start < length) {
      const shared = Math.min(this.bytes.length * 2, this.#sharedBytesMax);
      this.#move(Math.max(SLAB_BYTES_MIN, shared, Math.ceil(length * SLAB_SPARE), this.length * 2));
    }
    return piece;
  }

  /**
   * Gives back a long slab if no piece is open; the next byte starts another slab, of the length
   * used before.
   */
  release(): void {
    const { length } = this.bytes;
    if (length <= SLAB_BYTES_KEPT || this.end > this.start || this.#slabs !== null) return;
    this.#slabBytesNext = this.start === 0 ? length : Math.ceil(this.start * SLAB_SPARE);
    this.bytes = NO_SLAB;
    this.#memory = NO_SLAB.buffer;
    this.#view = null;
    this.start = 0;
    this.end = 0;
  }

  #grow(count: number): void {
    const isNew = this.bytes === NO_SLAB;
    const bytes = isNew ? Math.max(this.#slabBytesNext, count) : (this.length + count) * 2;
    this.#move(Math.max(SLAB_BYTES_MIN, bytes));
  }

  /** Copies the open piece to a new slab. */
  #move(slabBytes: number): void {
    const { bytes, start, end } = this;
    const slabs = this.#slabs;
    this.bytes =
      slabs !== null && slabBytes <= slabs.slabBytes
        ? slabs.take()
        : Buffer.allocUnsafeSlow(slabBytes);
    this.#memory = this.bytes.buffer;
    this.#view = null;
    this.start = 0;
    this.end = end - start;
    if (end > start) bytes.copy(this.bytes, 0, start, end);
  }
}
