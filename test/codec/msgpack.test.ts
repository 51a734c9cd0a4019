import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Packr } from "msgpackr";
import { ByteWriter } from "../../lib/codec/byte-writer.ts";
import { msgpack } from "../../lib/codec/msgpack/msgpack.ts";
import { encodingOf, hex, oracle, texts, values } from "./values.ts";

const codec = msgpack();
const roundTrip = (value: unknown) => codec.decode(encodingOf(codec, value));

test("msgpack: a value survives the round trip", () => {
  fc.assert(fc.property(values, (value) => assert.deepEqual(roundTrip(value), value)));
});

test("msgpack: msgpackr decodes its output", () => {
  fc.assert(
    fc.property(values, (value) => {
      assert.deepEqual(oracle.unpack(encodingOf(codec, value)), value);
    }),
  );
});

test("msgpack: it decodes the output of msgpackr as msgpackr does", () => {
  for (const variableMapSize of [false, true]) {
    const packr = new Packr({ useRecords: false, variableMapSize });
    fc.assert(
      fc.property(values, (value) => {
        const bytes = Buffer.from(packr.pack(value));
        assert.deepEqual(codec.decode(bytes), oracle.unpack(bytes));
      }),
    );
  }
});

test("msgpack: consecutive values are decoded in order, including values from msgpackr", () => {
  const packr = new Packr({ useRecords: false });
  fc.assert(
    fc.property(fc.array(values), (given) => {
      const own = given.map((value) => encodingOf(codec, value));
      const theirs = given.map((value) => Buffer.from(packr.pack(value)));
      const frame = Buffer.concat([...own, ...theirs]);
      const expected = theirs.map((bytes) => oracle.unpack(bytes));
      assert.deepEqual(codec.decodeAll!(frame, 1000), [...given, ...expected]);
    }),
  );
});

test("msgpack: strings of every length around a change of encoding survive the round trip", () => {
  for (const unit of ["a", "é", "漢", "😀", "a漢"]) {
    for (const count of [0, 1, 3, 4, 5, 8, 9, 10, 11, 15, 16, 17, 20, 21, 31, 32, 40, 41, 85, 86]) {
      const text = unit.repeat(count);
      assert.equal(roundTrip(text), text);
      assert.deepEqual(roundTrip({ [text]: 1, b: 2 }), { [text]: 1, b: 2 });
    }
    for (const count of [255, 256, 21_845, 21_846, 65_535, 65_536, 70_000]) {
      const text = unit.repeat(count);
      assert.ok(roundTrip(text) === text, `${count} times ${unit}`);
    }
  }
});

test("msgpack: NaN, -0, infinities and the limits of every width of number survive the round trip", () => {
  const limits = [7, 8, 15, 16, 31, 32, 53].flatMap((bits) => [2 ** bits - 1, 2 ** bits]);
  const given = [0, -0, Number.NaN, Infinity, -Infinity, 0.1, 5e-324, ...limits, 32, 33];
  for (const value of given) {
    assert.deepEqual(roundTrip(value), value);
    assert.deepEqual(roundTrip(-value), -value);
    assert.deepEqual(roundTrip([value - 1, value + 1]), [value - 1, value + 1]);
  }
});

test("msgpack: BigInts of up to 64 bits survive the round trip, and larger ones are refused", () => {
  for (const value of [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 63n, 2n ** 64n - 1n]) {
    assert.equal(roundTrip(value), value);
  }
  for (const value of [2n ** 64n, -(2n ** 63n) - 1n, 10n ** 100n]) {
    assert.throws(() => encodingOf(codec, value), RangeError);
  }
});

test("msgpack: a foreign peer's 64-bit integer is a BigInt, however small", () => {
  assert.equal(codec.decode(hex("cf 0000000000000007")), 7n);
  assert.equal(codec.decode(hex("d3 ffffffffffffffff")), -1n);
});

