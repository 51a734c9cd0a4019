import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Codec, pieceReader } from "../../lib/codec/codec.ts";
import { json } from "../../lib/codec/json.ts";
import { msgpack } from "../../lib/codec/msgpack/msgpack.ts";
import { raw } from "../../lib/codec/raw.ts";
import { encodingOf, values } from "./values.ts";

interface Pieces {
  readonly bytes: Buffer;
  /** Where each encoding ends; the next one starts there (byte offsets). */
  readonly ends: readonly number[];
}

function join(encodings: readonly Buffer[]): Pieces {
  let end = 0;
  return { bytes: Buffer.concat(encodings), ends: encodings.map(({ length }) => (end += length)) };
}

function readAll<T>(codec: Codec<T>, { bytes, ends }: Pieces): T[] {
  const read = pieceReader(codec, bytes);
  return ends.map((end, index) => read(ends[index - 1] ?? 0, end));
}

test("piece reader: values are read in place as decode reads them", () => {
  const codec = msgpack();
  fc.assert(
    fc.property(fc.array(values, { minLength: 1, maxLength: 20 }), (list) => {
      const encodings = list.map((value) => encodingOf(codec, value));
      const expected = encodings.map((encoding) => codec.decode(encoding));
      assert.deepEqual(readAll(codec, join(encodings)), expected);
    }),
  );
});

test("piece reader: a truncated value is refused, whatever follows it in the buffer", () => {
  const codec = msgpack();
  const value = { id: 7, name: "a text of some length", tags: ["a", "b"], at: new Date(0) };
  const encoding = encodingOf(codec, value);
  const { bytes } = join([encoding, encoding]);
  const read = pieceReader(codec, bytes);
  for (let end = 0; end < encoding.length; end++) {
    assert.throws(() => read(0, end), /the end, with more announced|with fewer bytes left/);
  }
  assert.throws(() => read(0, encoding.length + 1), /bytes after the value/);
  assert.deepEqual(read(encoding.length, 2 * encoding.length), value);
});

test("piece reader: a codec without decodeIn gets views of the pieces", () => {
  const words = [Buffer.from('"a"'), Buffer.from("12"), Buffer.from("[true]")];
  assert.deepEqual(readAll(json(), join(words)), ["a", 12, [true]]);
  // A buffer that does not start where its memory does.
  const { bytes, ends } = join(words);
  const inner = Buffer.concat([Buffer.alloc(5), bytes]).subarray(5);
  const read = readAll(raw(), { bytes: inner, ends });
  assert.deepEqual(read, words);
});
