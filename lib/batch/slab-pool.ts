import type { SlabSource } from "../codec/byte-writer.ts";

/**
 * Memory that is written to, passed to the disk and reused: a fresh slab costs the system a page
 * fault for each 4 KiB.
 *
 * A slab is free again when every piece of it was released and its one writer uses another slab.
 * The writer calls `hold` for each piece before it takes the slab after the next one.
 */
export class SlabPool implements SlabSource {
  readonly slabBytes: number;
  readonly #free: Buffer[] = [];
  readonly #pieces = new Map<ArrayBufferLike, { slab: Buffer; count: number }>();
  readonly #freeMax: number;
  #open: Buffer | null = null;

  /**
   * @param slabBytes length of each slab (bytes)
   * @param freeMax most free slabs that are kept (count)
   */
  constructor(slabBytes: number, freeMax: number) {
    this.slabBytes = slabBytes;
    this.#freeMax = freeMax;
  }

  /** Slabs that are in use (count). */
  get inUse(): number {
    return this.#pieces.size;
  }

  /** @returns a slab with arbitrary content, to be written next */
  take(): Buffer {
    const slab = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.slabBytes);
    // The slab before this one may have handed out a piece that is about to be held, so it stays.
    for (const { slab: done, count } of this.#pieces.values()) {
      if (count === 0 && done !== this.#open) this.#retire(done);
    }
    this.#pieces.set(slab.buffer, { slab, count: 0 });
    this.#open = slab;
    return slab;
  }

  /** Marks a piece of a slab as in use until it is released; pieces of other memory are ignored. */
  hold(piece: Uint8Array): void {
    const held = this.#pieces.get(piece.buffer);
    if (held !== undefined) held.count++;
  }

  /** Marks the piece as no longer in use. */
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
