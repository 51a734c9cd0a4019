import type { KeyNode, KeyTrie } from "./keys.ts";

/** The name of the first record: msgpackr uses the bytes from here to 0x7f as names. */
const RECORD_FIRST = 0x40;
/** Most records at a time (count): the number of one-byte names. */
const RECORDS_MAX = 64;
/** Maps with the same keys that must occur before they become a record (count). */
const ENDINGS_MIN = 8;
/** When all names are taken, one is reassigned for this many further candidates (count). */
const REPLACE_EVERY = 256;

/**
 * Up to this number of keys the header of a map is one byte, and its record is looked up by the
 * count of keys (count).
 */
const LIKELY_KEYS_MAX = 16;

/** Keys of the records by name, in msgpackr's own structure. */
export type Structures = string[][] & { sharedLength?: number };

/** A record whose values have been only numbers, booleans, nil and texts so far. */
export interface FlatRecord {
  readonly name: number;
  /** Its keys, in their order. */
  readonly keys: readonly KeyNode[];
  /** Whether it has had no other values yet. */
  isFlat: boolean;
}

/**
 * The key sequences that msgpackr reads as records, in half the time. They are the reader's own
 * choice, invisible on the wire.
 *
 * Names change only between values: a copy that was started with a name must be read with it.
 * Bounded by its 64 names, each of at most as many keys as a {@link KeyTrie} remembers of a map.
 */
export class Records {
  readonly structures: Structures = [];
  readonly #keys: KeyTrie;
  readonly #nodes: KeyNode[] = [];
  readonly #flat: FlatRecord[] = [];
  /** The most recent record for each count of keys. */
  readonly #likely: (FlatRecord | null)[] = new Array<FlatRecord | null>(LIKELY_KEYS_MAX).fill(
    null,
  );
  #root: KeyNode;
  #asking: KeyNode | null = null;
  #refused = 0;

  constructor(keys: KeyTrie) {
    this.#keys = keys;
    this.#root = keys.root;
  }

  /**
   * Returns the record of a map that ended with `node`, all its keys being known. @returns the
   * record's name, or 0 for none
   */
  of(node: KeyNode): number {
    node.endings += 1;
    if (node.record !== 0) {
      if (node.index < LIKELY_KEYS_MAX - 1) {
        this.#likely[node.index + 1] = this.#flat[node.record - RECORD_FIRST]!;
      }
    } else if (node.endings >= ENDINGS_MIN) this.#asking = node;
    return node.record;
  }

  /** @returns the record that a map with this many keys is likely to be, if it is flat; or null */
  likely(count: number): FlatRecord | null {
    const record = this.#likely[count]!;
    return record?.isFlat ? record : null;
  }

  /** Assigns names and withdraws them; to be called between values. */
  settle(): void {
    if (this.#root !== this.#keys.root) this.#clear();
    if (this.#asking !== null) this.#admit(this.#asking);
    this.#asking = null;
  }

  #admit(node: KeyNode): void {
    if (node.record !== 0) return;
    let place = this.#nodes.length;
    if (place === RECORDS_MAX) {
      this.#refused += 1;
      if (this.#refused % REPLACE_EVERY !== 0) return;
      place = this.#placeToFree();
      this.#nodes[place]!.record = 0;
    }
    this.#likely.fill(null);
    this.#nodes[place] = node;
    const name = RECORD_FIRST + place;
    node.record = name;
    const keys = keysTo(node);
    this.#flat[place] = { name, keys, isFlat: true };
    this.structures[place] = keys.map(({ key }) => key);
    // msgpackr drops structures beyond this length.
    this.structures.sharedLength = this.structures.length;
  }

  /** @returns the place of the least frequent record; earlier occurrences count for less */
  #placeToFree(): number {
    let place = 0;
    for (const [i, node] of this.#nodes.entries()) {
      if (node.endings < this.#nodes[place]!.endings) place = i;
    }
    for (const node of this.#nodes) node.endings >>= 1;
    return place;
  }

  /** The trie was cleared, so its nodes are no longer valid. */
  #clear(): void {
    this.#root = this.#keys.root;
    this.#asking = null;
    this.#nodes.length = 0;
    this.#flat.length = 0;
    this.#likely.fill(null);
    this.structures.length = 0;
    this.structures.sharedLength = 0;
  }
}

/** @returns the keys of a map that ends with `node`, in order */
function keysTo(node: KeyNode): KeyNode[] {
  const keys: KeyNode[] = [];
  for (let at = node; at.parent !== null; at = at.parent) keys.unshift(at);
  return keys;
}
