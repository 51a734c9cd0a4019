import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createFraming } from "../../lib/batch/framing/create-framing.ts";
import { ByteWriter } from "../../lib/codec/byte-writer.ts";
import type { Codec } from "../../lib/codec/codec.ts";
import { json } from "../../lib/codec/json.ts";
import { msgpack } from "../../lib/codec/msgpack/msgpack.ts";
import { raw } from "../../lib/codec/raw.ts";

const batched = { batched: true, countMax: 1000 };
const bare = { batched: false, countMax: 1000 };
const codecError = { name: "BrokerlessError", code: "BROKERLESS_CODEC" };

function frameOf<T>(codec: Codec<T>, options: typeof batched, values: readonly T[]): Buffer {
  const framing = createFraming(codec, options);
  const writer = new ByteWriter();
  for (const value of values) framing.append(value, writer);
  return writer.take();
}

const keys = fc.string().filter((key) => key !== "__proto__");
const documents = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.integer(),
  fc.dictionary(keys, fc.boolean(), { noNullPrototype: true }),
);

test("framing: a batched msgpack frame is decoded to its values in order", () => {
  const values = fc.array(documents, { minLength: 1 });
  fc.assert(
    fc.property(values, (given) => {
      const frame = frameOf<unknown>(msgpack(), batched, given);
      assert.deepEqual(createFraming(msgpack(), batched).decode(frame), given);
    }),
  );
});

test("framing: a batched json frame is decoded to its values in order", () => {
  const values = fc.array(documents, { minLength: 1 });
  fc.assert(
    fc.property(values, (given) => {
      const frame = frameOf<unknown>(json(), batched, given);
      assert.deepEqual(createFraming(json(), batched).decode(frame), given);
    }),
  );
});

test("framing: a batched raw frame is decoded to its values in order", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { minLength: 1 }), (given) => {
      const entries = createFraming(raw(), batched).decode(frameOf(raw(), batched, given));
      assert.deepEqual(
        entries.map((entry) => [...entry]),
        given.map((entry) => [...entry]),
      );
    }),
  );
});

test("framing: a batched frame has the documented layout", () => {
  const bytes = (text: string) => Buffer.from(text, "hex");
  assert.deepEqual(frameOf<unknown>(msgpack(), batched, [1, true]), bytes("cc01c3"));
  assert.deepEqual(frameOf<unknown>(json(), batched, [1, true]), Buffer.from("1 \ntrue \n"));
  const entries = [bytes("aabb"), bytes("")];
  assert.deepEqual(frameOf(raw(), batched, entries), bytes("c1020000aabbc1000000"));
});

test("framing: an unbatched frame is the bare value", () => {
  assert.deepEqual(frameOf<unknown>(msgpack(), bare, [true]), Buffer.from([0xc3]));
  assert.deepEqual(frameOf<unknown>(json(), bare, [true]), Buffer.from("true \n"));
  assert.deepEqual(frameOf(raw(), bare, [Buffer.from("ab")]), Buffer.from("ab"));
});

test("framing: an unbatched frame must hold exactly one value", () => {
  assert.deepEqual(createFraming(msgpack(), bare).decode(Buffer.from([7])), [7]);
  assert.deepEqual(createFraming(json(), bare).decode(Buffer.from("7")), [7]);
  assert.deepEqual(createFraming(json(), bare).decode(Buffer.from("7\n")), [7]);
  const two = Buffer.from([7, 7]);
  assert.throws(() => createFraming(msgpack(), bare).decode(two), codecError);
  assert.throws(() => createFraming(json(), bare).decode(Buffer.from("7\n7\n")), codecError);
});

test("framing: an unbatched empty frame is one empty value for raw, and refused by the other codecs", () => {
  const empty = Buffer.alloc(0);
  assert.deepEqual(createFraming(raw(), bare).decode(empty), [empty]);
  assert.throws(() => createFraming(msgpack(), bare).decode(empty), codecError);
  assert.throws(() => createFraming(json(), bare).decode(empty), codecError);
  assert.throws(() => createFraming(json(), bare).decode(Buffer.from("\n")), codecError);
});

