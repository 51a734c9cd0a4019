import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createFraming } from "../../lib/batch/framing/create-framing.ts";
import { ByteWriter } from "../../lib/codec/byte-writer.ts";
import { type Codec, json, msgpack, raw } from "../../lib/index.ts";

const LIMITS = { countMax: 1_000 };

function frameOf(codec: Codec<never>, batched: boolean, values: readonly unknown[]): Buffer {
  const writer = new ByteWriter();
  const framing = createFraming(codec as Codec<unknown>, { batched, ...LIMITS });
  for (const value of values) framing.append(value, writer);
  return writer.take();
}

const read = (codec: Codec<never>, batched: boolean, frame: Buffer): unknown[] =>
  createFraming(codec as Codec<unknown>, { batched, ...LIMITS }).decode(frame);

const both = (maker: string, reader: string) => ({
  code: "BROKERLESS_CODEC",
  message: `a frame of the codec ${maker} came to a socket with the codec ${reader}: both sides need the same`,
});

const values = fc.array(fc.oneof(fc.jsonValue(), fc.integer({ min: 0, max: 127 })), {
  minLength: 1,
  maxLength: 20,
});
const noProto = (value: unknown): boolean => !JSON.stringify(value).includes("__proto__");

for (const batched of [true, false]) {
  const kind = batched ? "batched" : "single";
  const some = values.filter(noProto).map((all) => (batched ? all : all.slice(0, 1)));

  test(`codecs: a ${kind} frame of msgpack is refused by json, and vice versa, with both named in the error`, () => {
    fc.assert(
      fc.property(some, (given) => {
        const packed = frameOf(msgpack(), batched, given);
        const text = frameOf(json(), batched, given);
        assert.throws(() => read(json(), batched, packed), both("msgpack", "json"));
        assert.throws(() => read(msgpack(), batched, text), both("json", "msgpack"));
      }),
    );
  });
}

test("codecs: a batched frame of raw is refused by the other codecs, and theirs by raw", () => {
  const bytes = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(bytes, values.filter(noProto), (given, others) => {
      const frame = frameOf(raw() as Codec<never>, true, given);
      assert.throws(() => read(json(), true, frame), both("raw", "json"));
      assert.throws(() => read(msgpack(), true, frame), both("raw", "msgpack"));
      const own = raw() as Codec<never>;
      assert.throws(() => read(own, true, frameOf(json(), true, others)), both("json", "raw"));
      const packed = frameOf(msgpack(), true, others);
      assert.throws(() => read(own, true, packed), both("msgpack", "raw"));
    }),
  );
});

test("codecs: frames that peers of other libraries write are read unchanged", () => {
  const bytes = (text: string): Buffer => Buffer.from(text, "hex");
  assert.deepEqual(read(msgpack(), true, bytes("00017f")), [0, 1, 127]);
  assert.deepEqual(read(msgpack(), false, bytes("31")), [49]);
  assert.deepEqual(read(msgpack(), true, bytes("310a")), [49, 10], "no space before the line feed");
  assert.deepEqual(read(msgpack(), true, bytes("01200a")), [1, 32, 10], "no JSON");
  assert.deepEqual(read(json(), true, Buffer.from("1\n[2]\n")), [1, [2]]);
  assert.deepEqual(read(json(), false, Buffer.from('"a"')), ["a"]);
});

test("codecs: a long frame of another codec is refused without being parsed", () => {
  const text = frameOf(json(), true, ["x".repeat(70_000)]);
  assert.throws(() => read(msgpack(), true, text), both("json", "msgpack"));
});

test("codecs: the error of a user's own codec names the codec of the frame, where that is certain", () => {
  const custom: Codec<never> = {
    name: "mine",
    delimiter: "newline",
    encode: () => {},
    decode: () => {
      throw new Error("no");
    },
  };
  const ours = both("json", "mine");
  const withReason = { ...ours, message: `${ours.message} (mine: no)` };
  assert.throws(() => read(custom, true, frameOf(json(), true, [1])), withReason);
  const unknown = { code: "BROKERLESS_CODEC", message: "codec mine cannot decode the frame: no" };
  assert.throws(() => read(custom, true, Buffer.from("a\n")), unknown);
  assert.throws(() => read(custom, true, frameOf(msgpack(), true, [[1]])), unknown);
});

test("raw: a message of 16 MiB or more is alone in its frame, and complete", () => {
  for (const bytes of [2 ** 24 - 2, 2 ** 24 - 1, 2 ** 24 + 5]) {
    const frame = frameOf(raw() as Codec<never>, true, [Buffer.alloc(bytes, 7)]);
    assert.equal(frame.length, bytes + 4);
    const [value] = read(raw() as Codec<never>, true, frame) as Buffer[];
    assert.equal(value?.length, bytes);
  }
  const lie = Buffer.from("c1ffffff00", "hex");
  assert.throws(() => read(raw() as Codec<never>, true, lie), { code: "BROKERLESS_CODEC" });
});
