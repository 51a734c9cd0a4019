import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteWriter } from "../../lib/codec/byte-writer.ts";
import type { Codec, EncodeLimits } from "../../lib/codec/codec.ts";
import { NO_LIMITS } from "../../lib/codec/elements.ts";
import { json } from "../../lib/codec/json.ts";
import { msgpack } from "../../lib/codec/msgpack/msgpack.ts";
import { raw } from "../../lib/codec/raw.ts";

const CODECS = { msgpack: msgpack(), json: json() } as const;
const ELEMENTS = { code: "BROKERLESS_TOO_LARGE", message: /1000 elements/ } as const;
const BYTES = { code: "BROKERLESS_TOO_LARGE", message: /messageBytesMax is 1000/ } as const;

function encoded(codec: Codec, value: unknown, limits?: Partial<EncodeLimits>): Buffer {
  const writer = new ByteWriter();
  codec.encode(value, writer, limits && { ...NO_LIMITS, ...limits });
  return writer.take();
}

/** A list, and how often one of its items was asked for. */
function watched<T>(items: T[]): { readonly list: T[]; readonly reads: () => number } {
  let reads = 0;
  const list = new Proxy(items, {
    get(target, key, receiver) {
      if (typeof key === "string" && /^\d+$/.test(key)) reads += 1;
      return Reflect.get(target, key, receiver);
    },
  });
  return { list, reads: () => reads };
}

class Holder {
  readonly held: unknown;
  constructor(held: unknown) {
    this.held = held;
  }
}

class Form extends Holder {
  toJSON(): unknown {
    return this.held;
  }
}

/** What a list may lie in, each of which takes another way through an encoder. */
const WRAPS: Readonly<Record<string, (list: unknown) => unknown>> = {
  "by itself": (list) => list,
  "in an object": (list) => ({ list }),
  "in a class instance": (list) => new Holder(list),
  "from toJSON": (list) => new Form(list),
  "in a list that is -0 too": (list) => [-0, list],
};

for (const [name, codec] of Object.entries(CODECS)) {
  test(`encode limits: ${name} does not read a list with more items than the allowed elements`, () => {
    for (const [where, wrap] of Object.entries(WRAPS)) {
      const sparse: number[] = [];
      sparse.length = 2 ** 32 - 1;
      const { list, reads } = watched(sparse);
      assert.throws(() => encoded(codec, wrap(list), { elementsMax: 1_000 }), ELEMENTS, where);
      assert.equal(reads(), 0, where);
    }
  });

  test(`encode limits: ${name} counts a list once for each place where it occurs`, () => {
    for (const [where, wrap] of Object.entries(WRAPS)) {
      const { list, reads } = watched(Array.from({ length: 100 }, () => 1));
      const many = Array.from({ length: 100 }, () => list);
      assert.throws(() => encoded(codec, wrap(many), { elementsMax: 1_000 }), ELEMENTS, where);
      assert.ok(reads() <= 3_000, `${reads()} reads ${where}`);
    }
  });

  test(`encode limits: ${name} counts an object once for each place where it occurs`, () => {
    for (const [where, wrap] of Object.entries(WRAPS)) {
      let reads = 0;
      const object = Object.defineProperty({ b: 1, c: 2, d: 3, e: 4 }, "a", {
        enumerable: true,
        get: () => {
          reads += 1;
          return 1;
        },
      });
      const many = Array.from({ length: 900 }, () => object);
      assert.throws(() => encoded(codec, wrap(many), { elementsMax: 1_000 }), ELEMENTS, where);
      assert.ok(reads <= 300, `${reads} reads ${where}`);
    }
  });

  test(`encode limits: ${name} stops at a text that occurs in more places than bytes are allowed`, () => {
    for (const [where, wrap] of Object.entries(WRAPS)) {
      const { list, reads } = watched(Array.from({ length: 500 }, () => "x".repeat(100)));
      assert.throws(() => encoded(codec, wrap(list), { bytesMax: 1_000 }), BYTES, where);
      assert.ok(reads() <= 33, `${reads()} reads ${where}`);
    }
  });

  test(`encode limits: ${name} accepts every value within them`, () => {
    const anything = fc.anything({ maxDepth: 4, key: fc.stringMatching(/^[a-z]{0,6}$/) });
    // The key is refused, within limits or not.
    const json = fc
      .jsonValue({ maxDepth: 4 })
      .filter((value) => !JSON.stringify(value).includes("__proto__"));
    const values = name === "json" ? json : anything;
    fc.assert(
      fc.property(fc.array(values), (value) => {
        const bytes = encoded(codec, value);
        const elementsMax = codec.countElements!(bytes, Number.POSITIVE_INFINITY);
        const limits = { elementsMax, bytesMax: bytes.length };
        assert.deepEqual(encoded(codec, value, limits), bytes);
        if (name === "json") return;
        assert.throws(() => encoded(codec, value, { elementsMax: elementsMax - 1 }), {
          code: "BROKERLESS_TOO_LARGE",
        });
      }),
    );
  });
}

test("encode limits: MessagePack counts sets, maps and byte arrays too", () => {
  const { msgpack } = CODECS;
  const many = Array.from({ length: 1_000 }, (_, index) => index);
  const limits = { elementsMax: 1_000 };
  assert.throws(() => encoded(msgpack, new Set(many), limits), ELEMENTS);
  assert.throws(() => encoded(msgpack, new Map(many.map((key) => [key, 1])), limits), ELEMENTS);
  const bytes = Buffer.alloc(400);
  assert.throws(() => encoded(msgpack, [bytes, bytes, bytes], { bytesMax: 1_000 }), BYTES);
  assert.throws(() => encoded(msgpack, [-0, bytes, bytes, bytes], { bytesMax: 1_000 }), BYTES);
});

test("encode limits: JSON still reports a cycle as such, and the result of toJSON is encoded as before", () => {
  const circle: Record<string, unknown> = { many: Array.from({ length: 900 }, () => 1) };
  circle.self = circle;
  const limits = { elementsMax: 1_000, bytesMax: 100_000 };
  assert.throws(() => encoded(CODECS.json, circle, limits), /circular/);
  const value = { at: new Date(0), url: new URL("http://a/"), none: undefined, list: [null] };
  assert.equal(encoded(CODECS.json, value, limits).toString(), JSON.stringify(value));
});

test("encode limits: raw does not copy bytes that are too long", () => {
  const writer = new ByteWriter();
  const { bytes } = writer;
  const limits = { ...NO_LIMITS, bytesMax: 1_000 };
  const encode = (length: number) => raw().encode(Buffer.alloc(length), writer, limits);
  assert.throws(() => encode(100_000), BYTES);
  assert.equal(writer.bytes, bytes);
  encode(1_000);
  assert.equal(writer.length, 1_000);
});
