import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteWriter } from "../../lib/codec/byte-writer.ts";

type Step =
  | { readonly type: "append"; readonly count: number }
  | { readonly type: "reserve"; readonly count: number; readonly used: number }
  | { readonly type: "rewind" | "take"; readonly part: number }
  | { readonly type: "release" };

const part = fc.double({ min: 0, max: 1, noNaN: true });
const length = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 300 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 20_000 }) },
);
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ type: fc.constant("append" as const), count: length }),
  fc.record({ type: fc.constant("reserve" as const), count: length, used: length }),
  fc.record({ type: fc.constantFrom("rewind" as const, "take" as const), part }),
  fc.record({ type: fc.constant("release" as const) }),
);

test("byte writer: pieces hold the written bytes, and are never written again", () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 100 }), fc.boolean(), (script, isShared) => {
      const writer = isShared ? new ByteWriter(null, 4_096) : new ByteWriter();
      let open: number[] = [];
      let filler = 0;
      const pieces: { readonly piece: Buffer; readonly wanted: Buffer }[] = [];
      const take = (count: number): void => {
        const wanted = Buffer.from(open.slice(0, count));
        pieces.push({ piece: writer.take(count), wanted });
        open = open.slice(count);
      };
      for (const step of script) {
        filler = (filler + 1) % 251;
        if (step.type === "append") {
          const bytes = Buffer.alloc(step.count, filler);
          writer.append(bytes);
          open.push(...bytes);
          bytes.fill(0xff);
        } else if (step.type === "reserve") {
          // An encoder may scribble over all that it has reserved, and use only some of it.
          const at = writer.reserve(step.count);
          assert.equal(at, writer.end);
          const used = Math.min(step.count, step.used);
          writer.bytes.fill(filler, at, at + step.count);
          writer.end = at + used;
          for (let index = 0; index < used; index++) open.push(filler);
        } else if (step.type === "rewind") {
          const end = Math.floor(step.part * open.length);
          writer.rewind(end);
          open.length = end;
        } else if (step.type === "release") writer.release();
        else take(Math.floor(step.part * open.length));
        assert.equal(writer.length, open.length);
      }
      take(open.length);
      for (const { piece, wanted } of pieces) assert.ok(piece.equals(wanted));
    }),
  );
});

test("byte writer: a long slab without an open piece is given back, a short one is kept", () => {
  const writer = new ByteWriter();
  writer.append(Buffer.alloc(100));
  writer.take();
  const short = writer.bytes;
  writer.release();
  assert.equal(writer.bytes, short);
  writer.append(Buffer.alloc(60_000));
  writer.release();
  assert.equal(writer.take().length, 60_000);
  assert.ok(writer.bytes.length > 0);
  writer.release();
  assert.equal(writer.bytes.length, 0);
  writer.append(Buffer.from("again"));
  assert.equal(writer.take().toString(), "again");
});

test("byte writer: the view is always of the same memory as bytes", () => {
  const writer = new ByteWriter();
  for (let index = 0; index < 300; index++) {
    const at = writer.reserve(100);
    writer.view.setUint32(at, index, true);
    writer.end = at + 100;
    assert.equal(writer.bytes.readUInt32LE(at), index);
    if (index % 7 === 0) writer.take(50);
  }
});

test("byte writer: without a length, take returns the whole open piece", () => {
  const writer = new ByteWriter();
  writer.append(Buffer.from("abc"));
  assert.equal(writer.take().toString(), "abc");
  assert.equal(writer.length, 0);
  assert.equal(writer.take().length, 0);
});

test("byte writer: slabs shared by many pieces grow as they are used up, and no others do", () => {
  const slabsOf = (writer: ByteWriter, bytes: number): number[] => {
    const slabs = new Set<ArrayBufferLike>();
    for (let piece = 0; piece < 200; piece++) {
      writer.append(Buffer.alloc(bytes));
      slabs.add(writer.take().buffer);
    }
    return [...slabs].map(({ byteLength }) => byteLength);
  };
  const [first, ...shared] = slabsOf(new ByteWriter(null, 8_192), 100);
  assert.deepEqual([first, ...shared.slice(0, 3)], [1_024, 2_048, 4_096, 8_192]);
  assert.ok(shared.slice(3).every((bytes) => bytes === 8_192));
  assert.ok(slabsOf(new ByteWriter(), 100).every((bytes) => bytes === 1_024));
  const long = slabsOf(new ByteWriter(null, 8_192), 50_000);
  assert.ok(
    long.slice(1).every((bytes) => bytes === 62_500),
    `${long}`,
  );
});
