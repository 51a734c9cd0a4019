import type { SlabSource } from "../codec/byte-writer.ts";

/**
 * Memory that is written to, handed to the disk and used again: a fresh slab costs the system a page
 * fault for each 4 KiB.
 *
 * A slab comes back when every piece of it was released and its one writer has moved on. The writer
 * holds each piece before it takes the next slab but one.
 */
export class SlabPool implements SlabSource {
  readonly slabBytes: number;
  readonly #free: Buffer[] = [];
  readonly #pieces = new Map<ArrayBufferLike, { slab: Buffer; count: number }>();
  readonly #freeMax: number;
  #open: Buffer | null = null;

  /**
   * @param slabBytes length of each (bytes)
   * @param freeMax slabs that are kept for later at most (count)
   */
  constructor(slabBytes: number, freeMax: number) {
    this.slabBytes = slabBytes;
    this.#freeMax = freeMax;
  }

  /** Slabs that are in use (count). */
  get inUse(): number {
    return this.#pieces.size;
  }

  /** @returns a slab whose content is of no meaning, to be written from now on */
  take(): Buffer {
    const slab = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.slabBytes);
    // The slab before this one may have handed out a piece that is about to be held: it stays.
    for (const { slab: done, count } of this.#pieces.values()) {
      if (count === 0 && done !== this.#open) this.#retire(done);
    }
    this.#pieces.set(slab.buffer, { slab, count: 0 });
    this.#open = slab;
    return slab;
  }

  /** A piece of a slab is in use until it is released; pieces of other memory are nobody's. */
  hold(piece: Uint8Array): void {
    const held = this.#pieces.get(piece.buffer);
    if (held !== undefined) held.count++;
  }

  /** The piece is in use no more. */
  release(piece: Uint8Array): void {
    const held = this.#pieces.get(piece.buffer);
    if (held === undefined) return;
    held.count--;
    if (held.count === 0 && held.slab !== this.#open) this.#retire(held.slab);
  }

  #retire(slab: Buffer): void {
    this.#pieces.delete(slab.buffer);
    if (this.#free.length < this.#freeMax) this.#free.push(slab);
  }
}
