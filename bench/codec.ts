/**
 * `npx tsx bench/codec.ts [name]`: the cost of encoding and decoding, in one process and without sockets.
 *
 * The contenders of a row are interleaved within every round, so that a busy moment of the host affects all of them. It
 * prints nanoseconds for each value: minimum, median and maximum of the rounds.
 */
import { Packr, Unpackr } from "msgpackr";
import { createFraming } from "../lib/batch/framing/create-framing.ts";
import { ByteWriter } from "../lib/codec/byte-writer.ts";
import type { Codec } from "../lib/codec/codec.ts";
import { json } from "../lib/codec/json.ts";
import { msgpack } from "../lib/codec/msgpack/msgpack.ts";
import { raw } from "../lib/codec/raw.ts";

const VALUES = 600;
const ROUNDS = 60;
const WARM_UP_ROUNDS = 20;
const FRAMES_PER_ROUND = 15;

/** Processes all values once, and returns a result that depends on them. */
type Contender = () => number;

const order = (i: number) => ({
  id: i,
  symbol: "AAPL",
  price: 123.45 + i,
  quantity: i % 1000,
  side: "buy",
  venue: "XNAS",
  active: true,
});

const SAMPLES: Readonly<Record<string, (i: number) => unknown>> = {
  "order, 7 fields": order,
  "orders with ids of their own": (i) => ({ ...order(i), id: `order-${(i * 7919) % 100_000}` }),
  "two types in turns": (i) =>
    i % 2 === 0 ? order(i) : { kind: "fill", at: i, user: `u${i % 90}`, total: i / 7, note: null },
  "objects in objects": (i) => ({
    id: i,
    user: { name: `bob${i % 50}`, age: i % 90 },
    tags: ["a", "bb", "ccc"],
    at: { x: i / 3, y: i / 7 },
  }),
  "long texts": (i) => ({
    id: i,
    key: `0123456789abcdef0123456789abcdef0${100 + i}`,
    text: `The quick brown fox jumps over the lazy dog ${i}`,
  }),
  "dictionaries, 20 of 5000 keys": (i) =>
    Object.fromEntries(
      Array.from({ length: 20 }, (_, k) => [`word${(i * 31 + k * 7919) % 5000}`, k]),
    ),
  numbers: (i) => [i, i * 1000, i / 3, -i],
};

function encoder(codec: Codec, values: readonly unknown[]): Contender {
  const framing = createFraming(codec, { batched: true, countMax: VALUES });
  const writer = new ByteWriter();
  return () => {
    for (const value of values) framing.append(value, writer);
    return writer.take().length;
  };
}

function frameOf(codec: Codec, values: readonly unknown[]): Buffer {
  const framing = createFraming(codec, { batched: true, countMax: VALUES });
  const writer = new ByteWriter();
  for (const value of values) framing.append(value, writer);
  return writer.take();
}

function decoder(codec: Codec, frame: Buffer): Contender {
  const framing = createFraming(codec, { batched: true, countMax: VALUES });
  return () => framing.decode(frame).length;
}

/** msgpackr into its scratch buffer, copied out, without any check of the values. */
function msgpackrEncoder(values: readonly unknown[]): Contender {
  const packr = new Packr({ useRecords: false });
  const writer = new ByteWriter();
  const scratchMode = 512 | 1024;
  return () => {
    for (const value of values) {
      const scratch = packr.pack(value, scratchMode) as Buffer & { start: number; end: number };
      const count = scratch.end - scratch.start;
      const at = writer.reserve(count);
      scratch.copy(writer.bytes, at, scratch.start, scratch.end);
      writer.end = at + count;
    }
    return writer.take().length;
  };
}

/** msgpackr without any check of the bytes. */
function msgpackrDecoder(frame: Buffer): Contender {
  const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, copyBuffers: true });
  return () => (unpackr.unpackMultiple(frame) as unknown[]).length;
}

function* rows(): Generator<[string, Record<string, Contender>]> {
  for (const [name, sample] of Object.entries(SAMPLES)) {
    const values = Array.from({ length: VALUES }, (_, i) => sample(i));
    yield [
      `encode ${name}`,
      {
        "msgpack()": encoder(msgpack(), values),
        "msgpackr alone": msgpackrEncoder(values),
        "json()": encoder(json(), values),
      },
    ];
    const packed = Buffer.concat(values.map((value) => frameOf(msgpack(), [value])));
    yield [
      `decode ${name}`,
      {
        "msgpack()": decoder(msgpack(), packed),
        "msgpackr alone": msgpackrDecoder(packed),
        "json()": decoder(json(), frameOf(json(), values)),
      },
    ];
  }
  const entries = Array.from({ length: VALUES }, () => Buffer.alloc(100, 0x61));
  const frame = frameOf(raw() as Codec, entries);
  yield ["encode 100 bytes", { "raw()": encoder(raw() as Codec, entries) }];
  yield [
    "decode 100 bytes",
    {
      "raw()": decoder(raw() as Codec, frame),
      "subarray alone": () => entries.map((_, i) => frame.subarray(i * 104, i * 104 + 100)).length,
    },
  ];
}

/** Nanoseconds for each value, of every round, ascending. */
function measure(contenders: Record<string, Contender>): Map<string, number[]> {
  const times = new Map(Object.keys(contenders).map((name) => [name, [] as number[]]));
  let sum = 0;
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    for (const [name, run] of Object.entries(contenders)) {
      const start = process.hrtime.bigint();
      for (let i = 0; i < FRAMES_PER_ROUND; i++) sum += run();
      const nanoseconds = Number(process.hrtime.bigint() - start);
      if (round >= WARM_UP_ROUNDS) {
        times.get(name)!.push(nanoseconds / (FRAMES_PER_ROUND * VALUES));
      }
    }
  }
  if (sum === 0) throw new Error("nothing was measured");
  for (const list of times.values()) list.sort((a, b) => a - b);
  return times;
}

const wanted = process.argv[2] ?? "";
console.log(
  `${"ns for each value".padEnd(52)}${"min".padStart(8)}${"median".padStart(8)}${"max".padStart(8)}`,
);
for (const [title, contenders] of rows()) {
  if (!title.includes(wanted)) continue;
  for (const [name, times] of measure(contenders)) {
    const figures = [times[0]!, times[times.length >> 1]!, times.at(-1)!];
    const columns = figures.map((figure) => figure.toFixed(0).padStart(8)).join("");
    console.log(`${title.padEnd(36)}${name.padEnd(16)}${columns}`);
  }
}
