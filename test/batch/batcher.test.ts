import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { Batcher, type BatcherLimits } from "../../lib/batch/batcher.ts";
import type { Framing } from "../../lib/batch/framing/framing.ts";
import { range } from "../support/fixtures.ts";

/** A value: its number, and how many bytes it takes. */
interface Item {
  readonly index: number;
  readonly bytes: number;
}

/** Writes the index into the first four bytes, so that a frame can be read back. */
const framing: Framing<Item> = {
  overheadBytes: 0,
  append({ index, bytes }, writer) {
    if (index < 0) throw new RangeError("not encodable");
    const at = writer.reserve(bytes);
    writer.bytes.fill(0, at, at + bytes);
    writer.bytes.writeUInt32LE(index, at);
    writer.bytes.writeUInt32LE(bytes, at + 4);
    writer.end = at + bytes;
  },
  decode(frame) {
    const items: Item[] = [];
    for (let at = 0; at < frame.length; at += items.at(-1)!.bytes) {
      items.push({ index: frame.readUInt32LE(at), bytes: frame.readUInt32LE(at + 4) });
    }
    return items;
  },
};

interface Frame {
  readonly items: readonly Item[];
  readonly bytes: number;
  readonly count: number;
  readonly key: string;
}

/** A sink that keeps every frame, and is busy and shared as it is told. */
class FakeSink {
  idle = true;
  peers = 1;
  readonly frames: Frame[] = [];

  write(frame: Buffer, count: number, key: string): void {
    this.frames.push({ items: framing.decode(frame), bytes: frame.length, count, key });
  }

  get counts(): number[] {
    return this.frames.map(({ count }) => count);
  }

  get indexes(): number[] {
    return this.frames.flatMap(({ items }) => items.map(({ index }) => index));
  }
}

/** What each peer gets when the frames go round. */
function sharesOf(counts: readonly number[], peers: number): number[] {
  const shares = new Array<number>(peers).fill(0);
  counts.forEach((count, frame) => {
    shares[frame % peers]! += count;
  });
  return shares;
}

const LIMITS: BatcherLimits = { batchBytesMax: 100, batchCountMax: 8, messageBytesMax: 1_000 };

/** A batcher whose turns of the event loop end when `endTurn` says so. */
function setUp(t: TestContext, limits: BatcherLimits = LIMITS) {
  t.mock.timers.enable({ apis: ["setImmediate"] });
  const sink = new FakeSink();
  const batcher = new Batcher<Item, string>(framing, sink, { ...limits, key: "a" });
  const endTurn = (): void => t.mock.timers.tick(0);
  const add = (count: number, bytes = 10): void => {
    for (let index = 0; index < count; index++) batcher.add({ index, bytes }, "a", null);
  };
  return { sink, batcher, endTurn, add };
}

test("batcher: the first four values of a turn are sent at once, the rest when the turn ends", (t) => {
  const { sink, endTurn, add } = setUp(t);
  add(7);
  assert.deepEqual(sink.counts, [1, 1, 1, 1]);
  endTurn();
  assert.deepEqual(sink.counts, [1, 1, 1, 1, 3]);
  assert.deepEqual(sink.indexes, range(7));
});

test("batcher: every turn starts with values that are sent at once", (t) => {
  const { sink, endTurn, add } = setUp(t);
  add(5);
  endTurn();
  add(1);
  assert.deepEqual(sink.counts, [1, 1, 1, 1, 1, 1]);
});

test("batcher: while the sink is busy, values are gathered across turns until it is idle", (t) => {
  const { sink, batcher, endTurn, add } = setUp(t);
  sink.idle = false;
  add(2);
  endTurn();
  add(3);
  endTurn();
  assert.deepEqual(sink.counts, []);
  sink.idle = true;
  batcher.onIdle();
  assert.deepEqual(sink.counts, [5]);
});

test("batcher: after long values it holds no memory for more once the turn has ended", (t) => {
  const { sink, batcher, endTurn, add } = setUp(t, {
    ...LIMITS,
    batchBytesMax: 100_000,
    messageBytesMax: 100_000,
  });
  add(3, 60_000);
  assert.ok(batcher.slabBytes >= 60_000);
  endTurn();
  assert.equal(batcher.slabBytes, 0);
  // Nor where they have waited until the sink was idle.
  sink.idle = false;
  batcher.encode({ index: 0, bytes: 60_000 });
  add(3, 20_000);
  endTurn();
  sink.idle = true;
  batcher.onIdle();
  assert.equal(batcher.count, 0);
  assert.equal(batcher.slabBytes, 0);
  add(1);
  assert.equal(sink.frames.at(-1)?.bytes, 10);
});

