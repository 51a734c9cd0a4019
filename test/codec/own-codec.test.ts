import assert from "node:assert/strict";
import { test } from "node:test";
import { createFraming } from "../../lib/batch/framing/create-framing.ts";
import { ByteWriter } from "../../lib/codec/byte-writer.ts";
import type { Codec, Delimiter } from "../../lib/codec/codec.ts";
import { BrokerlessError } from "../../lib/errors.ts";
import { Pull, Push } from "../../lib/index.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, open } from "../support/fixtures.ts";

/** A codec of a user, whose values are texts of one letter. */
function letters(delimiter: Delimiter, parts: Partial<Codec<unknown>> = {}): Codec<unknown> {
  const codec: Codec<unknown> = {
    name: "own",
    delimiter,
    encode: (value, writer) => writer.append(Buffer.from(String(value))),
    decode: (bytes) => bytes.toString(),
    decodeAll: (frame) => [...frame].map((byte) => codec.decode(Buffer.from([byte]))),
    ...parts,
  };
  return codec;
}

const no = new RangeError("I do not like it");
const FRAMINGS = (["self", "newline", "length"] as const).flatMap((delimiter) =>
  [true, false].map((batched) => ({ delimiter, batched })),
);

test("codec of a user: an error of its decode is reported and kept as cause, for all frames", () => {
  for (const { delimiter, batched } of FRAMINGS) {
    const where = `${delimiter} ${batched}`;
    const throwing: Partial<Codec<unknown>> = {
      decode: () => {
        throw no;
      },
    };
    const options = { batched, countMax: 10 };
    const writer = new ByteWriter();
    createFraming(letters(delimiter), options).append("5", writer);
    const frame = writer.take();
    assert.throws(
      () => createFraming(letters(delimiter, throwing), options).decode(frame),
      (error) => {
        assert.ok(error instanceof BrokerlessError && error.code === "BROKERLESS_CODEC", where);
        assert.equal(error.message, "codec own cannot decode the frame: I do not like it", where);
        assert.equal(error.cause, no);
        return true;
      },
    );
  }
});

test("codec of a user: where a frame may come from another codec, its own error is reported and kept as cause too", () => {
  const writer = new ByteWriter();
  createFraming(letters("length"), { batched: true, countMax: 10 }).append("a", writer);
  const reader = letters("newline", {
    decode: () => {
      throw no;
    },
  });
  assert.throws(
    () => createFraming(reader, { batched: true, countMax: 10 }).decode(writer.take()),
    (error) => {
      assert.match(String(error), /codec raw came to .* codec own: .*I do not like it/);
      assert.equal((error as Error).cause, no);
      return true;
    },
  );
});

const PROMISED = {
  code: "BROKERLESS_CODEC",
  message: /own cannot (en|de)code the .*: (en|de)code returned a promise; it must not be asynch/,
} as const;

test("codec of a user: promises are refused, and their rejections are handled", async () => {
  for (const { delimiter, batched } of FRAMINGS) {
    const options = { batched, countMax: 10 };
    const asynchronous = letters(delimiter, {
      encode: async (value, writer) => {
        writer.append(Buffer.from(String(value)));
        throw no;
      },
      decode: async () => {
        throw no;
      },
    });
    const framing = createFraming(asynchronous, options);
    const writer = new ByteWriter();
    assert.throws(
      () => framing.append("b", writer),
      (error) => (error as Error).cause instanceof TypeError,
    );
    assert.throws(() => framing.append("b", writer), PROMISED);
    assert.equal(writer.length, 0);
    createFraming(letters(delimiter), options).append("a", writer);
    assert.throws(() => framing.decode(writer.take()), PROMISED);
  }
  const all = letters("self", { decodeAll: (async () => [1]) as never });
  assert.throws(
    () => createFraming(all, { batched: true, countMax: 10 }).decode(Buffer.from("a")),
    PROMISED,
  );
  // An unhandled rejection would end the test here.
  await new Promise((resolve) => setImmediate(resolve));
});

test("codec of a user: a reliable socket refuses its promises, and keeps working", async (t) => {
  const broken = (what: "encode" | "decode"): Codec<unknown> => {
    const good = letters("length");
    return letters("length", {
      [what]: (value: never, writer: never) =>
        String(value) === "b" ? Promise.reject(no) : good[what](value, writer),
    });
  };
  const push = open(t, new Push<unknown>({ reliable: true, codec: broken("encode") }));
  const pull = open(t, new Pull<unknown>({ reliable: true, codec: letters("length") }));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  await assert.rejects(push.send("b"), PROMISED);
  await push.send("c");
  assert.equal(await pull.receive(), "c");

  const sender = open(t, new Push<unknown>({ reliable: true, codec: letters("length") }));
  const reader = open(t, new Pull<unknown>({ reliable: true, codec: broken("decode") }));
  const errors = errorsOf(reader);
  reader.connect(await sender.bind("tcp://127.0.0.1:*"));
  const dead = sender.send("b", { confirm: "processed" });
  await sender.send("c");
  assert.equal(await reader.receive(), "c");
  await assert.rejects(dead, { code: "BROKERLESS_DEAD_LETTER" });
  await eventually(() => assert.equal(errors.length, 1));
  assert.match(errors[0]!.message, PROMISED.message);
});
