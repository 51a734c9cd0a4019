import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BrokerlessError } from "../../../lib/errors.ts";
import {
  FrameOrder,
  isOrderFrame,
  OrderWriter,
  ROUND_FRAMES_MAX,
} from "../../../lib/plain/round/order-frame.ts";
import { range } from "../../support/fixtures.ts";

function frame(topic: string, positions: readonly number[]) {
  return { topic: Buffer.from(topic), positions };
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
  assert.equal(writer.isNeeded, false);
  const frames = [frame("a", [0, 2]), frame("bü", [1, 65_535]), frame("a", [3])];
  const orders = writer.round(frames, 5).map((bytes) => new FrameOrder(bytes));
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
  assert.equal(writer.isNeeded, true);
  const alone = new FrameOrder(writer.alone());
  assert.deepEqual([alone.round, alone.count, laterOf(alone)], [2, 0, []]);
  assert.equal(alone.publisher, orders[0]!.publisher);
  const other = new FrameOrder(new OrderWriter(true).alone());
  assert.notEqual(other.publisher, alone.publisher);
  assert.deepEqual([alone.keepsLate, other.keepsLate], [false, true]);
});

test("frame order: the search for later topics ends with the first that matches", () => {
  const frames = [frame("a", [0]), frame("b", [1]), frame("c", [2])];
  const order = new FrameOrder(new OrderWriter(false).round(frames, 3)[0]!);
  const seen: string[] = [];
  const found = order.hasLater((topic) => {
    seen.push(topic);
    return topic === "b";
  });
  assert.deepEqual([found, seen], [true, ["b"]]);
});

test("frame order: bytes that are cut off, or not of this version, are refused", () => {
  const bytes = new OrderWriter(false).round([frame("a", [0, 1]), frame("b", [2])], 3)[0]!;
  for (const length of range(22 + 4)) {
    assert.throws(() => new FrameOrder(bytes.subarray(0, length)), { code: "BROKERLESS_PROTOCOL" });
  }
  const later = Buffer.from(bytes);
  later[2] = 2;
  assert.throws(() => new FrameOrder(later), {
    code: "BROKERLESS_VERSION",
    message: "an order frame of version 2; this program reads 1",
  });
  const order = new FrameOrder(bytes);
  assert.throws(() => order.checkCount(3), {
    message: "malformed order frame: 2 positions for 3 values",
  });
  order.checkCount(2);
  new FrameOrder(new OrderWriter(false).alone()).checkCount(17);
});

test("frame order: any bytes are read or refused, and a list without end costs no more than a round", () => {
  const start = [0x42, 0x4f, 1, 0];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (rest) => {
      const bytes = Buffer.from([...start, ...rest]);
      assert.ok(isOrderFrame(bytes));
      try {
        laterOf(new FrameOrder(bytes));
      } catch (error) {
        assert.ok(error instanceof BrokerlessError);
      }
    }),
  );
  const endless = Buffer.concat([new OrderWriter(false).alone(), Buffer.alloc(1_000_000)]);
  assert.equal(laterOf(new FrameOrder(endless)).length, ROUND_FRAMES_MAX);
});
