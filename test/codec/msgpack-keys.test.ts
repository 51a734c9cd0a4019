import assert from "node:assert/strict";
import { test } from "node:test";
import { hasBytes, type KeyNode, KeyTrie, putBytes } from "../../lib/codec/msgpack-keys.ts";

/** Every node that the trie still holds. */
function held(trie: KeyTrie): KeyNode[] {
  const nodes = [trie.root];
  for (const node of nodes) nodes.push(...node.children);
  return nodes.slice(1);
}

function encodingOf(key: string): Buffer {
  return Buffer.concat([Buffer.from([0xa0 | Buffer.byteLength(key)]), Buffer.from(key)]);
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

test("keys: a remembered key is found by all its bytes and by no others", () => {
  for (const key of ["a", "ab", "abc", "abcd", "abcde", "é", "x".repeat(31), "y".repeat(28)]) {
    const trie = new KeyTrie();
    const node = trie.learn(trie.root, key);
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

test("keys: a remembered key is written as it is read", () => {
  for (const key of ["a", "ab", "abc", "abcd", "abcde", "é", "x".repeat(31), "y".repeat(28)]) {
    const trie = new KeyTrie();
    const node = trie.learn(trie.root, key);
    const bytes = Buffer.alloc(40, 0xee);
    putBytes(node, viewOf(bytes), 0);
    assert.deepEqual(bytes.subarray(0, node.byteCount), encodingOf(key));
    assert.ok(bytes.subarray(node.byteCount + 2).every((byte) => byte === 0xee));
  }
});

test("keys: the empty key, long keys and half surrogate pairs are not remembered", () => {
  const trie = new KeyTrie();
  for (const key of ["", "x".repeat(32), "é".repeat(16), "\ud800"]) {
    const node = trie.learn(trie.root, key);
    assert.equal(node.key, key);
    assert.equal(node.byteCount, 0);
    assert.equal(trie.learn(node, "after").byteCount, 0);
  }
  assert.deepEqual(held(trie), []);
});

test("keys: memory stays bounded, whatever maps are seen", () => {
  const trie = new KeyTrie();
  let most = 0;
  for (let i = 0; i < 3000; i++) {
    let node = trie.root;
    for (let k = 0; k < 200; k++) node = trie.follow(node, `key ${i} ${k}`);
    if (i % 100 === 0) most = Math.max(most, held(trie).length);
  }
  assert.ok(most <= 4096, `${most} keys`);
  for (const node of held(trie)) assert.ok(node.children.length <= 8 && node.index < 64);
});

test("keys: a map of any length costs no more than its first 64 keys to look back on", () => {
  const trie = new KeyTrie();
  let node = trie.root;
  for (let k = 0; k < 1000; k++) node = trie.follow(node, `key ${k}`);
  assert.equal(held(trie).length, 64);
});

test("keys: a key that keeps coming is remembered in the end, among thousands of others", () => {
  const trie = new KeyTrie();
  for (let i = 0; i < 1000; i++) trie.follow(trie.root, `noise ${i}`);
  for (let i = 0; i < 32; i++) trie.follow(trie.root, "steady");
  assert.ok(trie.root.children.some((node) => node.key === "steady"));
});

test("keys: a key that came before in the same map is refused", () => {
  const trie = new KeyTrie();
  const a = trie.learn(trie.root, "a");
  const b = trie.learn(a, "b");
  assert.throws(() => trie.learn(b, "a"), /twice/);
  assert.throws(() => trie.learn(trie.root, "__proto__"), /__proto__/);
});

test("keys: nodes that are still in use survive the trie's new start", () => {
  const trie = new KeyTrie();
  const first = trie.learn(trie.root, "first");
  const before = trie.root;
  for (let i = 0; trie.root === before; i++) {
    let node = trie.root;
    for (let k = 0; k < 60; k++) node = trie.follow(node, `${i} ${k}`);
  }
  const bytes = encodingOf("first");
  assert.ok(hasBytes(first, viewOf(bytes), 0));
  assert.equal(trie.follow(first, "second").key, "second");
});
