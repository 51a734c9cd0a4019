import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createFraming } from "../../lib/batch/framing/create-framing.ts";
import { ByteWriter } from "../../lib/codec/byte-writer.ts";
import { json } from "../../lib/codec/json.ts";
import { msgpack } from "../../lib/codec/msgpack/msgpack.ts";

/** Values, keys, arrays and objects, one by one. */
function elementsOf(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum, item) => sum + elementsOf(item), 1);
  if (value instanceof Uint8Array || typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce((sum: number, item) => sum + 1 + elementsOf(item), 1);
}

function encoded(codec: ReturnType<typeof msgpack>, value: unknown): Buffer {
  const writer = new ByteWriter();
  codec.encode(value, writer);
  return writer.take();
}

const values = fc.anything({
  maxDepth: 4,
  values: [
    fc.string({ unit: "grapheme" }),
    fc.integer(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.constant('"quo\\"ted, [and] {so: on}\\'),
  ],
  key: fc.stringMatching(/^[a-z",:\\]{0,6}$/),
});

test("elements: the count of MessagePack equals the number of decoded elements", () => {
  const codec = msgpack();
  const all = fc.oneof(
    values,
    fc.uint8Array(),
    fc.date({ noInvalidDate: true }).map((at) => [at]),
  );
  fc.assert(
    fc.property(fc.array(all, { minLength: 1, maxLength: 20 }), (list) => {
      const bytes = encoded(codec, list);
      const expected = list.reduce<number>(
        (sum, item) =>
          sum + (Array.isArray(item) && item[0] instanceof Date ? 2 : elementsOf(item)),
        1,
      );
      assert.equal(codec.countElements!(bytes, Number.POSITIVE_INFINITY), expected);
    }),
  );
});

test("elements: the count of JSON is at least the number of decoded elements, and not much more", () => {
  const codec = json();
  fc.assert(
    fc.property(fc.array(values, { maxLength: 20 }), (list) => {
      const text = JSON.stringify(list);
      const counted = codec.countElements!(Buffer.from(text), Number.POSITIVE_INFINITY);
      const made = elementsOf(JSON.parse(text));
      assert.ok(counted >= made && counted <= 2 * made, `${counted} counted, ${made} made`);
    }),
  );
});

test("elements: any bytes can be counted, and no more of them are read than necessary", () => {
  for (const codec of [msgpack(), json()]) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (any) => {
        // The heads of long maps, whose keys count for more.
        const bytes = any.filter((byte) => byte !== 0xde && byte !== 0xdf);
        const count = codec.countElements!(bytes, Number.POSITIVE_INFINITY);
        assert.ok(count <= bytes.length + 1);
        assert.ok(codec.countElements!(bytes, 3) <= 4);
      }),
    );
  }
});

const REFUSED = { code: "BROKERLESS_TOO_LARGE", message: /messageElementsMax/ } as const;

test("elements: a frame of too many elements is refused before it is decoded, and a value before it is sent", () => {
  for (const make of [msgpack, json]) {
    const codec = make();
    let decoded = 0;
    const watched: typeof codec = {
      name: codec.name,
      delimiter: codec.delimiter,
      encode: (value, writer) => codec.encode(value, writer),
      decode: (bytes) => {
        decoded += 1;
        return codec.decode(bytes);
      },
      decodeAll: (bytes, countMax) => {
        decoded += 1;
        return codec.decodeAll!(bytes, countMax);
      },
      countElements: (bytes, countMax) => codec.countElements!(bytes, countMax),
    };
    for (const batched of [true, false]) {
      const options = { batched, countMax: 100 };
      const bounded = createFraming(watched, { ...options, elementsMax: 1_000 });
      const control = createFraming(watched, options);
      const writer = new ByteWriter();
      const many = Array.from({ length: 2_000 }, () => ({}));
      control.append(many, writer);
      const frame = writer.take();
      decoded = 0;
      assert.throws(() => bounded.decode(frame), REFUSED);
      assert.equal(decoded, 0);
      assert.deepEqual(control.decode(frame), [many]);
      control.append("before", writer);
      const { length } = writer;
      assert.throws(() => bounded.append(many, writer), REFUSED);
      assert.equal(writer.length, length);
      // Long, and of few elements.
      const long = ["x".repeat(50_000), "y"];
      const whole = new ByteWriter();
      bounded.append(long, whole);
      assert.deepEqual(bounded.decode(whole.take()), [long]);
    }
  }
});