test("msgpack: dates in all three encodings survive the round trip to the millisecond", () => {
  const forms = [
    0,
    1000,
    999,
    -1,
    -1000,
    2 ** 32 * 1000 - 1,
    2 ** 32 * 1000,
    2 ** 34 * 1000,
    8.64e15,
  ];
  for (const time of [...forms, -8.64e15, Date.UTC(2024, 1, 29)]) {
    assert.deepEqual(roundTrip(new Date(time)), new Date(time));
  }
  assert.throws(() => encodingOf(codec, new Date(Number.NaN)), TypeError);
});

test("msgpack: a Date is sent as the time that it has, whatever its own getTime returns", () => {
  class Liar extends Date {
    override getTime(): number {
      return 1e30;
    }
  }
  class Hidden extends Liar {}
  Object.defineProperty(Hidden.prototype, "constructor", { value: Date });
  for (const Kind of [Liar, Hidden]) {
    assert.deepEqual(roundTrip(new Kind(999)), new Date(999));
    assert.deepEqual(roundTrip([new Kind(0)]), [new Date(0)]);
    assert.throws(() => encodingOf(codec, new Kind(Number.NaN)), /invalid Date/);
  }
});

test("msgpack: a cycle is named as such", () => {
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  assert.throws(() => encodingOf(codec, cycle), /more than 32 deep, or a cycle, at value\.self/);
});

test("msgpack: a timestamp beyond the range of a Date is refused", () => {
  assert.throws(() => codec.decode(hex("c7 0c ff 00000000 7fffffffffffffff")), /out of range/);
  assert.throws(() => codec.decode(hex("c7 0c ff 3b9aca00 0000000000000000")), /out of range/);
  assert.throws(() => codec.decode(hex("d7 ff ffffffff 00000000")), /out of range/);
  assert.deepEqual(codec.decode(hex("c7 0c ff 3b9ac9ff 0000000000000000")), new Date(999));
});

test("msgpack: undefined survives the round trip, alone, in arrays and as a property", () => {
  assert.deepEqual(roundTrip([undefined, { a: undefined }]), [undefined, { a: undefined }]);
  assert.equal(roundTrip(undefined), undefined);
});

test("msgpack: bytes are decoded as a copy", () => {
  const given = Uint8Array.of(1, 2, 3);
  const encoding = encodingOf(codec, { given });
  const { given: got } = codec.decode(encoding) as { given: Buffer };
  encoding.fill(0);
  assert.deepEqual(got, Buffer.from(given));
  assert.ok(Buffer.isBuffer(got));
});

test("msgpack: bytes of every length around a change of encoding survive the round trip", () => {
  for (const length of [0, 1, 255, 256, 65_535, 65_536, 200_000]) {
    const bytes = Buffer.alloc(length, 7);
    assert.ok(bytes.equals(roundTrip(bytes) as Buffer));
  }
});

test("msgpack: arrays and objects of every size around a change of encoding survive the round trip", () => {
  for (const count of [0, 1, 7, 8, 9, 15, 16, 17, 65_535, 65_536]) {
    const array = Array.from({ length: count }, (_, i) => i);
    assert.deepEqual(roundTrip(array), array);
    const object = Object.fromEntries(array.map((i) => [`k${i}`, i]));
    assert.deepEqual(roundTrip(object), object);
    assert.deepEqual(oracle.unpack(encodingOf(codec, object)), object);
  }
});

test("msgpack: a Set becomes an array, a Map an object with its keys as text", () => {
  assert.deepEqual(roundTrip(new Set([1, "a"])), [1, "a"]);
  const map = new Map<unknown, unknown>([
    ["a", 1],
    [2, "b"],
    [-3n, "c"],
  ]);
  assert.deepEqual(roundTrip(map), { a: 1, 2: "b", "-3": "c" });
});

test("msgpack: a Map with a key that is neither string nor integer is refused", () => {
  for (const key of [1.5, Number.NaN, true, null, undefined, {}, Symbol("s")]) {
    assert.throws(() => encodingOf(codec, new Map([[key, 1]])), /string or integer/);
  }
});

