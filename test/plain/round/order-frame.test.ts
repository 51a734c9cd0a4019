import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BrokerlessError } from "../../../lib/errors.ts";
import { type NumberedTopic, NumberedTopics } from "../../../lib/plain/round/numbered-topics.ts";
import {
  FrameOrder,
  isOrderFrame,
  OrderWriter,
  ROUND_FRAMES_MAX,
} from "../../../lib/plain/round/order-frame.ts";
import { range } from "../../support/fixtures.ts";

function numbered(topic: string, count = 0): NumberedTopic {
  return { bytes: Buffer.from(topic), numbering: 7, count, orderedMs: 0 };
}

function frame(topic: string, positions: readonly number[]) {
  return { topic: numbered(topic), positions };
}

/** The order frame of three values that are a round of their own. */
function alone(writer: OrderWriter): Buffer {
  return writer.alone(numbered("a"), 3);
}

function decoded(bytes: Buffer): FrameOrder {
  return new FrameOrder(bytes, "a");
}

/** The topics that a frame lists. */
function laterOf(order: FrameOrder): string[] {
  const later: string[] = [];
  order.hasLater((topic) => {
    later.push(topic);
    return false;
  });
  return later;
}

test("frame order: frames of a round come back with their places and the topics after them", () => {
  const writer = new OrderWriter(false);
  const frames = [frame("a", [0, 2]), frame("bü", [1, 65_535]), frame("a", [3])];
  const orders = writer.round(frames, 5).map(decoded);
  assert.deepEqual(orders.map(laterOf), [["bü", "a"], ["a"], []]);
  const positions = orders.map((order) => range(order.count).map((at) => order.positionOf(at)));
  assert.deepEqual(
    positions,
    frames.map((each) => each.positions),
  );
  assert.deepEqual(
    orders.map(({ round }) => round),
    [1, 1, 1],
  );
  const single = decoded(alone(writer));
  assert.deepEqual([single.round, single.count, laterOf(single)], [2, 0, []]);
  assert.equal(single.publisher, orders[0]!.publisher);
  const other = decoded(alone(new OrderWriter(true)));
  assert.notEqual(other.publisher, single.publisher);
  assert.deepEqual([single.keepsLate, other.keepsLate], [false, true]);
});

test("frame order: the search for later topics ends with the first that matches", () => {
  const frames = [frame("a", [0]), frame("b", [1]), frame("c", [2])];
  const order = decoded(new OrderWriter(false).round(frames, 3)[0]!);
  const seen: string[] = [];
  const found = order.hasLater((topic) => {
    seen.push(topic);
    return topic === "b";
  });
  assert.deepEqual([found, seen], [true, ["b"]]);
});

test("frame order: bytes that are cut off, or not of this version, are refused", () => {
  const bytes = new OrderWriter(false).round([frame("a", [0, 1]), frame("b", [2])], 3)[0]!;
  for (const length of range(32 + 4)) {
    assert.throws(() => decoded(bytes.subarray(0, length)), { code: "BROKERLESS_PROTOCOL" });
  }
  const later = Buffer.from(bytes);
  later[2] = 2;
  assert.throws(() => decoded(later), {
    code: "BROKERLESS_VERSION",
    message: "an order frame of version 2; this program reads 1",
  });
  const order = decoded(bytes);
  assert.throws(() => order.checkCount(3), {
    message: "malformed order frame: 2 positions for 3 values",
  });
  order.checkCount(2);
  decoded(alone(new OrderWriter(false))).checkCount(17);
});

test("frame order: any bytes are read or refused, and a list without end costs no more than a round", () => {
  const start = [0x42, 0x4f, 1, 0];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (rest) => {
      const bytes = Buffer.from([...start, ...rest]);
      assert.ok(isOrderFrame(bytes));
      try {
        laterOf(decoded(bytes));
      } catch (error) {
        assert.ok(error instanceof BrokerlessError);
      }
    }),
  );
  const endless = Buffer.concat([alone(new OrderWriter(false)), Buffer.alloc(1_000_000)]);
  assert.equal(laterOf(decoded(endless)).length, ROUND_FRAMES_MAX);
});

test("frame order: the values of a topic are numbered through all frames, each topic by itself", () => {
  const writer = new OrderWriter(false, Buffer.from("publishr"));
  const topics = new NumberedTopics();
  const [a, b] = [topics.get("a"), topics.get("b")];
  const frames = [
    writer.alone(a, 5),
    ...writer.round(
      [
        { topic: a, positions: [0, 2] },
        { topic: b, positions: [1] },
        { topic: a, positions: [3] },
      ],
      4,
    ),
    writer.alone(b, 1),
    writer.alone(a, 2),
  ].map(decoded);
  assert.deepEqual(
    frames.map(({ numbering, before }) => [numbering, before]),
    [
      [1, 0],
      [1, 5],
      [2, 0],
      [1, 7],
      [2, 1],
      [1, 8],
    ],
  );
  assert.deepEqual([a.count, b.count], [10, 2]);
  assert.equal(frames[0]!.publisher, "publishr");
  const late = decoded(writer.alone({ ...a, numbering: 2 ** 32 - 1, count: 2 ** 48 - 1 }, 1));
  assert.deepEqual([late.numbering, late.before], [2 ** 32 - 1, 2 ** 48 - 1]);
});
