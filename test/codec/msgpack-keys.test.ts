import assert from "node:assert/strict";
import { test } from "node:test";
import { hasBytes, isForbidden, type KeyNode, KeyTrie } from "../../lib/codec/msgpack/keys.ts";

const KEYS = ["a", "ab", "abc", "abcd", "abcde", "é", "x".repeat(31), "y".repeat(28)];

/** Every key that the trie still holds. */
function held(trie: KeyTrie): KeyNode[] {
  const nodes = [trie.root];
  for (const node of nodes) nodes.push(...node.children);
  return nodes.slice(1);
}

/** Goes through a map's keys as a codec does: the first unknown one may be learnt, the rest not. */
function see(trie: KeyTrie, keys: readonly string[]): number {
  let node = trie.root;
  for (const [index, key] of keys.entries()) {
    const next = trie.follow(node, key);
    if (next === null) {
      if (trie.wants(node)) trie.learn(node, key);
      return index;
    }
    node = next;
  }
  return keys.length;
}

function learnt(trie: KeyTrie, previous: KeyNode, key: string): KeyNode {
  trie.learn(previous, key);
  const node = trie.follow(previous, key);
  assert.ok(node !== null);
  return node;
}

function encodingOf(key: string): Buffer {
  return Buffer.concat([Buffer.from([0xa0 | Buffer.byteLength(key)]), Buffer.from(key)]);
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

test("keys: a remembered key is found by all its bytes and by no others", () => {
  for (const key of KEYS) {
    const trie = new KeyTrie();
    const node = learnt(trie, trie.root, key);
    const bytes = encodingOf(key);
    const at = 3;
    const placed = Buffer.concat([Buffer.alloc(at, 0xff), bytes]);
    assert.equal(trie.match(trie.root, viewOf(placed), at, bytes.length), node);
    for (let i = at; i < placed.length; i++) {
      for (const bit of [1, 0x80]) {
        placed[i]! ^= bit;
        assert.ok(!hasBytes(node, viewOf(placed), at), `${key}, byte ${i - at}`);
        placed[i]! ^= bit;
      }
    }
  }
});

test("keys: a key without a short encoding, or without a place in a map, is not remembered", () => {
  const trie = new KeyTrie();
  const a = learnt(trie, trie.root, "a");
  for (const key of ["", "x".repeat(32), "é".repeat(16), "\ud800", "__proto__", "a"]) {
    trie.learn(a, key);
    assert.equal(trie.follow(a, key), null);
  }
  assert.deepEqual(held(trie), [a]);
  assert.ok(isForbidden("__proto__"));
});

test("keys: a message type is learnt by one key for each message", () => {
  const trie = new KeyTrie();
  const type = ["id", "symbol", "price"];
  const known = Array.from({ length: 5 }, () => see(trie, type));
  assert.deepEqual(known, [0, 1, 2, 3, 3]);
});

test("keys: memory stays bounded for any sequence of maps", () => {
  const trie = new KeyTrie();
  let most = 0;
  for (let i = 0; i < 60_000; i++) {
    const keys = Array.from({ length: 5 }, (_, k) => `${(i >> (3 * k)) & 7} ${k}`);
    see(trie, keys);
    if (i % 1000 === 0) most = Math.max(most, held(trie).length);
  }
  assert.ok(most > 2000 && most <= 4096, `${most} keys`);
  for (const node of held(trie)) assert.ok(node.children.length <= 8);
});

test("keys: a message type stays remembered when dictionaries are decoded in between", () => {
  const trie = new KeyTrie();
  const type = ["id", "symbol", "price", "quantity"];
  let forgotten = 0;
  for (let i = 0; i < 20_000; i++) {
    if (see(trie, type) < type.length) forgotten += 1;
    see(trie, [`word ${(i * 7919) % 500}`, `word ${(i * 31) % 500}`]);
  }
  assert.ok(forgotten < 100, `forgotten ${forgotten} times`);
});

test("keys: of a long map only the first 64 keys are remembered, and compared", () => {
  const trie = new KeyTrie();
  const keys = Array.from({ length: 1000 }, (_, k) => `key ${k}`);
  for (let i = 0; i < 1000; i++) see(trie, keys);
  assert.equal(held(trie).length, 64);
});

test("keys: a frequent key is eventually remembered among thousands of others", () => {
  const trie = new KeyTrie();
  for (let i = 0; i < 1000; i++) see(trie, [`noise ${i}`]);
  for (let i = 0; i < 32; i++) see(trie, ["steady"]);
  assert.equal(see(trie, ["steady"]), 1);
});

test("keys: nodes that are in use survive the clearing of the trie", () => {
  const trie = new KeyTrie();
  const first = learnt(trie, trie.root, "first");
  const before = trie.root;
  for (let i = 0; trie.root === before; i++) {
    let node = learnt(trie, trie.root, `${i}`);
    for (let k = 0; k < 60 && trie.root === before; k++) node = learnt(trie, node, `${i} ${k}`);
  }
  const bytes = encodingOf("first");
  assert.ok(hasBytes(first, viewOf(bytes), 0));
  assert.equal(learnt(trie, first, "second").key, "second");
});