test("msgpack: a Map with two keys of the same text is refused", () => {
  assert.throws(
    () =>
      encodingOf(
        codec,
        new Map<unknown, number>([
          [1, 1],
          ["1", 2],
        ]),
      ),
    /twice/,
  );
});

test("msgpack: toJSON is used where it exists, own enumerable properties otherwise", () => {
  class Point {
    x = 1;
    #hidden = 2;
    get sum(): number {
      return this.x + this.#hidden;
    }
  }
  assert.deepEqual(roundTrip(new Point()), { x: 1 });
  assert.deepEqual(roundTrip(Object.assign(Object.create(null), { a: 1 })), { a: 1 });
  assert.equal(roundTrip(new URL("http://a.example/")), "http://a.example/");
  assert.throws(() => roundTrip({ toJSON: () => 1 }), /toJSON/);
});

test("msgpack: a value without an encoding is refused, and named in the error", () => {
  const refused = [
    () => 1,
    Symbol("s"),
    /r/,
    new Error("e"),
    Promise.resolve(),
    new Float64Array(1),
  ];
  for (const value of [
    ...refused,
    new ArrayBuffer(1),
    new DataView(new ArrayBuffer(1)),
    new WeakMap(),
    Object(1),
  ]) {
    assert.throws(() => encodingOf(codec, value), TypeError);
    assert.throws(() => encodingOf(codec, [{ a: value }]), TypeError);
  }
});

test("msgpack: half of a surrogate pair is refused in a string of any length, and in a key", () => {
  for (const half of ["\ud83d", "\ude00", "\ude00\ud83d"]) {
    for (const text of [
      half,
      `${half}a`,
      `${"a".repeat(50)}${half}`,
      `${half}${"é".repeat(9000)}`,
    ]) {
      assert.throws(() => encodingOf(codec, text), /surrogate/);
      assert.throws(() => encodingOf(codec, { [text]: 1 }), /surrogate/);
    }
  }
});

/** `depth` arrays and objects in each other. */
function nested(depth: number): unknown {
  let value: unknown = 7;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { value };
  return value;
}

test("msgpack: 32 levels of nesting are accepted, and the 33rd is refused by the sender", () => {
  assert.deepEqual(roundTrip(nested(32)), nested(32));
  assert.throws(() => encodingOf(codec, nested(33)), /32 deep/);
  assert.throws(() => encodingOf(codec, new Map([["a", nested(32)]])), /32 deep/);
  assert.throws(() => encodingOf(codec, new Set([nested(32)])), /32 deep/);
  const cycle: unknown[] = [];
  cycle.push(cycle);
  assert.throws(() => encodingOf(codec, cycle), /32 deep/);
});

test("msgpack: the key __proto__ is refused by the sender, in any kind of object", () => {
  const parsed: unknown = JSON.parse('{"a":{"__proto__":{"polluted":true}}}');
  for (const value of [parsed, new Map([["__proto__", 1]]), [{ a: 1, ["__proto__"]: 2 }]]) {
    assert.throws(() => encodingOf(codec, value), /__proto__/);
  }
});

test("msgpack: a failed encode leaves the writer unchanged", () => {
  const writer = new ByteWriter();
  codec.encode("before", writer);
  const before = writer.length;
  const large = "x".repeat(10_000);
  for (const value of [() => 1, [large, () => 1], { large, bad: Symbol("s") }, nested(40)]) {
    assert.throws(() => codec.encode(value, writer));
    assert.equal(writer.length, before);
  }
  codec.encode("after", writer);
  assert.deepEqual(codec.decodeAll!(writer.take(), 9), ["before", "after"]);
});

