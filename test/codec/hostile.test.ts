import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Packr } from "msgpackr";
import { msgpack } from "../../lib/codec/msgpack/msgpack.ts";
import { scanMsgpack } from "./scan.ts";
import { encodingOf, hex, oracle, values } from "./values.ts";

/**
 * One codec for all tests of this file: what it remembers of hostile bytes must not change what it
 * makes of any others.
 */
const codec = msgpack();
const packr = new Packr({ useRecords: false });
const COUNT_MAX = 100_000;

/** Byte strings that were made to harm a decoder, with the harm in the name. */
const HOSTILE: Readonly<Record<string, Buffer>> = {
  "arrays that claim 2^25 elements, 100 deep": hex("dd 01ffffff".repeat(100)),
  "arrays that claim as much as there is, 32 deep": hex(
    `${"dc 7fff".repeat(32)}${"c0".repeat(0x7fff)}`,
  ),
  "a map that claims 2^32 - 1 entries": hex("df ffffffff"),
  "an array that claims 2^32 - 1 elements": hex("dd ffffffff c0c0c0"),
  "a string that claims 4 GiB": hex("db ffffffff 61"),
  "bytes that claim 4 GiB": hex("c6 ffffffff 61"),
  "an extension that claims 4 GiB": hex("c9 ffffffff ff 61"),
  "10 000 arrays in each other": hex(`${"91".repeat(10_000)}c0`),
  "10 000 maps in each other": hex(`${"81a161".repeat(10_000)}c0`),
  "10 000 maps as keys of each other": hex(`${"81".repeat(10_000)}c0`),
  "33 arrays in each other": hex(`${"91".repeat(33)}c0`),
  "an empty array as the 33rd": hex(`${"91".repeat(32)}90`),
  "a record definition": hex("d4 72 40 92 a161 a162 01 02"),
  "a record definition of two bytes": hex("d5 72 40 00 91 a161 01"),
  "an id for references": hex("d6 69 00000001 91 01"),
  "a pointer to an id": hex("d6 70 00000001"),
  "bundled strings": hex("d6 62 00000006 c1 01 a0 a161"),
  "a regular expression": hex("d4 78 00 92 a161 a0"),
  "an error": hex("d4 65 00 93 a145 a16d c0"),
  "a set": hex("d4 73 00 91 01"),
  "a typed array": hex("c7 05 74 04 00000001"),
  "a BigInt of any length": hex("c7 09 42 010000000000000000"),
  "an unknown extension": hex("d4 2a 00"),
  "an extension of no bytes": hex("c7 00 ff"),
  "undefined with something in it": hex("d4 00 01"),
  "an invalid date": hex("d4 ff ff"),
  "the byte that is never used": hex("c1"),
  "the byte that is never used, as a key": hex("81 c1 01"),
  "nil as a key": hex("81 c0 01"),
  "a float as a key": hex("81 cb 3ff8000000000000 01"),
  "an array as a key": hex("81 91 01 01"),
  "the key __proto__": hex(`81 a9 ${Buffer.from("__proto__").toString("hex")} 81 a161 01`),
  "the key __proto__ in a longer form": hex(
    `81 d9 09 ${Buffer.from("__proto__").toString("hex")} 80`,
  ),
  "a key twice": hex("82 a161 01 a161 02"),
  "a key twice, once as a number": hex("82 a131 01 01 02"),
  "invalid UTF-8": hex("a2 c328"),
  "UTF-8 cut in half": hex("a1 c3"),
  "an overlong slash": hex("a2 c0af"),
  "half of a surrogate pair": hex("a3 eda080"),
  "invalid UTF-8 in a long string": hex(`d9 30 ${"61".repeat(47)}ff`),
  "invalid UTF-8 as a key": hex("81 a1 ff 01"),
};

test("msgpack: every hostile frame is refused, alone and after a valid value", () => {
  for (const [name, bytes] of Object.entries(HOSTILE)) {
    assert.throws(() => codec.decode(bytes), Error, name);
    assert.throws(() => codec.decodeAll!(bytes, COUNT_MAX), Error, name);
    const behind = Buffer.concat([hex("81 a161 01"), bytes]);
    assert.throws(() => codec.decodeAll!(behind, COUNT_MAX), Error, name);
    assert.deepEqual(codec.decodeAll!(hex("81 a161 01 05"), 2), [{ a: 1 }, 5], `after ${name}`);
  }
});

/** Bytes of heap and buffers that were added while `run` ran, at most (bytes). */
function allocated(run: () => unknown): number {
  const used = () => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = used();
  try {
    run();
  } catch {}
  return used() - before;
}

test("msgpack: a hostile frame causes no allocation beyond the length of the frame", () => {
  for (const [name, bytes] of Object.entries(HOSTILE)) {
    const bytesMax = 1_000_000 + 100 * bytes.length;
    const grown = allocated(() => codec.decodeAll!(bytes, COUNT_MAX));
    assert.ok(grown < bytesMax, `${name}: ${grown} bytes`);
  }
});

test("negative control: a decoder that trusts lengths fails the test of allocation", () => {
  const bytes = HOSTILE["arrays that claim 2^25 elements, 100 deep"]!;
  const grown = allocated(() => new Array(bytes.readUInt32BE(1)).fill(0, 0, 1));
  assert.ok(grown > 1_000_000 + 100 * bytes.length);
});

