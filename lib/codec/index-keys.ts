/**
 * The largest index for which V8 allocates an object's store without checking how much of it is
 * used: the store has one and a half times the index, and 16 places more, and up to 5,000 places
 * are never checked.
 */
const INDEX_MAX = 3_322;
const INDEX_DIGITS_MAX = 4;
/**
 * Places that a store may have for each key, and for the object (count): about the memory of a hash
 * table.
 */
const PLACES_PER_KEY = 8;
/** The largest array index: V8 keeps an object that has it in a table, even after it is deleted. */
const LAST_INDEX = 2 ** 32 - 2;
const ZERO = 0x30;

/** The keys of one map that are array indices, with regard to their memory. */
export interface IndexKeys {
  /** The largest index; -1 for none. */
  readonly indexMax: number;
  /** Number of indices (count). */
  readonly indexCount: number;
}

/**
 * Returns the array index that a key is. To V8, `"1023"` is not the name of a property but a place
 * in the object's store, which is allocated up to that index: `{"1023": 0}`, seven bytes of
 * MessagePack, took 12 KB.
 *
 * @returns the index; -1 for a key that is none, or is so large that V8 compares the store with its
 *   contents
 * @see docs/decisions/0014-cost-of-a-frame.md
 */
export function indexOf(key: string): number {
  const { length } = key;
  if (length > INDEX_DIGITS_MAX || length === 0) return -1;
  let index = 0;
  for (let at = 0; at < length; at++) {
    const digit = key.charCodeAt(at) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    index = index * 10 + digit;
  }
  const isCanonical = length === 1 || key.charCodeAt(0) !== ZERO;
  return isCanonical && index <= INDEX_MAX ? index : -1;
}

/**
 * Whether a store of these keys would be mostly empty. Dense ids, from any start, are not sparse.
 */
export function isSparse({ indexMax, indexCount }: IndexKeys): boolean {
  return indexMax > PLACES_PER_KEY * (indexCount + 1);
}

/**
 * Makes V8 keep the future indices of `object` in a table, whose memory depends only on the number
 * of keys.
 */
export function keepInTable(object: Record<string, unknown>): void {
  // It is in a table already.
  if (Object.hasOwn(object, LAST_INDEX)) return;
  object[LAST_INDEX] = null;
  delete object[LAST_INDEX];
}

/**
 * Replaces the Maps of a decoded value by plain objects, in its arrays too. Takes memory in
 * proportion to the contents, whatever the keys are.
 *
 * @param value arrays and Maps that nobody else uses, nested at most as deep as a codec allows
 */
export function objectsOf(value: unknown): unknown {
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = objectsOf(value[i]);
    return value;
  }
  return value instanceof Map ? objectOf(value) : value;
}

function objectOf(map: ReadonlyMap<unknown, unknown>): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  let indexMax = -1;
  let indexCount = 0;
  for (const key of map.keys()) {
    const index = indexOf(String(key));
    if (index < 0) continue;
    indexCount += 1;
    indexMax = Math.max(indexMax, index);
  }
  if (isSparse({ indexMax, indexCount })) keepInTable(object);
  for (const [key, item] of map) object[String(key)] = objectsOf(item);
  return object;
}
