import assert from "node:assert/strict";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { ByteWriter } from "../../lib/codec/byte-writer.ts";
import { json } from "../../lib/codec/json.ts";
import { encodingOf, hex } from "./values.ts";

const codec = json();
const decode = (text: string) => codec.decode(Buffer.from(text));
const hasForbiddenKey = (value: unknown) => JSON.stringify(value).includes("__proto__");

test("json: a value is decoded as JSON.parse(JSON.stringify(value)) returns it", () => {
  const values = fc.jsonValue({ stringUnit: "binary" }).filter((value) => !hasForbiddenKey(value));
  fc.assert(
    fc.property(values, (value) => {
      const bytes = encodingOf(codec, value);
      assert.equal(bytes.toString(), JSON.stringify(value));
      assert.deepEqual(codec.decode(bytes), JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("json: an encoding contains no line feed", () => {
  assert.ok(!encodingOf(codec, { "a\nb": "c\r\nd\u2028" }).includes(0x0a));
});

test("json: texts of every width and length survive the round trip", () => {
  for (const unit of ["a", "é", "漢", "😀", "\ud800", "\n"]) {
    for (const count of [0, 1, 1000, 0x4000, 50_000]) {
      const text = unit.repeat(count);
      assert.ok(codec.decode(encodingOf(codec, text)) === text, `${count} times ${unit}`);
    }
  }
});

test("json: a value without a JSON form is refused, and the writer is unchanged", () => {
  const writer = new ByteWriter();
  codec.encode("before", writer);
  const before = writer.length;
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  for (const value of [undefined, () => 1, Symbol("s"), 1n, cycle]) {
    assert.throws(() => codec.encode(value, writer), TypeError);
    assert.equal(writer.length, before);
  }
});

/** What JSON would drop, or replace by another value. */
const CHANGED: Readonly<Record<string, unknown>> = {
  "a Map": new Map([["a", 1]]),
  "a Set": new Set([1]),
  "a WeakMap": new WeakMap(),
  "a Promise": Promise.resolve(1),
  "a RegExp": /a/,
  "an Error": new Error("lost"),
  "a TypeError": new TypeError("lost"),
  "a Map of another realm": runInNewContext("new Map()"),
  "a Set's subclass": new (class Tags extends Set<string> {})(),
  "a Uint8Array": Uint8Array.of(1, 2),
  "a Float64Array": Float64Array.of(1.5),
  "a Buffer": Buffer.of(1, 2),
  "an ArrayBuffer": new ArrayBuffer(8),
  "a DataView": new DataView(new ArrayBuffer(8)),
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "a function": () => 1,
  "a symbol": Symbol("s"),
  "a BigInt": 1n,
  "an invalid date": new Date(Number.NaN),
};

const PLACES: Readonly<Record<string, (value: unknown) => unknown>> = {
  "by itself": (value) => value,
  "as a property": (value) => ({ id: 1, at: value }),
  "as an item": (value) => [1, [value]],
  "from toJSON": (value) => ({ at: { toJSON: () => ({ value }) } }),
  "beside a toJSON": (value) => ({ url: new URL("http://a/"), value }),
  deep: (value) => Array.from({ length: 100 }).reduce((inner) => [inner], value),
};

for (const [name, value] of Object.entries(CHANGED)) {
  test(`json: ${name} is refused wherever it is`, () => {
    for (const [place, put] of Object.entries(PLACES)) {
      assert.throws(() => encodingOf(codec, put(value)), TypeError, place);
    }
  });
}

test("json: the error names what was refused, and its key", () => {
  assert.throws(() => encodingOf(codec, { tags: new Map() }), /no JSON form of a Map at "tags"/);
  assert.throws(() => encodingOf(codec, [0, Number.NaN]), /no JSON form of NaN at "1"/);
  assert.throws(() => encodingOf(codec, [undefined]), /no JSON form of undefined at "0"/);
});

test("json: what is documented to come back as something else does", () => {
  class Point {
    readonly x = 1;
    move(): void {}
  }
  const bare = Object.assign(Object.create(null), { a: 1 });
  const values: readonly (readonly [unknown, unknown])[] = [
    [-0, 0],
    [{ a: undefined, b: 1 }, { b: 1 }],
    [new Date(0), "1970-01-01T00:00:00.000Z"],
    [{ at: [new Date(0)] }, { at: ["1970-01-01T00:00:00.000Z"] }],
    [new URL("http://a/"), "http://a/"],
    [new Point(), { x: 1 }],
    [bare, { a: 1 }],
    [runInNewContext("({ a: [1] })"), { a: [1] }],
    [Object.assign(new Map(), { toJSON: () => ({ a: 1 }) }), { a: 1 }],
    ["\ud800", "\ud800"],
  ];
  for (const [value, wanted] of values) {
    const decoded = codec.decode(encodingOf(codec, value));
    assert.equal(JSON.stringify(decoded), JSON.stringify(wanted));
  }
});

test("json: anything but JSON text is refused", () => {
  for (const text of ["", " ", "{", "nul", "1 2", "{'a':1}", "[1,]", "\ufeff1", "NaN"]) {
    assert.throws(() => decode(text), Error, text);
  }
});

test("json: invalid UTF-8 is refused instead of being replaced", () => {
  for (const bytes of ["22 ff 22", "22 c3 22", "22 c0af 22", "22 eda080 22", "22 f4908080 22"]) {
    assert.throws(() => codec.decode(hex(bytes)), /UTF-8/);
  }
  assert.equal(codec.decode(hex("22 efbfbd 22")), "\ufffd");
});

test("json: the key __proto__ is refused by encoder and decoder, in every spelling", () => {
  const texts = [
    '{"__proto__":{"polluted":true}}',
    '[{"a":[{"__proto__":1}]}]',
    '{"\\u005f_proto__":1}',
    '{"__pr\\u006Fto__":1}',
    '{"a":null,"\\u005F\\u005f\\u0070\\u0072\\u006f\\u0074\\u006f\\u005f\\u005f":[]}',
  ];
  for (const text of texts) assert.throws(() => decode(text), /__proto__/, text);
  assert.throws(() => encodingOf(codec, JSON.parse(texts[1]!)), /__proto__/);
  assert.equal(Reflect.get({}, "polluted"), undefined);
});

test("json: the string __proto__ is a valid value", () => {
  for (const value of ["__proto__", { a: "__proto__", __proto: 1, b: "\u0001" }]) {
    assert.deepEqual(codec.decode(encodingOf(codec, value)), value);
  }
});

test("json: the search for the key __proto__ does not recurse", () => {
  const depth = 100_000;
  const text = `${"[".repeat(depth)}"__proto__"${"]".repeat(depth)}`;
  assert.ok(Array.isArray(decode(text)));
});
