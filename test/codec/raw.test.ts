import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter } from "../../lib/codec/byte-writer.ts";
import { raw } from "../../lib/codec/raw.ts";
import { encodingOf } from "./values.ts";

const codec = raw();

test("raw: bytes survive the round trip, empty ones too", () => {
  for (const length of [0, 1, 100, 100_000]) {
    const bytes = new Uint8Array(length).fill(7);
    assert.deepEqual(new Uint8Array(codec.decode(encodingOf(codec, bytes))), bytes);
  }
});

test("raw: the given array may be changed as soon as encode returns", () => {
  const writer = new ByteWriter();
  const bytes = Buffer.from("before");
  codec.encode(bytes, writer);
  bytes.fill(0);
  assert.equal(writer.take().toString(), "before");
});

test("raw: a decoded value is a view of the frame", () => {
  const frame = Buffer.from("frame");
  assert.equal(codec.decode(frame).buffer, frame.buffer);
});

test("raw: anything but a Uint8Array is a TypeError that says so", () => {
  for (const value of ["text", [1], new ArrayBuffer(1), new Uint16Array(1), null, undefined, 1]) {
    const bad = value as unknown as Uint8Array;
    assert.throws(() => encodingOf(codec, bad), { name: "TypeError", message: /Uint8Array/ });
  }
});