test("batcher: a sink that becomes idle does not flush within a turn", (t) => {
  const { sink, batcher, endTurn, add } = setUp(t);
  sink.idle = false;
  add(3);
  batcher.onIdle();
  assert.deepEqual(sink.counts, []);
  sink.idle = true;
  endTurn();
  assert.deepEqual(sink.counts, [3]);
});

test("batcher: a frame is flushed when it is full by bytes", (t) => {
  const { sink, add } = setUp(t);
  sink.idle = false;
  add(7, 30);
  assert.deepEqual(sink.counts, [3, 3]);
});

test("batcher: a frame is flushed when it is full by count", (t) => {
  const { sink, add } = setUp(t);
  sink.idle = false;
  add(17, 8);
  assert.deepEqual(sink.counts, [8, 8]);
});

test("batcher: a value larger than a frame gets a frame of its own, after the values before it", (t) => {
  const { sink, batcher } = setUp(t);
  sink.idle = false;
  const sizes = [20, 20, 300, 20];
  sizes.forEach((bytes, index) => {
    batcher.add({ index, bytes }, "a", null);
  });
  batcher.flush();
  assert.deepEqual(sink.counts, [2, 1, 1]);
  assert.deepEqual(sink.indexes, range(4));
});

test("batcher: a change of key ends a frame, and order is kept across keys", (t) => {
  const { sink, batcher } = setUp(t);
  sink.idle = false;
  ["a", "a", "b", "a", "c", "c"].forEach((key, index) => {
    batcher.add({ index, bytes: 10 }, key, null);
  });
  batcher.flush();
  assert.deepEqual(
    sink.frames.map(({ key, count }) => [key, count]),
    [
      ["a", 2],
      ["b", 1],
      ["a", 1],
      ["c", 2],
    ],
  );
  assert.deepEqual(sink.indexes, range(6));
});

test("batcher: a value longer than messageBytesMax is refused and leaves no trace", (t) => {
  const { sink, batcher, add } = setUp(t);
  sink.idle = false;
  add(2);
  const before = batcher.bytes;
  assert.throws(() => batcher.add({ index: 9, bytes: 1_001 }, "a", null), {
    code: "BROKERLESS_TOO_LARGE",
    message: /1001 bytes; messageBytesMax is 1000/,
  });
  assert.equal(batcher.bytes, before);
  batcher.add({ index: 2, bytes: 1_000 }, "a", null);
  batcher.flush();
  assert.deepEqual(sink.indexes, [0, 1, 2]);
});

test("batcher: a value that cannot be encoded leaves no trace", (t) => {
  const { sink, batcher, add } = setUp(t);
  sink.idle = false;
  add(2);
  assert.throws(() => batcher.add({ index: -1, bytes: 10 }, "a", null), RangeError);
  batcher.flush();
  assert.deepEqual(sink.counts, [2]);
});

test("batcher: a burst is divided equally among all peers", (t) => {
  const { sink, batcher, endTurn, add } = setUp(t, {
    ...LIMITS,
    batchBytesMax: 65_536,
    batchCountMax: 999,
  });
  sink.peers = 4;
  add(100);
  endTurn();
  assert.deepEqual(sink.counts, [1, 1, 1, 1, 24, 24, 24, 24]);
  sink.idle = false;
  add(10);
  batcher.flush();
  assert.deepEqual(sink.counts.slice(8), [3, 3, 2, 2]);
});

test("batcher: over many small bursts every peer gets the same number of values", (t) => {
  const { sink, endTurn, add } = setUp(t);
  for (const peers of [2, 3, 4, 5, 7]) {
    sink.peers = peers;
    for (const burst of [3, 5, 6, 10, 11]) {
      const from = sink.frames.length;
      for (let turn = 0; turn < 20 * peers; turn++) {
        add(burst, 8);
        endTurn();
      }
      const shares = sharesOf(sink.counts.slice(from), peers);
      assert.ok(Math.max(...shares) - Math.min(...shares) <= burst, `${burst}: ${shares}`);
    }
  }
});

test("batcher: peers that leave while values are gathered do not make a frame too long", (t) => {
  const { sink, batcher, add } = setUp(t, { ...LIMITS, batchBytesMax: 65_536 });
  sink.peers = 4;
  sink.idle = false;
  add(30, 8);
  sink.peers = 1;
  batcher.flush();
  assert.deepEqual(sink.counts, [8, 8, 8, 6]);
});

