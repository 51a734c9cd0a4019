import { isWellFormed } from "./msgpack-utf8.ts";

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

const NO_WORDS = new Int32Array(0);

/** A key of a map, known by the keys that came before it in the same map. */
export class KeyNode {
  readonly key: string;
  /** Length of the key's encoding; 0 where it is not remembered (bytes). */
  readonly byteCount: number;
  /** The encoding in big-endian words of 4 bytes; the last word overlaps the one before it. */
  readonly words: Int32Array;
  readonly parent: KeyNode | null;
  /** How many keys come before it in its map; -1 for the root. */
  readonly index: number;
  readonly children: KeyNode[] = [];
  /** The key that came next the last time. */
  likely: KeyNode | null = null;

  constructor(key: string, encoding: Buffer | null, parent: KeyNode | null) {
    this.key = key;
    this.byteCount = encoding === null ? 0 : encoding.length;
    this.words = encoding === null ? NO_WORDS : toWords(encoding);
    this.parent = parent;
    this.index = parent === null ? -1 : parent.index + 1;
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
 * equal. It is bounded, and forgets when it is full.
 */
export class KeyTrie {
  root: KeyNode = new KeyNode("", null, null);
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
        previous.likely = child;
        return child;
      }
    }
    return null;
  }

  /** @returns the node for `key`, which is remembered where there is room for it */
  follow(previous: KeyNode, key: string): KeyNode {
    for (const child of previous.children) {
      if (child.key === key) {
        previous.likely = child;
        return child;
      }
    }
    return this.learn(previous, key);
  }

  /**
   * What it costs is bounded, whatever came before: at most {@link INDEX_MAX} comparisons.
   *
   * @param key one that is not among the children of `previous`
   * @throws Error for the key `__proto__`, and for one that came before in the same map, as far as
   *   the keys before it are remembered
   */
  learn(previous: KeyNode, key: string): KeyNode {
    if (key === FORBIDDEN) throw new Error(`msgpack: the key ${FORBIDDEN} is refused`);
    if (!this.#isWorth(previous, key)) return new KeyNode(key, null, previous);
    for (let node = previous; node.parent !== null; node = node.parent) {
      if (node.key === key) throw duplicateKey(key);
    }
    const places = previous.children;
    const full = places.length === CHILDREN_MAX;
    if (full && ++this.#newcomers % REPLACE_EVERY !== 0) return new KeyNode(key, null, previous);
    const encoding = Buffer.from(` ${key}`);
    if (encoding.length > KEY_BYTES_MAX + 1) return new KeyNode(key, null, previous);
    if (++this.#nodeCount > NODES_MAX) this.#forget();
    encoding[0] = 0xa0 | (encoding.length - 1);
    const node = new KeyNode(internalize(key), encoding, previous);
    places[full ? (this.#newcomers / REPLACE_EVERY) % CHILDREN_MAX : places.length] = node;
    previous.likely = node;
    return node;
  }

  #isWorth(previous: KeyNode, key: string): boolean {
    const isRoot = previous.parent === null;
    if (!isRoot && previous.byteCount === 0) return false;
    if (previous.index + 1 >= INDEX_MAX) return false;
    return key.length > 0 && key.length <= KEY_BYTES_MAX && isWellFormed(key);
  }

  /** Maps that are being read or written go on with the nodes they hold. */
  #forget(): void {
    this.root = new KeyNode("", null, null);
    this.#nodeCount = 1;
  }
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

/** Writes a remembered key's encoding; up to 2 bytes behind it are overwritten. */
export function putBytes(node: KeyNode, view: DataView, at: number): void {
  const { byteCount, words } = node;
  const last = words.length - 1;
  for (let i = 0; i < last; i++) view.setInt32(at + 4 * i, words[i]!);
  view.setInt32(byteCount < 4 ? at : at + byteCount - 4, words[last]!);
}

/** The error for a key that a map has twice: which of them counts would depend on the reader. */
export function duplicateKey(key: string): Error {
  return new Error(`msgpack: a map has the key ${JSON.stringify(key.slice(0, 40))} twice`);
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
