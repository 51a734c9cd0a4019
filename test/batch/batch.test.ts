import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { Batch, checkBatch } from "../../lib/batch/batch.ts";
import { BatchEncoder } from "../../lib/batch/batch-encoder.ts";
import { mergeBatches, sliceBatch } from "../../lib/batch/batch-split.ts";
import type { EntryInput } from "../../lib/batch/entry.ts";
import { BATCH, BATCH_HEADER_BYTES, streamBytes } from "../../lib/batch/layout.ts";

const STREAM = "000102030405060708090a0b0c0d0e0f";
const seal = {
  stream: streamBytes(STREAM),
  epoch: 3,
  seqFirst: 41,
  durableBefore: 40,
  timeMs: 1_700_000_000_123,
};

function encode(entries: readonly EntryInput[], seqFirst = seal.seqFirst): Buffer {
  const encoder = new BatchEncoder({ codec: 2 });
  for (const entry of entries) {
    if (Object.keys(entry).length === 1) encoder.add(entry.value);
    else encoder.addEntry(entry);
  }
  const draft = encoder.take();
  draft.seal({ ...seal, seqFirst });
  return Buffer.from(draft.batch);
}

function plain(batch: Batch): EntryInput[] {
  return [...batch].map((entry) => {
    const { key, headers, createdAtMs, notBeforeMs, expiresAtMs } = entry;
    const all = { key, headers, createdAtMs, notBeforeMs, expiresAtMs };
    const given = Object.entries(all).filter(([, value]) => value !== undefined);
    return { value: Buffer.from(entry.value), ...Object.fromEntries(given) };
  });
}

const time = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const text = fc.string({ maxLength: 20 });
const arbitraryEntry: fc.Arbitrary<EntryInput> = fc.record(
  {
    value: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    key: text,
    headers: fc.dictionary(fc.string({ minLength: 1, maxLength: 9 }), text, {
      maxKeys: 3,
      noNullPrototype: true,
    }),
    createdAtMs: time,
    notBeforeMs: time,
    expiresAtMs: time,
  },
  { requiredKeys: ["value"], noNullPrototype: true },
);
const entries = fc.array(arbitraryEntry, { minLength: 1, maxLength: 12 });

/** Frozen: what is on disks and wires today must be read for ever. */
const VECTOR =
  "86e5b2e968000000424b010002000000000102030405060708090a0b0c0d0e0f03000000020000002900000000" +
  "00000028000000000000007b68e5cf8b01000001000000ff1f0000700509000000000000000a00000000000000" +
  "01006b050000000168010076686a";

test("batch: the encoder reproduces the frozen vector", () => {
  const bytes = encode([
    { value: Buffer.from([0xff]) },
    {
      value: Buffer.from("hj"),
      key: "k",
      headers: { h: "v" },
      createdAtMs: 9,
      expiresAtMs: 10,
    },
  ]);
  assert.equal(bytes.toString("hex"), VECTOR);
  assert.equal(checkBatch(Buffer.from(VECTOR, "hex")), null);
});

test("batch: decoding returns the encoded entries", () => {
  fc.assert(
    fc.property(entries, (given) => {
      const bytes = encode(given);
      assert.equal(checkBatch(bytes), null);
      const batch = new Batch(bytes);
      assert.deepEqual(plain(batch), given);
      assert.deepEqual(
        [batch.stream, batch.epoch, batch.seqFirst, batch.durableBefore, batch.timeMs, batch.codec],
        [STREAM, 3, 41, 40, seal.timeMs, 2],
      );
    }),
  );
});

test("batch: the slices of a batch, merged again, equal the batch", () => {
  fc.assert(
    fc.property(entries, fc.nat(), (given, cut) => {
      const whole = new Batch(encode(given));
      const middle = whole.seqFirst + (cut % whole.count);
      const pieces = [
        sliceBatch(whole, { seqFirst: whole.seqFirst, seqLast: middle }),
        ...(middle === whole.seqLast
          ? []
          : [sliceBatch(whole, { seqFirst: middle + 1, seqLast: whole.seqLast })]),
      ].map((bytes) => {
        assert.equal(checkBatch(bytes), null);
        return new Batch(bytes);
      });
      assert.deepEqual(pieces.flatMap(plain), given);
      assert.deepEqual(mergeBatches(pieces), whole.bytes);
    }),
  );
});

