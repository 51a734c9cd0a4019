import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { peerIdOf, routingIdOf } from "../../lib/core/peer-id.ts";

const routingIds = fc
  .oneof(
    fc.uint8Array({ minLength: 1, maxLength: 255 }),
    fc.string({ minLength: 1, maxLength: 40 }).map((text) => Buffer.from(text)),
    fc.constantFrom("#00", "#", "# ", "a b", " a", "~", "!").map((text) => Buffer.from(text)),
  )
  .map((bytes) => Buffer.from(bytes.subarray(0, 255)));

test("peer id: every routing id comes back from its text", () => {
  fc.assert(
    fc.property(routingIds, (routingId) => {
      assert.deepEqual(routingIdOf(peerIdOf(routingId)), routingId);
    }),
  );
});

test("peer id: two different routing ids never have the same text", () => {
  fc.assert(
    fc.property(routingIds, routingIds, (one, other) => {
      assert.equal(peerIdOf(one) === peerIdOf(other), one.equals(other));
    }),
  );
});

test("peer id: printable names stand for themselves, all else is hexadecimal", () => {
  assert.equal(peerIdOf(Buffer.from("worker-1")), "worker-1");
  assert.equal(peerIdOf(Buffer.from([0, 1, 0xff])), "#0001ff");
  assert.equal(peerIdOf(Buffer.from("#00")), "#233030");
  assert.equal(peerIdOf(Buffer.from("a b")), "#612062");
});

test("peer id: what no routing id can give is a TypeError", () => {
  const wrong = [
    "",
    "#",
    "#0",
    "#GG",
    "#AB",
    "a b",
    "é",
    "\n",
    "x".repeat(256),
    7,
    null,
    undefined,
  ];
  for (const peer of [...wrong, `#${"00".repeat(256)}`]) {
    assert.throws(() => routingIdOf(peer), TypeError, String(peer));
  }
});
