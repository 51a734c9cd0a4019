import assert from "node:assert/strict";
import { test } from "node:test";
import { viewOf } from "../lib/view.ts";

test("view: is what subarray gives, on the same memory", () => {
  const bytes = Buffer.from(Buffer.from("0123456789").buffer, 0).subarray(2);
  bytes.write("abcdef");
  for (const [start, end] of [
    [0, 0],
    [0, 6],
    [2, 5],
    [bytes.length, bytes.length],
  ] as const) {
    const view = viewOf(bytes.buffer, bytes.byteOffset + start, end - start);
    assert.deepEqual(view, bytes.subarray(start, end));
    assert.equal(Buffer.isBuffer(view), true);
    assert.equal(view.buffer, bytes.buffer);
  }
});
