import { type IndexKeys, indexOf, isSparse } from "../index-keys.ts";
import { isWellFormed } from "../well-formed.ts";

/** How deep arrays and maps may lie in each other: `[]` is 1, `[[]]` is 2 (count). */
export const DEPTH_MAX = 32;

/** The one key that is refused: merged into another object later, it would change its prototype. */
const FORBIDDEN = "__proto__";
/** Longest key that is remembered: its length fits into the first byte (bytes). */
const KEY_BYTES_MAX = 31;
/** Keys remembered after one key; a map used as a dictionary has no use for more (count). */
const CHILDREN_MAX = 8;
/** Where all places are taken, every so many new keys one of them gives way (count). */
const REPLACE_EVERY = 16;
/** Keys remembered of one map; a longer one is a dictionary, and not a type of message (count). */
const INDEX_MAX = 64;
/** Past this the trie starts anew, so that its memory is bounded (count). */
const NODES_MAX = 4096;

/** A key of a map, known by the keys that came before it in the same map. */
export class KeyNode implements IndexKeys {
  readonly key: string;
  /** Length of the key's encoding; 0 for the root (bytes). */
  readonly byteCount: number;
  /** The encoding in big-endian words of 4 bytes; the last word overlaps the one before it. */
  readonly words: Int32Array;
  readonly parent: KeyNode | null;
  /** How many keys come before it in its map; -1 for the root. */
  readonly index: number;
  readonly indexMax: number;
  readonly indexCount: number;
  /** Whether the keys up to this one are a map's that must not become an object as it is. */
  readonly isSparse: boolean;
  readonly children: KeyNode[] = [];
  /** The key that came next the last time. */
  likely: KeyNode | null = null;
  /** How often it came, lately, when another was likely (count). */
  hits = 0;
  /** How often it was the last key of a map, while its map had no record (count). */
  endings = 0;
  /** The record of the maps that end here, from 0x40 on; 0: none. */
  record = 0;

  constructor(key: string, encoding: Buffer, parent: KeyNode | null) {
    this.key = key;
    this.byteCount = encoding.length;
    this.words = toWords(encoding);
    this.parent = parent;
    this.index = parent === null ? -1 : parent.index + 1;
    const index = indexOf(key);
    this.indexMax = Math.max(parent?.indexMax ?? -1, index);
    this.indexCount = (parent?.indexCount ?? 0) + (index < 0 ? 0 : 1);
    this.isSparse = isSparse(this);
  }
}

/**
 * The sequences of keys that maps were seen to have.
 *
 * Messages of one type have the same keys in the same order. Knowing which key is likely to come
 * next saves making the string and looking it up: a comparison of a few words is enough, and V8
 * finds the key's place in the object at once because the string is the very same one.
 *
 * It changes the speed and never the result: a key counts as found only when all its bytes are
 * equal, and no sequence has a key twice, the one that is refused, or invalid UTF-8. It is bounded, and forgets when
 * it is full.
 */
export class KeyTrie {
  root: KeyNode = newRoot();
  #nodeCount = 0;
  #newcomers = 0;

  /**
   * @param previous the key before this one in the map; the root for the first
   * @param at where the key's encoding begins, with `byteCount` bytes behind it (byte offset)
   * @returns the remembered key with exactly these bytes, or null
   */
  match(previous: KeyNode, view: DataView, at: number, byteCount: number): KeyNode | null {
    for (const child of previous.children) {
      if (child.byteCount === byteCount && hasBytes(child, view, at)) {
        child.hits += 1;
        previous.likely = child;
        return child;
      }
    }
    return null;
  }

  /** @returns the node for `key` where it is remembered, or null */
  follow(previous: KeyNode, key: string): KeyNode | null {
    for (const child of previous.children) {
      if (child.key === key) {
        child.hits += 1;
        previous.likely = child;
        return child;
      }
    }
    return null;
  }

  /**
   * Whether `learn` is worth its price for the next new key after `previous`. To be asked once for
   * each map: one that is new throughout is learnt over several messages, and a dictionary, which
   * is always new, costs little.
   */
  wants(previous: KeyNode): boolean {
    if (previous.index + 1 >= INDEX_MAX) return false;
    return previous.children.length < CHILDREN_MAX || ++this.#newcomers % REPLACE_EVERY === 0;
  }

  /** Remembers `key`, which is not among the children of `previous`, where it can be. */
  learn(previous: KeyNode, key: string): void {
    const encoding = Buffer.from(` ${key}`);
    const keyBytes = encoding.length - 1;
    if (keyBytes === 0 || keyBytes > KEY_BYTES_MAX || !isWellFormed(key)) return;
    if (key === FORBIDDEN || isAmong(previous, key)) return;
    if (++this.#nodeCount > NODES_MAX) this.#forget();
    encoding[0] = 0xa0 | keyBytes;
    const node = new KeyNode(internalize(key), encoding, previous);
    const places = previous.children;
    places[places.length < CHILDREN_MAX ? places.length : placeToFree(places)] = node;
    previous.likely = node;
  }

  /** Maps that are being read or written go on with the nodes they hold. */
  #forget(): void {
    this.root = newRoot();
    this.#nodeCount = 1;
  }
}

/** Whether it is the one key that no map may have. */
export function isForbidden(key: string): boolean {
  return key === FORBIDDEN;
}

/** @returns the place of the key that came least; what came long ago counts for less */
function placeToFree(places: readonly KeyNode[]): number {
  let place = 0;
  for (const [i, node] of places.entries()) {
    if (node.hits < places[place]!.hits) place = i;
  }
  for (const node of places) node.hits >>= 1;
  return place;
}

function newRoot(): KeyNode {
  return new KeyNode("", Buffer.alloc(0), null);
}

/** Whether `node` or a key before it in the map is `key`; looks at no more than `INDEX_MAX`. */
function isAmong(node: KeyNode, key: string): boolean {
  for (let at = node; at.parent !== null; at = at.parent) if (at.key === key) return true;
  return false;
}

/** Whether the bytes at `at` are this key's encoding, given that as many follow as it has. */
export function hasBytes(node: KeyNode, view: DataView, at: number): boolean {
  const { byteCount, words } = node;
  if (byteCount < 4) {
    if (view.getUint16(at) !== words[0]! >>> 16) return false;
    return byteCount === 2 || view.getUint8(at + 2) === ((words[0]! >>> 8) & 0xff);
  }
  const last = words.length - 1;
  for (let i = 0; i < last; i++) {
    if (view.getInt32(at + 4 * i) !== words[i]) return false;
  }
  return view.getInt32(at + byteCount - 4) === words[last];
}

function toWords(encoding: Buffer): Int32Array {
  const words = new Int32Array(Math.ceil(encoding.length / 4));
  const padded = Buffer.alloc(4);
  encoding.copy(padded);
  for (let i = 0; i < words.length; i++) words[i] = padded.readInt32BE();
  for (let i = 0; encoding.length >= 4 && i < words.length; i++) {
    words[i] = encoding.readInt32BE(Math.min(4 * i, encoding.length - 4));
  }
  return words;
}

/** V8 compares property names by identity, and finds only the ones it has internalized quickly. */
function internalize(key: string): string {
  return Object.keys({ [key]: null })[0]!;
}