test("batcher: fewer values than peers get one frame each", (t) => {
  const { sink, batcher, add } = setUp(t);
  sink.peers = 4;
  sink.idle = false;
  add(3);
  batcher.flush();
  assert.deepEqual(sink.counts, [1, 1, 1]);
});

test("batcher: values are gathered until there is a frame for every peer", (t) => {
  const { sink, add } = setUp(t);
  sink.peers = 3;
  sink.idle = false;
  add(23, 8);
  assert.deepEqual(sink.counts, []);
  add(1, 8);
  assert.deepEqual(sink.counts, [8, 8, 8]);
});

test("batcher: a turn that lasts longer than 8 ms is overlong until it ends", (t) => {
  let nowMs = 0;
  t.mock.method(performance, "now", () => nowMs);
  const { batcher, endTurn, add } = setUp(t);
  add(8);
  nowMs = 8;
  add(8);
  assert.equal(batcher.overlong, false);
  nowMs = 9;
  add(8);
  assert.equal(batcher.overlong, true);
  endTurn();
  assert.equal(batcher.overlong, false);
});

test("batcher: a long turn of changing keys is overlong too", (t) => {
  let nowMs = 0;
  t.mock.method(performance, "now", () => nowMs);
  const { batcher } = setUp(t);
  for (let index = 0; index < 10; index++) {
    nowMs = index;
    batcher.add({ index, bytes: 10 }, index % 2 === 0 ? "a" : "b", null);
  }
  assert.equal(batcher.overlong, true);
});

type Step =
  | { readonly type: "add"; readonly bytes: number; readonly key: string }
  | { readonly type: "addBad" | "endTurn" | "flush" | "becomeIdle" | "becomeBusy" }
  | { readonly type: "peers"; readonly count: number };

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant("add" as const),
      bytes: fc.oneof(fc.integer({ min: 8, max: 30 }), fc.integer({ min: 8, max: 400 })),
      key: fc.oneof(
        { weight: 8, arbitrary: fc.constant("a") },
        { weight: 1, arbitrary: fc.constant("b") },
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constantFrom(
        "addBad" as const,
        "endTurn" as const,
        "flush" as const,
        "becomeIdle" as const,
        "becomeBusy" as const,
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("peers" as const),
      count: fc.integer({ min: 0, max: 20 }),
    }),
  },
);

test("batcher: in any sequence of calls every value is sent once, in order, in frames within the limits", (t) => {
  t.mock.timers.enable({ apis: ["setImmediate"] });
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 200 }), (script) => {
      const sink = new FakeSink();
      const batcher = new Batcher<Item, string>(framing, sink, { ...LIMITS, key: "a" });
      const keys: string[] = [];
      let bytes = 0;
      for (const step of script) {
        switch (step.type) {
          case "add":
            batcher.add({ index: keys.length, bytes: step.bytes }, step.key, null);
            keys.push(step.key);
            bytes += step.bytes;
            break;
          case "addBad":
            assert.throws(() => batcher.add({ index: 0, bytes: 2_000 }, "a", null));
            assert.throws(() => batcher.add({ index: -1, bytes: 8 }, "b", null));
            break;
          case "endTurn":
            t.mock.timers.tick(0);
            break;
          case "flush":
            batcher.flush();
            assert.equal(batcher.count, 0);
            break;
          case "becomeIdle":
            sink.idle = true;
            batcher.onIdle();
            break;
          case "becomeBusy":
            sink.idle = false;
            break;
          case "peers":
            sink.peers = step.count;
        }
        const written = sink.frames.reduce((sum, frame) => sum + frame.bytes, 0);
        assert.equal(batcher.bytes + written, bytes);
        assert.equal(batcher.count + sink.indexes.length, keys.length);
      }
      batcher.flush();
      t.mock.timers.tick(0);
      assert.deepEqual(sink.indexes, range(keys.length));
      for (const frame of sink.frames) {
        assert.equal(frame.count, frame.items.length);
        assert.ok(frame.count >= 1);
        assert.ok(frame.count === 1 || frame.bytes <= LIMITS.batchBytesMax, `${frame.bytes} bytes`);
        assert.ok(frame.count <= LIMITS.batchCountMax, `${frame.count} values`);
        for (const { index } of frame.items) assert.equal(keys[index], frame.key);
      }
    }),
    { numRuns: 500 },
  );
});

test("batcher: after the end of a turn no value waits while the sink is idle", (t) => {
  t.mock.timers.enable({ apis: ["setImmediate"] });
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 8, max: 300 })),
      fc.integer({ min: 0, max: 20 }),
      (sizes, peers) => {
        const sink = new FakeSink();
        sink.peers = peers;
        const batcher = new Batcher<Item, string>(framing, sink, { ...LIMITS, key: "a" });
        sizes.forEach((bytes, index) => {
          batcher.add({ index, bytes }, "a", null);
        });
        t.mock.timers.tick(0);
        assert.equal(batcher.count, 0);
        assert.deepEqual(sink.indexes, range(sizes.length));
      },
    ),
  );
});

