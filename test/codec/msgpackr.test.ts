import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { Packr, REUSE_BUFFER_MODE } from "msgpackr/index-no-eval";
import { ByteWriter } from "../../lib/codec/byte-writer.ts";
import { KeyTrie } from "../../lib/codec/msgpack/keys.ts";
import { MARK, Marks } from "../../lib/codec/msgpack/marks.ts";
import { msgpack } from "../../lib/codec/msgpack/msgpack.ts";
import { Records } from "../../lib/codec/msgpack/records.ts";
import { root } from "../package/consumer.ts";
import { encodingOf, hex } from "./values.ts";

test("msgpackr: bytes that others pack with the same msgpackr, between and within our values, stay unchanged", () => {
  const codec = msgpack();
  const writer = new ByteWriter();
  const packr = new Packr({ useRecords: false });
  const given: unknown[] = [];
  const theirs: Buffer[] = [];
  for (let i = 0; i < 3000; i++) {
    const value = {
      i,
      get text() {
        theirs.push(packr.pack({ within: i }));
        return "x".repeat(i % 700);
      },
    };
    codec.encode(value, writer);
    given.push({ i, text: "x".repeat(i % 700) });
    if (i % 3 === 0) theirs.push(packr.pack({ between: i }));
    if (i % 5 === 0) packr.pack("y".repeat(i % 9000), REUSE_BUFFER_MODE);
  }
  assert.deepEqual(codec.decodeAll!(writer.take(), 3000), given);
  const all = theirs.map((bytes) => Object.values(packr.unpack(bytes) as object)[0]);
  assert.deepEqual(
    [...new Set(all)],
    given.map((_, i) => i),
  );
});

test("msgpackr: a message may be changed as soon as it is encoded", () => {
  const codec = msgpack();
  const writer = new ByteWriter();
  const value = { bytes: Buffer.alloc(5000, 1), list: [1, 2, { three: 3 }] };
  codec.encode(value, writer);
  value.bytes.fill(9);
  value.list.push(4);
  assert.deepEqual(codec.decode(writer.take()), {
    bytes: Buffer.alloc(5000, 1),
    list: [1, 2, { three: 3 }],
  });
});

test("msgpackr: pieces that were handed out are never written again", () => {
  const codec = msgpack();
  const writer = new ByteWriter();
  const pieces: Buffer[] = [];
  const copies: Buffer[] = [];
  for (let i = 0; i < 500; i++) {
    codec.encode({ i, text: "z".repeat((i * 37) % 4000) }, writer);
    if (i % 4 === 0) pieces.push(writer.take());
    if (i % 4 === 0) copies.push(Buffer.from(pieces.at(-1)!));
  }
  assert.deepEqual(pieces, copies);
});

test("msgpackr: no native addon is loaded, and no code is generated from strings", () => {
  const program = `
    const { msgpack } = await import("${join(root, "lib", "codec", "msgpack", "msgpack.ts")}");
    const { ByteWriter } = await import("${join(root, "lib", "codec", "byte-writer.ts")}");
    const codec = msgpack();
    const writer = new ByteWriter();
    for (let i = 0; i < 100; i++) codec.encode({ id: i, "not a name": [i] }, writer);
    const values = codec.decodeAll(writer.take(), 100);
    const addons = process.report.getReport().sharedObjects.filter((path) => path.endsWith(".node"));
    process.stdout.write(JSON.stringify({ last: values.at(-1), addons }));
  `;
  const flags = ["--disallow-code-generation-from-strings", "--import", "tsx"];
  const child = spawnSync(process.execPath, [...flags, "--input-type=module", "-e", program], {
    cwd: root,
    encoding: "utf8",
  });
  assert.equal(child.stderr, "");
  const { last, addons } = JSON.parse(child.stdout) as { last: unknown; addons: string[] };
  assert.deepEqual(last, { id: 99, "not a name": [99] });
  assert.deepEqual(
    addons.filter((path) => path.includes("msgpackr")),
    [],
  );
});

/** A map's keys, remembered as a codec remembers them. */
function endOf(keys: KeyTrie, names: readonly string[]) {
  let node = keys.root;
  for (const name of names) {
    if (keys.follow(node, name) === null) keys.learn(node, name);
    node = keys.follow(node, name)!;
  }
  return node;
}

test("records: a frequent map gets a name, and at most 64 have one", () => {
  const keys = new KeyTrie();
  const records = new Records(keys);
  const come = (name: string, times: number): number => {
    let record = 0;
    for (let i = 0; i < times; i++) {
      record = records.of(endOf(keys, [name, `${name} 2`]));
      records.settle();
    }
    return record;
  };
  assert.equal(come("first", 8), 0);
  assert.equal(come("first", 1), 0x40);
  for (let i = 0; i < 2000; i++) come(`k${i % 7}`, 1 + (i % 13));
  const hostile = new KeyTrie();
  const full = new Records(hostile);
  for (let round = 0; round < 600; round++) {
    const node = endOf(hostile, [`a${round % 8}`, `b${(round >> 3) % 8}`, `c${(round >> 6) % 8}`]);
    for (let i = 0; i < 9; i++) {
      const record = full.of(node);
      assert.ok(record === 0 || (record >= 0x40 && record < 0x80));
      full.settle();
    }
    assert.ok(full.structures.length <= 64);
    assert.equal(full.structures.sharedLength, full.structures.length);
  }
  assert.equal(full.structures.length, 64);
});

