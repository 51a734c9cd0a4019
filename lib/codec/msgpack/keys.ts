import { type IndexKeys, indexOf, isSparse } from "../index-keys.ts";
import { isWellFormed } from "../well-formed.ts";

/** Deepest nesting of arrays and maps: `[]` is 1, `[[]]` is 2 (count). */
export const DEPTH_MAX = 32;

/**
 * The only key that is refused: merged into another object later, it would change its prototype.
 */
const FORBIDDEN = "__proto__";
/** Longest remembered key: its length fits into the first byte (bytes). */
const KEY_BYTES_MAX = 31;
/**
 * Keys remembered as successors of one key; a map used as a dictionary gains nothing from more
 * (count).
 */
const CHILDREN_MAX = 8;
/** When all places are taken, one key is replaced for this many new keys (count). */
const REPLACE_EVERY = 16;
/** Keys remembered of one map; a longer one is a dictionary, not a message type (count). */
const INDEX_MAX = 64;
/** The trie is cleared at this size, so that its memory is bounded (count). */
const NODES_MAX = 4096;

/** A key of a map, identified by the keys before it in the same map. */
export class KeyNode implements IndexKeys {
  readonly key: string;
  /** Length of the key's encoding; 0 for the root (bytes). */
  readonly byteCount: number;
  /** The encoding in big-endian words of 4 bytes; the last word overlaps the one before it. */
  readonly words: Int32Array;
  readonly parent: KeyNode | null;
  /** Number of keys before it in its map; -1 for the root. */
  readonly index: number;
  readonly indexMax: number;
  readonly indexCount: number;
  /** Whether a map with the keys up to this one must not become an object directly. */
  readonly isSparse: boolean;
  readonly children: KeyNode[] = [];
  /** The key that followed the last time. */
  likely: KeyNode | null = null;
  /** How often it occurred recently although another key was expected (count). */
  hits = 0;
  /** How often it was the last key of a map that had no record (count). */
  endings = 0;
  /** The record of the maps that end with this key, from 0x40; 0 for none. */
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
 * The key sequences of maps seen so far.
 *
 * Messages of one type have the same keys in the same order. When the next key is predicted, no
 * string needs to be created and looked up: a comparison of a few words is enough, and V8 finds the
 * property immediately because the string is identical.
 *
 * The trie changes the speed and never the result: a key matches only when all its bytes are equal,
 * and no sequence contains a key twice, the refused key, or invalid UTF-8. Its size is bounded; it
 * is cleared when full.
 */
export class KeyTrie {
  root: KeyNode = newRoot();
  #nodeCount = 0;
  #newcomers = 0;

  /**
   * @param previous the key before this one in the map; the root for the first
   * @param at start of the key's encoding, which has `byteCount` bytes (byte offset)
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

  /** @returns the node of `key` if it is remembered, or null */
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
   * Whether `learn` is worth its cost for the next new key after `previous`. To be called once for
   * each map: one that is new throughout is learnt over several messages, and a dictionary, which
   * is always new, costs little.
   */
  wants(previous: KeyNode): boolean {
    if (previous.index + 1 >= INDEX_MAX) return false;
    return previous.children.length < CHILDREN_MAX || ++this.#newcomers % REPLACE_EVERY === 0;
  }

  /** Remembers `key`, which is not yet a successor of `previous`, if there is room. */
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

  /** Maps that are being read or written keep the nodes they hold. */
  #forget(): void {
    this.root = newRoot();
    this.#nodeCount = 1;
  }
}

/** Whether the key is the one that no map may have. */
export function isForbidden(key: string): boolean {
  return key === FORBIDDEN;
}

/** @returns the place of the least frequent key; earlier occurrences count for less */
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

/** Whether `node` or a key before it in the map is `key`; checks at most `INDEX_MAX` keys. */
function isAmong(node: KeyNode, key: string): boolean {
  for (let at = node; at.parent !== null; at = at.parent) if (at.key === key) return true;
  return false;
}

/** Whether the bytes at `at` are this key's encoding; at least as many bytes must follow. */
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

/** V8 compares property names by identity, and only internalized strings are found quickly. */
function internalize(key: string): string {
  return Object.keys({ [key]: null })[0]!;
}
