import type { SlabSource } from "../codec/byte-writer.ts";

/**
 * Memory that is written to, handed to the disk and used again: a fresh slab costs the system a page
 * fault for each 4 KiB.
 *
 * A slab comes back when every piece of it was released and its writer has moved on.
 */
export class SlabPool implements SlabSource {
  readonly slabBytes: number;
  readonly #free: Buffer[] = [];
  readonly #pieces = new Map<ArrayBufferLike, { slab: Buffer; count: number }>();
  readonly #freeMax: number;

  /**
   * @param slabBytes length of each (bytes)
   * @param freeMax slabs that are kept for later at most (count)
   */
  constructor(slabBytes: number, freeMax: number) {
    this.slabBytes = slabBytes;
    this.#freeMax = freeMax;
  }

  /** @returns a slab whose content is of no meaning */
  take(): Buffer {
    const slab = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.slabBytes);
    this.#pieces.set(slab.buffer, { slab, count: 0 });
    return slab;
  }

  /** A piece of a slab is in use until it is released; pieces of other memory are nobody's. */
  hold(piece: Uint8Array): void {
    const held = this.#pieces.get(piece.buffer);
    if (held !== undefined) held.count++;
  }

  /** @param open the buffer that is still being written, which stays */
  release(piece: Uint8Array, open: Uint8Array): void {
    const held = this.#pieces.get(piece.buffer);
    if (held === undefined) return;
    held.count--;
    if (held.count > 0 || piece.buffer === open.buffer) return;
    this.#pieces.delete(piece.buffer);
    if (this.#free.length < this.#freeMax) this.#free.push(held.slab);
  }
}
