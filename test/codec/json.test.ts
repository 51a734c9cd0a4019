import assert from "node:assert/strict";
import { test } from "node:test";
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