test("batcher: no peer gets more than its share plus one frame", (t) => {
  t.mock.timers.enable({ apis: ["setImmediate"] });
  const bursts = fc.integer({ min: 1, max: 600 });
  const peerCounts = fc.integer({ min: 2, max: 24 });
  fc.assert(
    fc.property(bursts, peerCounts, fc.integer({ min: 8, max: 120 }), (burst, peers, bytes) => {
      const sink = new FakeSink();
      sink.peers = peers;
      const batcher = new Batcher<Item, string>(framing, sink, { ...LIMITS, key: "a" });
      for (let index = 0; index < burst; index++) batcher.add({ index, bytes }, "a", null);
      t.mock.timers.tick(0);
      const shares = sharesOf(sink.counts, peers);
      const fair = burst / peers + Math.max(...sink.counts);
      assert.ok(Math.max(...shares) <= fair, `${shares} of ${sink.counts}`);
    }),
    { numRuns: 300 },
  );
});

/** Headers of so many bytes, head included. */
const beside = (bytes: number): Buffer => {
  const block = Buffer.alloc(bytes);
  block.writeUInt32LE(bytes - 4);
  return block;
};

test("batcher: messages with headers and without do not share a frame, and each frame has its own headers", () => {
  const written: { items: number[]; headers: number | null }[] = [];
  const sink = {
    idle: false,
    peers: 1,
    write(frame: Buffer, _count: number, _key: string, headers: Buffer | null): void {
      const items = framing.decode(frame).map(({ index }) => index);
      written.push({ items, headers: headers === null ? null : headers.length });
    },
  };
  const batcher = new Batcher<Item, string>(framing, sink, { ...LIMITS, key: "" });
  const add = (index: number, headers?: Buffer): void =>
    batcher.add({ index, bytes: 8 }, "", headers ?? null);
  add(1);
  add(2, beside(10));
  add(3, beside(11));
  assert.equal(batcher.bytes, 16 + 21);
  add(4);
  batcher.flush();
  assert.deepEqual(written, [
    { items: [1], headers: null },
    { items: [2, 3], headers: 4 + 21 },
    { items: [4], headers: null },
  ]);
});

test("batcher: headers count towards batchBytesMax, for one peer and for several", () => {
  for (const peers of [1, 3]) {
    const loads: number[] = [];
    let count = 0;
    const sink = {
      idle: false,
      peers,
      write(frame: Buffer, values: number, _key: string, headers: Buffer | null): void {
        loads.push(frame.length + headers!.length - 4);
        count += values;
      },
    };
    const batcher = new Batcher<Item, string>(framing, sink, { ...LIMITS, key: "" });
    for (const index of range(50)) batcher.add({ index, bytes: 8 }, "", beside(30));
    batcher.flush();
    for (const bytes of [45, 45, 4, 4, 4, 4]) {
      batcher.add({ index: 1, bytes: 8 }, "", beside(bytes));
    }
    batcher.flush();
    assert.equal(count, 56);
    assert.ok(Math.max(...loads) <= 100, `${peers} peers: ${loads.join(" ")}`);
  }
});

test("batcher: a frame never has more headers than a receiver takes, unless they are of one message", () => {
  for (const peers of [1, 3]) {
    const frames: { count: number; headerBytes: number }[] = [];
    const sink = {
      idle: false,
      peers,
      write(_frame: Buffer, count: number, _key: string, headers: Buffer | null): void {
        frames.push({ count, headerBytes: headers!.length - 4 });
      },
    };
    const limits = { ...LIMITS, batchBytesMax: 10_000, batchCountMax: 1_000 };
    const batcher = new Batcher<Item, string>(framing, sink, {
      ...{ ...limits, key: "" },
      headersTogetherMax: 25,
    });
    for (const index of range(50)) batcher.add({ index, bytes: 8 }, "", beside(30));
    batcher.add({ index: 1, bytes: 8 }, "", beside(200));
    batcher.flush();
    assert.equal(
      frames.reduce((sum, { count }) => sum + count, 0),
      51,
    );
    // A header has four bytes at least.
    for (const { count, headerBytes } of frames) {
      assert.ok(headerBytes <= 100 || count === 1, `${headerBytes} bytes of ${count}`);
    }
    assert.ok(frames.some(({ count }) => count > 1));
  }
});
