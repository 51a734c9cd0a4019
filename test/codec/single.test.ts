import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Packr } from "msgpackr/index-no-eval";
import { ByteWriter } from "../../lib/codec/byte-writer.ts";
import { msgpack } from "../../lib/codec/msgpack/msgpack.ts";
import { endOfSingle } from "../../lib/codec/msgpack/single.ts";
import { encodingOf } from "./values.ts";

/** On both sides of each length at which a head, or the way of copying, changes. */
const LENGTHS = [
  0, 1, 31, 32, 64, 65, 85, 86, 128, 255, 256, 257, 4096, 4097, 65_535, 65_536, 70_000,
];
/** One, two, three and four bytes, a byte order mark, and what stands for invalid bytes. */
const UNITS = ["a", "é", "€", "😀", "\ufeff", "\ufffd"];

const packr = new Packr({ useRecords: false, variableMapSize: true });
const texts = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.tuple(fc.constantFrom(...UNITS), fc.constantFrom(...LENGTHS)).map(([unit, n]) => {
    return unit.repeat(Math.ceil(n / unit.length));
  }),
);
const byteArrays = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.tuple(fc.constantFrom(...LENGTHS), fc.nat(255)).map(([n, fill]) => Buffer.alloc(n, fill)),
);

test("single: a single text or byte array has the shortest header, and survives the round trip", () => {
  const values = fc.array(fc.oneof(texts, byteArrays), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(values, (given) => {
      const codec = msgpack<unknown>();
      const writer = new ByteWriter();
      for (const value of given) codec.encode(value, writer);
      const frame = writer.take();
      const wanted = given.map((value) => (typeof value === "string" ? value : Buffer.from(value)));
      const encodings = wanted.map((value) => shortest(value));
      assert.deepEqual(frame, Buffer.concat(encodings));
      assert.deepEqual(codec.decodeAll!(frame, given.length), wanted);
      assert.deepEqual(
        encodings.map((bytes) => codec.decode(bytes)),
        wanted,
      );
      // msgpackr alone drops a byte order mark.
      const others = encodings.filter((_, i) => !startsWithMark(wanted[i]!));
      assert.deepEqual(
        others.map((bytes) => packr.unpack(bytes)),
        wanted.filter((value) => !startsWithMark(value)),
      );
    }),
    { numRuns: 300 },
  );
});

test("single: a text that is not valid UTF-8 is refused, whatever its length", () => {
  const bad = [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80]];
  for (const length of LENGTHS.filter((n) => n > 4)) {
    for (const bytes of bad) {
      const content = Buffer.alloc(length, 0x61);
      content.set(bytes, length - bytes.length);
      const encoding = Buffer.concat([headOf(0xa0, length), content]);
      assert.throws(() => msgpack().decode(encoding), /not valid UTF-8/);
      assert.throws(() => msgpack().decodeAll!(encoding, 1), /not valid UTF-8/);
    }
  }
});

test("single: decoded bytes are a copy that belongs to the caller", () => {
  for (const length of LENGTHS.filter((n) => n > 0)) {
    const encoding = encodingOf(msgpack(), Buffer.alloc(length, 7));
    const codec = msgpack<Buffer>();
    const values = [codec.decode(encoding), ...codec.decodeAll!(encoding, 1)];
    encoding.fill(9);
    for (const value of values) assert.ok(value.every((byte) => byte === 7));
  }
});

test("single: a truncated encoding, or one of another kind, has no end position", () => {
  for (const value of [
    "x",
    "x".repeat(40),
    "x".repeat(300),
    Buffer.alloc(300),
    "x".repeat(70_000),
  ]) {
    const encoding = shortest(value);
    assert.equal(endOfSingle(encoding, 0, encoding.length), encoding.length);
    for (let end = 0; end < Math.min(encoding.length, 400); end++) {
      assert.equal(endOfSingle(encoding, 0, end), -1);
      assert.throws(() => msgpack().decode(encoding.subarray(0, end)), /announced/);
    }
    assert.throws(() => msgpack().decode(Buffer.concat([encoding, encoding])), /after the value/);
  }
  for (let token = 0; token < 256; token++) {
    const isSingle =
      (token >= 0xa0 && token < 0xc0) || [0xc4, 0xc5, 0xc6, 0xd9, 0xda, 0xdb].includes(token);
    const bytes = Buffer.alloc(64);
    bytes[0] = token;
    assert.equal(endOfSingle(bytes, 0, bytes.length) > 0, isSingle, `token ${token}`);
  }
});

function startsWithMark(value: string | Uint8Array): boolean {
  return typeof value === "string" && value.startsWith("\ufeff");
}

function shortest(value: string | Uint8Array): Buffer {
  const content = typeof value === "string" ? Buffer.from(value) : value;
  return Buffer.concat([headOf(typeof value === "string" ? 0xa0 : 0xc4, content.length), content]);
}

function headOf(kind: 0xa0 | 0xc4, length: number): Buffer {
  if (kind === 0xa0 && length < 0x20) return Buffer.of(0xa0 | length);
  const size = length < 0x100 ? 1 : length < 0x10000 ? 2 : 4;
  const head = Buffer.of((kind === 0xa0 ? 0xd9 : 0xc4) + Math.log2(size), 0, 0, 0, 0);
  head.writeUIntBE(length, 1, size);
  return head.subarray(0, 1 + size);
}