test("msgpack: a value longer than the writer's slab survives the round trip", () => {
  fc.assert(
    fc.property(fc.array(texts, { minLength: 20, maxLength: 60 }), (given) => {
      const writer = new ByteWriter();
      codec.encode(1, writer);
      codec.encode(given, writer);
      codec.encode(2, writer);
      assert.deepEqual(codec.decodeAll!(writer.take(), 3), [1, given, 2]);
    }),
    { numRuns: 200 },
  );
});

test("msgpack: a getter that empties the writer damages neither message", () => {
  // The property is read twice, to be checked and to be written: emptied the first time, and the second.
  for (const emptyAt of [1, 2]) {
    const writer = new ByteWriter();
    codec.encode("first", writer);
    let taken: Buffer = Buffer.alloc(0);
    let reads = 0;
    const value = {
      a: 1,
      get b() {
        reads += 1;
        if (reads === emptyAt) taken = writer.take();
        return "x".repeat(3000);
      },
    };
    codec.encode({ text: "before", value: [value] }, writer);
    assert.equal(codec.decode(taken), "first");
    assert.deepEqual(codec.decode(writer.take()), {
      text: "before",
      value: [{ a: 1, b: "x".repeat(3000) }],
    });
  }
});

test("msgpack: a toJSON that encodes with the same codec is refused, and the codec still works", () => {
  const writer = new ByteWriter();
  const value = {
    a: new (class Sneaky {
      toJSON() {
        codec.encode("inner", writer);
      }
    })(),
  };
  assert.throws(() => codec.encode(value, writer), /must not encode/);
  assert.equal(writer.length, 0);
  assert.equal(roundTrip("next"), "next");
});

test("msgpack: a getter that removes properties does not mix up values", () => {
  for (const removeAt of [1, 2]) {
    let reads = 0;
    const value: { a: number; b?: number; c: number } = {
      get a() {
        reads += 1;
        if (reads === removeAt) delete value.b;
        return 1;
      },
      b: 2,
      c: 3,
    };
    assert.deepEqual(
      roundTrip(value),
      removeAt === 1 ? { a: 1, c: 3 } : { a: 1, b: undefined, c: 3 },
    );
  }
});

test("msgpack: a getter that returns a function the second time is refused", () => {
  let reads = 0;
  const value = {
    get a() {
      reads += 1;
      return reads === 1 ? 1 : () => 1;
    },
  };
  assert.throws(() => encodingOf(codec, value), /function/);
  assert.equal(roundTrip("next"), "next");
});

test("msgpack: a value without an encoding is refused, with the path to it", () => {
  const refused = (value: unknown, path: string) =>
    assert.throws(
      () => encodingOf(codec, value),
      (error: Error) => error instanceof TypeError && error.message.includes(path),
    );
  refused({ items: [1, { run: () => 1 }] }, "a function run at value.items[1].run;");
  refused(Symbol("s"), "at value;");
  refused([new Set([/r/])], "at value[0][0];");
  refused(new Map([["a b", new Error("e")]]), 'at value[a name "a b"];');
  refused({ when: [new Date(Number.NaN)] }, "at value.when[0]");
  refused({ text: { short: "\ud83d" } }, "at value.text.short");
  refused({ ["k".repeat(50)]: { f() {} } }, "at value[a name of 50 characters].f");
  assert.throws(() => encodingOf(codec, { big: 2n ** 64n }), /at value\.big/);
});

test("msgpack: the instances that are decoded as plain data are those of the documented table", () => {
  class Price {
    readonly amount = -0;
    readonly tags = new Set(["a"]);
  }
  class Moment extends Date {}
  class Bytes extends Uint8Array {}
  const given = {
    price: new Price(),
    moment: new Moment(5),
    bytes: Bytes.of(1, 2),
    list: new (class List extends Array<number> {})(3, 4),
    sparse: Object.assign([], { 1: "b" }),
    nulled: Object.assign(Object.create(null), { constructor: null, toJSON: 5 }),
    arguments: (function (..._: unknown[]) {
      // biome-ignore lint/complexity/noArguments: it is what is tested
      return arguments;
    })("x"),
  };
  assert.deepEqual(roundTrip(given), {
    price: { amount: -0, tags: ["a"] },
    moment: new Date(5),
    bytes: Buffer.of(1, 2),
    list: [3, 4],
    sparse: [undefined, "b"],
    nulled: { constructor: null, toJSON: 5 },
    arguments: { 0: "x" },
  });
});

