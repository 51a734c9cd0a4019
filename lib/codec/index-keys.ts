/**
 * The largest index for which V8 makes an object's store without looking at how much of it is used: the store has one and a
 * half times the index, and 16 places more, and up to 5,000 places nothing is asked.
 */
const INDEX_MAX = 3_322;
const INDEX_DIGITS_MAX = 4;
/** A store may have so many places for each key, and for the object (count): about what a table takes of memory. */
const PLACES_PER_KEY = 8;
/** The largest that is an index: V8 keeps an object that has it in a table, also when it is deleted. */
const LAST_INDEX = 2 ** 32 - 2;
const ZERO = 0x30;

/** The keys of one map that are indices, as far as their places in memory go. */
export interface IndexKeys {
  /** The largest; -1: none. */
  readonly indexMax: number;
  /** How many there are (count). */
  readonly indexCount: number;
}

/**
 * Says which index a key is. `"1023"` is one, and to V8 not the name of a property but a place in a store of the object's, which
 * it makes as long as the index asks for: `{"1023": 0}`, seven bytes of MessagePack, took 12 KB.
 *
 * @returns the index; -1 for a key that is none, or is so large that V8 compares the store with what is in it
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

/** Whether a store of these keys would be mostly empty: dense ids of people's own, from wherever they count, are not. */
export function isSparse({ indexMax, indexCount }: IndexKeys): boolean {
  return indexMax > PLACES_PER_KEY * (indexCount + 1);
}

/** Makes V8 keep what indices `object` will get in a table, which takes memory for those that there are. */
export function keepInTable(object: Record<string, unknown>): void {
  // Then it is kept so.
  if (Object.hasOwn(object, LAST_INDEX)) return;
  object[LAST_INDEX] = null;
  delete object[LAST_INDEX];
}

/**
 * Plain objects in place of the Maps of a decoded value, in its arrays too. Takes memory in proportion to what there is,
 * whatever the keys are.
 *
 * @param value arrays and Maps that are nobody else's, as deep as a codec lets them be
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