test("negative control: without a check, one message changes how another one is decoded", () => {
  const definition = hex("d4 72 40 92 a2 6964 a4 726f6c65 01 a4 75736572");
  const redefinition = hex("d4 72 40 92 a4 726f6c65 a2 6964 a0 a0");
  const message = hex("40 02 a5 61646d696e");
  const last = (frame: Buffer): unknown => (oracle.unpackMultiple(frame) as unknown[]).at(-1);
  const innocent = Buffer.concat([definition, message]);
  const attacked = Buffer.concat([definition, redefinition, message]);
  assert.deepEqual(last(innocent), { id: 2, role: "admin" });
  assert.deepEqual(last(attacked), { role: 2, id: "admin" });
  for (const frame of [innocent, attacked]) {
    assert.throws(() => codec.decodeAll!(frame, COUNT_MAX), /no accepted value/);
  }
});

test("negative control: msgpackr alone accepts most of the hostile frames", () => {
  const accepted = Object.entries(HOSTILE).filter(([, bytes]) => {
    try {
      oracle.unpack(bytes);
      return true;
    } catch {
      return false;
    }
  });
  const names = accepted.map(([name]) => name);
  assert.ok(names.includes("a record definition"));
  assert.ok(names.includes("33 arrays in each other"));
  assert.ok(names.includes("invalid UTF-8"));
  assert.ok(names.length >= 15, names.join(", "));
});

test("msgpack: no decoded value changes a prototype", () => {
  const key = Buffer.from("constructor").toString("hex");
  const inner = Buffer.from("prototype").toString("hex");
  const bytes = hex(`81 ab ${key} 81 a9 ${inner} 81 a8 706f6c6c75746564 c3`);
  const value = codec.decode(bytes) as object;
  assert.ok(Object.hasOwn(value, "constructor"));
  assert.equal(Reflect.get({}, "polluted"), undefined);
  assert.throws(() => codec.decode(HOSTILE["the key __proto__"]!), /__proto__/);
  assert.equal(Reflect.get({}, "a"), undefined);
});

test("msgpack: the cost of empty maps, the densest frame, is proportional to their number", () => {
  const frame = Buffer.alloc(65_536, 0x80);
  const grown = allocated(() => codec.decodeAll!(frame, COUNT_MAX));
  // 56 bytes for the object, some 30 for its place in an array that grows, and about as much again for a call of msgpackr.
  assert.ok(grown < 256 * frame.length, `${grown} bytes`);
});

test("msgpack: countMax values are decoded, and one more is refused", () => {
  assert.deepEqual(codec.decodeAll!(hex("01 02 03"), 3), [1, 2, 3]);
  assert.throws(() => codec.decodeAll!(hex("01 02 03"), 2), /more than 2/);
  assert.deepEqual(codec.decodeAll!(Buffer.alloc(0), 0), []);
});

/** What a function gave, or that it threw an Error: anything else it throws is a failure. */
function outcome<T>(run: () => T): { readonly value: T } | null {
  try {
    return { value: run() };
  } catch (error) {
    assert.ok(error instanceof Error);
    return null;
  }
}

/** Either an Error, or exactly what the oracle makes of it; and an Error where the model has one. */
function agrees(frame: Buffer): void {
  const own = outcome(() => codec.decodeAll!(frame, COUNT_MAX));
  const count = outcome(() => scanMsgpack(frame, 0, frame.length));
  if (own === null) return;
  assert.equal(own.value.length, count?.value, "the model counts the values otherwise");
  const theirs = frame.length === 0 ? [] : oracle.unpackMultiple(frame);
  assert.deepEqual(own.value, theirs);
}

const encodings = fc
  .tuple(values, fc.boolean())
  .map(([value, own]) => (own ? encodingOf(codec, value) : Buffer.from(packr.pack(value))));
const frames = fc.array(encodings, { minLength: 1, maxLength: 3 }).map((all) => Buffer.concat(all));

test("msgpack: a frame cut off at any byte is refused, or decoded to its first values", () => {
  fc.assert(
    fc.property(frames, (frame) => {
      const last = Math.min(frame.length, 400);
      for (let length = 0; length < last; length++) agrees(frame.subarray(0, length));
    }),
  );
});

const places = fc.nat({ max: 0xffff });
const flips = fc.array(fc.tuple(places, fc.nat({ max: 7 })), { minLength: 1, maxLength: 3 });

test("msgpack: a frame with flipped bits is refused, or decoded as msgpackr decodes it", () => {
  fc.assert(
    fc.property(frames, flips, (frame, bits) => {
      const bytes = Buffer.from(frame);
      for (const [place, bit] of bits) bytes[place % bytes.length]! ^= 1 << bit;
      agrees(bytes);
    }),
    { numRuns: 2500 },
  );
});

const token = fc.oneof(
  fc.nat({ max: 255 }),
  fc.integer({ min: 0x80, max: 0x9f }),
  fc.integer({ min: 0xc0, max: 0xdf }),
);

test("msgpack: a frame with inserted or overwritten bytes is refused, or decoded as msgpackr decodes it", () => {
  const inserted = fc.array(token, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(frames, places, inserted, fc.boolean(), (frame, place, bytes, over) => {
      const at = place % (frame.length + 1);
      const behind = frame.subarray(over ? Math.min(frame.length, at + bytes.length) : at);
      agrees(Buffer.concat([frame.subarray(0, at), Buffer.from(bytes), behind]));
    }),
    { numRuns: 2500 },
  );
});

test("msgpack: random bytes are refused, or decoded as msgpackr decodes them", () => {
  fc.assert(
    fc.property(fc.array(token, { maxLength: 60 }), (bytes) => agrees(Buffer.from(bytes))),
    { numRuns: 10_000 },
  );
});