test("msgpack: -0 survives the round trip in every position", () => {
  const withZeros = (zero: number) => ({
    a: zero,
    0.5: [0.5, zero, 0, new Date(7), Buffer.alloc(300), "x".repeat(70), zero],
    deep: [[{ zero }], new Map([["m", zero]])],
    last: 1,
  });
  const plain = (zero: number) => ({ ...withZeros(zero), deep: [[{ zero }], { m: zero }] });
  assert.deepEqual(roundTrip(withZeros(-0)), plain(-0));
  assert.deepEqual(roundTrip(withZeros(0)), plain(0));
  fc.assert(
    fc.property(values, fc.array(fc.boolean()), (value, signs) => {
      const given = [value, ...signs.map((isNegative) => (isNegative ? -0 : 0)), { value }];
      assert.deepEqual(roundTrip(given), given);
    }),
  );
});

test("msgpack: a byte order mark at the start of a text of any length is kept", () => {
  for (const count of [1, 20, 61, 62, 63, 64, 65, 252, 253, 300, 65_533, 70_000]) {
    const text = `\ufeff${"x".repeat(count)}`;
    const value = { text, [text]: [text, "\ufeff\ufeff"], after: 77 };
    assert.deepEqual(roundTrip(value), value);
    // Among maps that are known, which are read another way.
    const many = Array.from({ length: 50 }, (_, i) => ({ text, i: i + 60 }));
    assert.deepEqual(roundTrip(many), many);
  }
});

test("msgpack: objects are decoded the same after their keys are remembered", () => {
  const shared = msgpack();
  const shapes = fc.array(
    fc.record(
      {
        id: fc.integer({ min: 0, max: 200 }),
        symbol: texts,
        price: fc.double(),
        "a key": values,
        65: fc.integer({ min: 0x3e, max: 0x82 }),
        inner: fc.record({ x: fc.nat(130), y: fc.nat(130) }, { noNullPrototype: true }),
        dictionary: fc.dictionary(fc.constantFrom("65", "x", "y", "z"), fc.nat(130), {
          noNullPrototype: true,
        }),
      },
      { requiredKeys: ["id", "symbol", "inner"], noNullPrototype: true },
    ),
    { minLength: 1, maxLength: 60 },
  );
  fc.assert(
    fc.property(shapes, (given) => {
      const frame = Buffer.concat(given.map((value) => encodingOf(shared, value)));
      assert.deepEqual(shared.decodeAll!(frame, 100), given);
      const integers = Buffer.concat([hex("82 41 7f 40 40"), frame, hex("81 cc 41 41")]);
      assert.deepEqual(shared.decodeAll!(integers, 100), [
        { 65: 0x7f, 64: 0x40 },
        ...given,
        { 65: 65 },
      ]);
    }),
  );
});

test("msgpack: objects of many shapes survive the round trip through one codec", () => {
  const shared = msgpack();
  const names = Array.from({ length: 3000 }, (_, i) => `key ${i} ${"x".repeat(i % 40)}`);
  const shapes = fc.array(fc.nat({ max: names.length - 1 }), { maxLength: 12 });
  fc.assert(
    fc.property(fc.array(shapes, { minLength: 1, maxLength: 20 }), (given) => {
      const objects = given.map((shape) =>
        Object.fromEntries(shape.map((i, place) => [names[i]!, place])),
      );
      const frame = Buffer.concat(objects.map((object) => encodingOf(shared, object)));
      assert.deepEqual(shared.decodeAll!(frame, 1000), objects);
      assert.deepEqual(oracle.unpackMultiple(frame), objects);
    }),
    { numRuns: 1000 },
  );
});
