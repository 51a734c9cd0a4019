import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { joinHeaders, splitHeaders } from "../../lib/batch/headers.ts";
import { ByteWriter } from "../../lib/codec/byte-writer.ts";
import { indexOf } from "../../lib/codec/index-keys.ts";
import { json } from "../../lib/codec/json.ts";
import { msgpack } from "../../lib/codec/msgpack/msgpack.ts";
import { oracle } from "./values.ts";

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

const COUNT = 5_000;
const COUNT_MAX = 100_000;
/** What an object takes that is kept in a table, and what it takes to get there, with room for what else there is (bytes). */
const OBJECT_BYTES_MAX = 2_000;

/** What `run` leaves and what it throws away of it, for each of `COUNT` objects (bytes). */
function bytesOfEach(run: () => unknown): number {
  // What is thrown away of before would count as less.
  collect();
  const before = process.memoryUsage().heapUsed;
  const kept = run();
  const bytes = (process.memoryUsage().heapUsed - before) / COUNT;
  assert.ok(kept);
  return bytes;
}

const TEXT_KEYS = ["320", "1520", "3322"];

/** A map of these keys, each with 0. */
function mapOf(keys: readonly (string | number)[]): Buffer {
  const writer = new ByteWriter();
  msgpack().encode(new Map(keys.map((key) => [key, 0])), writer);
  return writer.take();
}

/** `COUNT` of them in a list, which is one value. */
function listOf(map: Buffer): Buffer {
  const head = Buffer.from([0xdc, COUNT >> 8, COUNT & 0xff]);
  return Buffer.concat([head, ...new Array<Buffer>(COUNT).fill(map)]);
}

/** Maps whose objects V8 would give room for all the indices that they have not. */
const SPARSE: Readonly<Record<string, Buffer>> = {
  "a text": mapOf(["1023"]),
  "a number of two bytes": Buffer.from([0x81, 0xcd, 0x03, 0xff, 0]),
  "a number of eight bytes": Buffer.from([0x81, 0xcf, 0, 0, 0, 0, 0, 0, 0x03, 0xff, 0]),
  "the longest steps": mapOf(TEXT_KEYS),
  "behind a name": mapOf(["name", "1023"]),
  "in front of names": mapOf(["1023", "name", "other"]),
  "behind more keys than are remembered": mapOf([
    ...Array.from({ length: 70 }, (_, i) => `name ${i}`),
    "1023",
  ]),
  "within another map": Buffer.concat([Buffer.from([0x81, 0xa1, 0x61]), mapOf(["1023"])]),
};

test("index keys: objects take memory only for the keys that they have, in one value and in many", () => {
  for (const [name, map] of Object.entries(SPARSE)) {
    // The keys of the map that has many are 70 more.
    const bytesMax = OBJECT_BYTES_MAX * (map.length > 100 ? 8 : 1);
    const codec = msgpack();
    const list = bytesOfEach(() => codec.decode(listOf(map)));
    assert.ok(list < bytesMax, `${name}: ${list} bytes for each of a list`);
    const frame = Buffer.concat(new Array<Buffer>(COUNT).fill(map));
    const values = bytesOfEach(() => codec.decodeAll!(frame, COUNT_MAX));
    assert.ok(values < bytesMax, `${name}: ${values} bytes for each of a frame`);
  }
});

test("negative control: msgpackr alone allocates room for indices that an object does not have", () => {
  const bytes = bytesOfEach(() => oracle.unpack(listOf(SPARSE["a text"]!)));
  assert.ok(bytes > 3 * OBJECT_BYTES_MAX, `${bytes} bytes`);
});

test("index keys: objects from JSON take memory only for the keys that they have", () => {
  const one = `{"1023":0,"2575":0,"35":0}`;
  const text = Buffer.from(`[${new Array<string>(COUNT).fill(one).join(",")}]`);
  const bytes = bytesOfEach(() => json().decode(text));
  assert.ok(bytes < OBJECT_BYTES_MAX, `${bytes} bytes`);
});

test("index keys: headers take memory only for the names that they have, indices included", () => {
  const block = Buffer.from([8, 0, 0, 0, 4, 0x31, 0x30, 0x32, 0x33, 1, 0, 0x78]);
  const frame = joinHeaders(new Array<Buffer>(COUNT).fill(block));
  const limits = { headersCountMax: 64, headersBytesMax: 8_192 };
  const bytes = bytesOfEach(() => splitHeaders(frame, COUNT, limits));
  assert.ok(bytes < OBJECT_BYTES_MAX, `${bytes} bytes`);
  const last = Buffer.from("\u0016\0\0\0\n4294967294\u0001\0a\u00041023\u0001\0b", "latin1");
  last.writeUInt32LE(last.length - 4, 0);
  const [headers] = splitHeaders(joinHeaders([last]), 1, limits);
  assert.deepEqual({ ...headers }, { 1023: "b", 4294967294: "a" });
});

const keys = fc.oneof(
  fc.integer({ min: 0, max: 4_000 }).map(String),
  fc.integer({ min: 0, max: 40 }).map(String),
  fc.constantFrom("a", "b", "", "01", "-1", "1.5", "1e3", "9999", "4294967294", "4294967295", "é"),
);
const leaves = fc.oneof(
  fc.integer({ min: -70_000, max: 70_000 }),
  fc.integer({ min: 60, max: 130 }),
  fc.constantFrom(null, undefined, true, 1.5, 2n ** 60n, "text", `\ufeff${"x".repeat(70)}`),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
);
const maps = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    leaves,
    fc.array(tie("value"), { maxLength: 6 }),
    fc.dictionary(keys, tie("value"), { maxKeys: 12, noNullPrototype: true }),
  ),
})).value;

test("index keys: values with any keys survive the round trip, repeatedly", () => {
  const codec = msgpack();
  fc.assert(
    fc.property(fc.array(maps, { minLength: 1, maxLength: 5 }), (values) => {
      const writer = new ByteWriter();
      for (const value of values) for (let i = 0; i < 10; i++) codec.encode(value, writer);
      const expected = values.flatMap((value) => new Array<unknown>(10).fill(value));
      assert.deepEqual(codec.decodeAll!(writer.take(), COUNT_MAX), expected);
    }),
  );
});

test("index keys: a key counts as an index as in JavaScript, up to the largest relevant one", () => {
  const samples = [
    "",
    "0",
    "00",
    "01",
    "9",
    "10",
    "3322",
    "3323",
    "9999",
    "10000",
    "-1",
    "1.",
    "/",
    ":",
  ];
  for (const key of samples) {
    const number = Number(key);
    const isIndex = String(number) === key && number >= 0 && number <= 3_322;
    assert.equal(indexOf(key), isIndex ? number : -1, key);
  }
});
