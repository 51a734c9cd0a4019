import type { KeyNode, KeyTrie } from "./keys.ts";

/** The name of the first record: msgpackr takes the bytes from here to 0x7f for names. */
const RECORD_FIRST = 0x40;
/** Records at a time (count): as many as there are names of one byte. */
const RECORDS_MAX = 64;
/** Maps with the same keys that have to come before they are a record (count). */
const ENDINGS_MIN = 8;
/** Where all names are given away, every so many others that ask for one get it (count). */
const REPLACE_EVERY = 256;

/** Up to here a map's head is one byte, and its record is looked for by its count of keys (count). */
const LIKELY_KEYS_MAX = 16;

/** Keys of the records by name, as msgpackr keeps them. */
export type Structures = string[][] & { sharedLength?: number };

/** A record whose values have been numbers, booleans, nil and texts so far. */
export interface FlatRecord {
  readonly name: number;
  /** Its keys, in their order. */
  readonly keys: readonly KeyNode[];
  /** Whether it has had no other values yet. */
  isFlat: boolean;
}

/**
 * Which sequences of keys msgpackr reads as records, which it does in half the time: the reader's own choice, about
 * which the wire says nothing.
 *
 * Names change only between values: a copy that was begun with a name must be read with it. Bounded by its 64 names,
 * each of at most as many keys as a {@link KeyTrie} remembers of a map.
 */
export class Records {
  readonly structures: Structures = [];
  readonly #keys: KeyTrie;
  readonly #nodes: KeyNode[] = [];
  readonly #flat: FlatRecord[] = [];
  /** The record that came last, for each count of keys. */
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

  /** A map ended with `node`, all its keys being known. @returns its record's name, or 0: none */
  of(node: KeyNode): number {
    node.endings += 1;
    if (node.record !== 0) {
      if (node.index < LIKELY_KEYS_MAX - 1) {
        this.#likely[node.index + 1] = this.#flat[node.record - RECORD_FIRST]!;
      }
    } else if (node.endings >= ENDINGS_MIN) this.#asking = node;
    return node.record;
  }

  /** @returns the record that a map with so many keys is likely to be, if it is flat; or null */
  likely(count: number): FlatRecord | null {
    const record = this.#likely[count]!;
    return record?.isFlat ? record : null;
  }

  /** Gives out names, and takes them back; to be called between values. */
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
    // msgpackr forgets what is behind it.
    this.structures.sharedLength = this.structures.length;
  }

  /** @returns the place of the record that came least; what came long ago counts for less */
  #placeToFree(): number {
    let place = 0;
    for (const [i, node] of this.#nodes.entries()) {
      if (node.endings < this.#nodes[place]!.endings) place = i;
    }
    for (const node of this.#nodes) node.endings >>= 1;
    return place;
  }

  /** The trie has started anew, and knows none of the nodes. */
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

/** @returns the keys of a map that ends with `node`, in their order */
function keysTo(node: KeyNode): KeyNode[] {
  const keys: KeyNode[] = [];
  for (let at = node; at.parent !== null; at = at.parent) keys.unshift(at);
  return keys;
}
