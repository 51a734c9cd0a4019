type View = new (memory: ArrayBufferLike, offset: number, length: number) => Buffer;

/** The class that `Buffer` itself creates views with. */
const { [Symbol.species]: FastBuffer } = Buffer as unknown as { readonly [Symbol.species]: View };

/**
 * `length` bytes of `memory` from `offset` on, as a Buffer. The same as `subarray` in a third of the time (20 instead
 * of 65 ns), because nothing is checked: the bytes must lie within `memory`.
 */
export function viewOf(memory: ArrayBufferLike, offset: number, length: number): Buffer {
  return new FastBuffer(memory, offset, length);
}
