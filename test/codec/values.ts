import fc from "fast-check";
import { Unpackr } from "msgpackr";
import { ByteWriter } from "../../lib/codec/byte-writer.ts";
import type { Codec } from "../../lib/codec/codec.ts";

/** Any string that has a UTF-8 form, of every width. */
export const texts: fc.Arbitrary<string> = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.string({ unit: "binary-ascii", maxLength: 20 }),
  fc.string({ unit: "grapheme", minLength: 30, maxLength: 300 }),
);

/** Keys that come again and again, and keys that never come again. */
export const keys: fc.Arbitrary<string> = fc
  .oneof(
    fc.constantFrom("id", "symbol", "price", "a", "", "1", "é", "a key of 32 bytes and more....."),
    texts,
  )
  .filter((key) => key !== "__proto__");

const numbers = fc.oneof(
  fc.integer(),
  fc.integer({ min: -40_000, max: 70_000 }),
  fc.integer({ min: -200, max: 300 }),
  fc.maxSafeInteger(),
  fc.double(),
  fc.constant(-0),
);

const bigints = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.constantFrom(0n, -1n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n)),
);

const scalars = fc.oneof(
  texts,
  numbers,
  bigints,
  fc.boolean(),
  fc.constantFrom(null, undefined),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
);

/** Every value that comes back from MessagePack as it went. */
export const values: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, depthSize: "small" },
    scalars,
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(keys, tie("value"), { maxKeys: 20, noNullPrototype: true }),
  ),
})).value;

/** The oracle: msgpackr as it would be used without this package. */
export const oracle: Unpackr = new Unpackr({
  useRecords: false,
  mapsAsObjects: true,
  copyBuffers: true,
});

/** @returns the encoding of one value by itself */
export function encodingOf<T>(codec: Codec<T>, value: T): Buffer {
  const writer = new ByteWriter();
  codec.encode(value, writer);
  return writer.take();
}

/** @returns bytes written as hexadecimal digits, with spaces where they help the reader */
export function hex(digits: string): Buffer {
  return Buffer.from(digits.replaceAll(" ", ""), "hex");
}