test("framing: a batched empty frame is refused by every codec", () => {
  for (const codec of [msgpack(), json(), raw() as Codec]) {
    assert.throws(() => createFraming(codec, batched).decode(Buffer.alloc(0)), codecError);
  }
});

test("framing: the last line of a batched json frame may lack its line feed", () => {
  const framing = createFraming(json(), batched);
  assert.deepEqual(framing.decode(Buffer.from("1\n2")), [1, 2]);
  assert.throws(() => framing.decode(Buffer.from("1\n\n2\n")), codecError);
});

test("framing: a raw frame cut off anywhere but between entries is refused", () => {
  const frame = frameOf(raw(), batched, [Buffer.from("abc"), Buffer.from("defg")]);
  const framing = createFraming(raw(), batched);
  for (let length = 0; length < frame.length; length++) {
    const cut = frame.subarray(0, length);
    if (length === 7) assert.equal(framing.decode(cut).length, 1);
    else assert.throws(() => framing.decode(cut), codecError, `${length} bytes`);
  }
});

test("framing: a raw entry that claims up to 4 GiB is refused before anything is sliced", () => {
  const framing = createFraming(raw(), batched);
  for (const length of [5, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
    const frame = Buffer.alloc(8);
    frame.writeUInt32LE(length);
    assert.throws(() => framing.decode(frame), codecError, `${length}`);
  }
});

test("framing: countMax values are accepted and one more is refused", () => {
  const limited = { batched: true, countMax: 3 };
  for (const codec of [msgpack(), json(), raw() as Codec]) {
    const framing = createFraming(codec, limited);
    const value = codec.name === "raw" ? Buffer.from("x") : "x";
    assert.equal(framing.decode(frameOf(codec, batched, [value, value, value])).length, 3);
    const four = frameOf(codec, batched, [value, value, value, value]);
    assert.throws(() => framing.decode(four), codecError, codec.name);
  }
});

/** Writes until its piece has moved to a larger slab, then fails on the word "bad". */
function failing(delimiter: Codec["delimiter"]): Codec<string> {
  return {
    name: "failing",
    delimiter,
    encode(value, writer) {
      writer.append(Buffer.from(value));
      if (value === "bad") {
        writer.append(Buffer.alloc(5000, 0x21));
        throw new RangeError("half-way");
      }
    },
    decode: (bytes) => bytes.toString(),
    decodeAll: (frame) => [frame.toString()],
  };
}

test("framing: a codec that throws half-way leaves the open frame unchanged", () => {
  for (const delimiter of ["self", "newline", "length"] as const) {
    for (const options of [batched, bare]) {
      const framing = createFraming(failing(delimiter), options);
      const writer = new ByteWriter();
      framing.append("good", writer);
      const before = Buffer.from(writer.bytes.subarray(writer.start, writer.end));
      assert.throws(
        () => framing.append("bad", writer),
        (error: Error) => error.cause instanceof RangeError,
      );
      assert.throws(() => framing.append("bad", writer), codecError);
      assert.deepEqual(writer.take(), before);
    }
  }
});

test("framing: bytes taken from the writer are never written again", () => {
  const framing = createFraming<unknown>(msgpack(), batched);
  const writer = new ByteWriter();
  framing.append("first", writer);
  const taken = writer.take();
  const before = Buffer.from(taken);
  for (let i = 0; i < 200; i++) framing.append({ i, text: "x".repeat(i) }, writer);
  assert.deepEqual(taken, before);
});

test("framing: a self-delimiting codec without decodeAll is a TypeError at once", () => {
  const codec: Codec = { name: "half", delimiter: "self", encode() {}, decode: () => null };
  assert.throws(() => createFraming(codec, batched), TypeError);
  assert.deepEqual(createFraming(codec, bare).decode(Buffer.from("x")), [null]);
});