test("records: no name changes before settle, and none outlives its trie", () => {
  const keys = new KeyTrie();
  const records = new Records(keys);
  const node = endOf(keys, ["a", "b"]);
  for (let i = 0; i < 20; i++) assert.equal(records.of(node), 0);
  records.settle();
  assert.equal(records.of(node), 0x40);
  assert.deepEqual([...records.structures], [["a", "b"]]);
  const { root: before } = keys;
  for (let i = 0; keys.root === before; i++) endOf(keys, [`${i % 8}`, `x${i}`]);
  records.settle();
  assert.deepEqual([...records.structures], []);
});

test("marks: a copy omits only the keys of records, and gives integers a token of their own", () => {
  const marks = new Marks();
  const source = hex("00 82 a161 50 a162 81 a163 51 00");
  const outer = marks.add(1, 2, MARK.map);
  marks.add(2, 4, outer);
  marks.add(4, 5, MARK.integer);
  marks.add(5, 7, outer);
  const inner = marks.add(7, 8, MARK.map);
  marks.add(8, 10, inner);
  marks.add(10, 11, MARK.integer);
  const copy = () => {
    const target = Buffer.alloc(marks.copyBytesMax(10));
    return target.subarray(0, marks.copy(source, { start: 1, end: 11 }, target)).toString("hex");
  };
  assert.equal(copy(), source.subarray(1, 11).toString("hex"));
  marks.become(outer, 0x41);
  assert.equal(copy(), "41cc5081a163cc51");
  marks.become(inner, 0x42);
  assert.equal(copy(), "41cc5042cc51");
});

test("negative control: without marks, msgpackr drops a byte order mark, and reads -0 as 0", () => {
  const packr = new Packr({ useRecords: false });
  const text = `\ufeff${"x".repeat(70)}`;
  assert.equal(packr.unpack(packr.pack(text)), text.slice(1));
  assert.ok(Object.is(packr.unpack(packr.pack(-0)), 0));
  assert.equal(packr.unpack(packr.pack("\ud83d".padEnd(70))), "\ufffd".padEnd(70));
  const codec = msgpack();
  assert.equal(codec.decode(encodingOf(codec, text)), text);
});

test("scan: a flat map that is truncated, or followed by other bytes, is not accepted as a whole one", () => {
  const codec = msgpack();
  const flat = { id: 65, symbol: "AAPL", price: 1.5, note: null, big: 2 ** 31, less: -70_000 };
  const encoding = encodingOf(codec, flat);
  for (let i = 0; i < 20; i++) assert.deepEqual(codec.decode(encoding), flat);
  for (let end = 0; end < encoding.length; end++) {
    assert.throws(() => codec.decode(encoding.subarray(0, end)), /msgpack: /);
  }
  const behind = Buffer.concat([encoding, hex("c0")]);
  assert.throws(() => codec.decode(behind), /bytes after the value/);
  assert.deepEqual(codec.decodeAll!(behind, 2), [flat, null]);
  assert.throws(() => codec.decodeAll!(behind, 1), /more than 1 values/);
});

test("scan: a value of any kind in place of a flat one is decoded, or refused, as usual", () => {
  const codec = msgpack();
  const others = [
    "c1",
    "d4 72 40",
    "a1 ff",
    "a2 c328",
    "91 01",
    "81 a161 40",
    "d9 01 61",
    "d9 01 ff",
  ];
  const valid = [
    "a2 c3a9",
    "c4 01 ff",
    "d6 ff 00000001",
    "d4 00 00",
    "cf 00000000000000ff",
    "7f",
    "40",
  ];
  const frameOf = (value: string) => hex(`82 a161 ${value} a162 41`);
  for (const other of [...others, ...valid]) {
    for (let i = 0; i < 12; i++) codec.decode(frameOf("01"));
    const fresh = (): unknown => msgpack().decode(frameOf(other));
    let expected: unknown;
    try {
      expected = fresh();
    } catch {
      assert.throws(() => codec.decode(frameOf(other)), other);
      continue;
    }
    assert.deepEqual(codec.decode(frameOf(other)), expected, other);
  }
});

test("scan: the caches of a codec do not change how it decodes damaged frames", () => {
  const warm = msgpack();
  const orders = fc.array(
    fc.record(
      {
        id: fc.nat(300),
        symbol: fc.string({ maxLength: 6, unit: "grapheme" }),
        price: fc.double(),
        active: fc.boolean(),
      },
      { noNullPrototype: true },
    ),
    { minLength: 1, maxLength: 4 },
  );
  const changes = fc.array(fc.tuple(fc.nat(0xffff), fc.nat(255)), { maxLength: 2 });
  let refused = 0;
  fc.assert(
    fc.property(orders, changes, (given, bytes) => {
      const clean = Buffer.concat(given.map((value) => encodingOf(warm, value)));
      assert.deepEqual(warm.decodeAll!(clean, 9), given);
      for (const [place, byte] of bytes) clean[place % clean.length] = byte;
      const outcome = (codec: typeof warm): unknown => {
        try {
          return codec.decodeAll!(clean, 9);
        } catch (error) {
          refused += 1;
          return (error as Error).message.replace(/, at byte .*/, "");
        }
      };
      assert.deepEqual(outcome(warm), outcome(msgpack()));
    }),
    { numRuns: 3000 },
  );
  assert.ok(refused > 100, `${refused} refused`);
});