test("batch: every flipped bit is detected", () => {
  const bytes = encode([{ value: Buffer.from("hello"), key: "k" }, { value: Buffer.alloc(9) }]);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3] = bytes[bit >> 3]! ^ (1 << (bit & 7));
    assert.notEqual(checkBatch(bytes), null, `bit ${bit}`);
    bytes[bit >> 3] = bytes[bit >> 3]! ^ (1 << (bit & 7));
  }
});

test("batch: every shortened or lengthened batch is refused", () => {
  const bytes = encode([{ value: Buffer.from("hello") }]);
  for (let length = 0; length < bytes.length; length++) {
    assert.notEqual(checkBatch(bytes.subarray(0, length)), null, `length ${length}`);
  }
  assert.notEqual(checkBatch(Buffer.concat([bytes, Buffer.alloc(1)])), null);
});

test("batch: a later version is refused, and named in the error", () => {
  const bytes = encode([{ value: Buffer.alloc(1) }]);
  bytes[10] = 2;
  assert.match(checkBatch(bytes) ?? "", /version 2/);
});

test("batch: seqs up to 2^53 - 1 are accepted, and larger ones are refused", () => {
  const last = BigInt(Number.MAX_SAFE_INTEGER);
  const fault = (seqFirst: bigint, count: number): string | null => {
    const bytes = encode(Array.from({ length: count }, () => ({ value: Buffer.alloc(1) })));
    bytes.writeBigUInt64LE(seqFirst, BATCH.seqFirst);
    bytes.writeUInt32LE(crc32(bytes.subarray(BATCH.bytes)), BATCH.checksum);
    return checkBatch(bytes);
  };
  // The first of each lies within; one more of either number does not.
  for (const count of [1, 2, 3, 8]) {
    const highest = last - BigInt(count - 1);
    assert.equal(fault(highest, count), null, `${count} to 2^53 - 1`);
    for (const beyond of [1n, 2n, 3n, 2n ** 62n]) {
      assert.equal(fault(highest + beyond, count), "its seq is wrong", `${count}, ${beyond} more`);
    }
  }
  for (const seq of [0n, 2n ** 53n, 2n ** 53n + 2n, 2n ** 64n - 1n]) {
    assert.equal(fault(seq, 1), "its seq is wrong", `seq ${seq}`);
  }
});

test("batch: a slice beyond the batch, and a merge of batches that are not consecutive, are a TypeError", () => {
  const batch = new Batch(encode([{ value: Buffer.alloc(1) }, { value: Buffer.alloc(1) }]));
  assert.throws(() => sliceBatch(batch, { seqFirst: 40, seqLast: 41 }), TypeError);
  assert.throws(() => sliceBatch(batch, { seqFirst: 42, seqLast: 41 }), TypeError);
  assert.throws(() => mergeBatches([batch, batch]), TypeError);
  assert.throws(() => mergeBatches([]), TypeError);
});

test("batch: an aborted entry leaves no trace", () => {
  const encoder = new BatchEncoder();
  encoder.add(Buffer.from("a"));
  encoder.begin({ key: "gone" });
  encoder.writer.append(Buffer.alloc(500));
  encoder.abort();
  encoder.begin();
  encoder.writer.append(Buffer.from("b"));
  encoder.finish();
  const draft = encoder.take();
  draft.seal(seal);
  assert.equal(draft.batch.length, BATCH_HEADER_BYTES + 10);
  assert.deepEqual(
    plain(new Batch(draft.batch)).map((entry) => entry.value.toString()),
    ["a", "b"],
  );
});

test("batch: invalid keys, headers and times are a TypeError", () => {
  const value = Buffer.alloc(1);
  const encoder = new BatchEncoder();
  for (const entry of [
    { value, key: "k".repeat(65_536) },
    { value, headers: { "": "x" } },
    { value, headers: { x: "t".repeat(65_536) } },
    // Half of a surrogate pair: what is read would be another text.
    { value, key: "k\ud800" },
    { value, headers: { "\udc00": "x" } },
    { value, headers: { x: "\ude00\ud83d" } },
    { value, notBeforeMs: -1 },
    { value, expiresAtMs: 0.5 },
  ]) {
    assert.throws(() => encoder.addEntry(entry), TypeError);
  }
  assert.equal(encoder.count, 0);
  // The control: a whole pair, and what halves would become.
  encoder.addEntry({ value, key: "\ud83d\ude00", headers: { "\ufffd": "\u{1f600}" } });
  assert.equal(encoder.count, 1);
});
