import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Packr } from "msgpackr/index-no-eval";
import { ByteWriter } from "../../lib/codec/byte-writer.ts";
import { NO_LIMITS } from "../../lib/codec/elements.ts";
import { msgpack } from "../../lib/codec/msgpack/msgpack.ts";
import {
  countMsgpackElements,
  extraOfKeys,
  LENGTH_BYTES,
  SCALAR_BYTES,
} from "../../lib/codec/msgpack-elements.ts";
import { range } from "../support/fixtures.ts";

/** What follows each token of an extension, type included (bytes). */
const EXTENSIONS = [
  [[0xd4], 2],
  [[0xd5], 3],
  [[0xd6], 5],
  [[0xd7], 9],
  [[0xd8], 17],
  [[0xc7, 7], 8],
  [[0xc8, 1, 0], 257],
  [[0xc9, 0, 1, 0, 0], 65_537],
] as const;

/** Whether a count steps over exactly these bytes: one more byte is another element. */
function isOneElement(bytes: Uint8Array): boolean {
  const longer = Buffer.concat([bytes, Buffer.of(0xc0)]);
  return countMsgpackElements(bytes, 9) === 1 && countMsgpackElements(longer, 9) === 2;
}

test("msgpack elements: a scalar, a text or bytes is one, as long as msgpackr writes it", () => {
  const packr = new Packr({ useRecords: false });
  const numbers = [0, 127, 128, 256, 65_536, 2 ** 40, -1, -32, -33, -129, -32_769, 1.5, 1n];
  const texts = [0, 31, 32, 255, 256, 65_536].map((length) => "x".repeat(length));
  const bytes = [0, 255, 256, 65_536].map((length) => Buffer.alloc(length));
  for (const value of [null, true, false, ...numbers, ...texts, ...bytes]) {
    const packed = packr.pack(value);
    assert.ok(isOneElement(packed), `0x${packed[0]!.toString(16)} of ${packed.length} bytes`);
  }
});

test("msgpack elements: the header of an array or map is one, and what is in it are others", () => {
  for (const token of range(32)) assert.ok(isOneElement(Buffer.of(0x80 + token)), `${token}`);
  for (const token of [0xdc, 0xde]) assert.ok(isOneElement(Buffer.of(token, 0, 9)));
  for (const token of [0xdd, 0xdf]) assert.ok(isOneElement(Buffer.of(token, 0, 0, 0, 9)));
});

test("msgpack elements: an extension is one, with its type", () => {
  for (const [head, bytes] of EXTENSIONS) {
    const extension = Buffer.concat([Buffer.from(head), Buffer.alloc(bytes)]);
    assert.ok(isOneElement(extension), `0x${head[0].toString(16)}`);
  }
});

test("msgpack elements: a token has a length of its own or a length field, never both", () => {
  for (const token of range(256)) {
    assert.equal(SCALAR_BYTES[token]! * LENGTH_BYTES[token]!, 0, `${token}`);
  }
});

class Form {
  readonly form: unknown;
  constructor(form: unknown) {
    this.form = form;
  }
  toJSON(): unknown {
    return this.form;
  }
}

/** An object of so many properties, all of them 0. */
const dictionary = (keys: number): Record<string, number> =>
  Object.fromEntries(range(keys).map((key) => [`key ${key}`, 0]));

test("msgpack elements: a map of up to 1,024 keys has one for each key, and six for each further key", () => {
  const packr = new Packr({ useRecords: false, variableMapSize: true });
  const counted = (value: unknown): number => countMsgpackElements(packr.pack(value), 1e9);
  assert.equal(counted(dictionary(1_024)), 1 + 2 * 1_024);
  assert.equal(counted(dictionary(1_025)), 1 + 2 * 1_025 + 5);
  assert.equal(counted(dictionary(70_000)), 1 + 2 * 70_000 + 5 * (70_000 - 1_024));
  assert.equal(counted([dictionary(1_024), dictionary(1_024)]), 1 + 2 * 2_049);
  assert.equal(counted([[dictionary(1_026)], "text"]), 3 + 2 * 1_026 + 1 + 10);
});

test("msgpack elements: a header that announces more keys than are there counts them all", () => {
  assert.ok(countMsgpackElements(Buffer.of(0xdf, 0, 1, 0, 0), 1_000) > 1_000);
  assert.equal(countMsgpackElements(Buffer.of(0xdf, 0, 0, 4, 0), 1_000), 1);
});

test("msgpack elements: what is sent counts as much as what is received, in every form of a large map", () => {
  const codec = msgpack();
  const encode = (value: unknown, elementsMax: number): Buffer => {
    const writer = new ByteWriter();
    codec.encode(value, writer, { ...NO_LIMITS, elementsMax });
    return writer.take();
  };
  fc.assert(
    fc.property(fc.integer({ min: 1_020, max: 1_200 }), (keys) => {
      const object = dictionary(keys);
      const forms = [object, new Map(Object.entries(object)), { ...object, a: -0 }, [object, -0]];
      for (const value of [...forms, [[object], object], new Form(object)]) {
        const bytes = encode(value, Number.POSITIVE_INFINITY);
        const count = countMsgpackElements(bytes, 1e9);
        assert.deepEqual(encode(value, count), bytes);
        assert.throws(() => encode(value, count - 1), { code: "BROKERLESS_TOO_LARGE" });
      }
    }),
    { numRuns: 10 },
  );
  assert.deepEqual([extraOfKeys(1_024), extraOfKeys(1_026)], [0, 10]);
});
