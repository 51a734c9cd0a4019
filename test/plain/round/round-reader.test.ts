import assert from "node:assert/strict";
import { test } from "node:test";
import { NumberedTopics } from "../../../lib/plain/round/numbered-topics.ts";
import { FrameOrder, OrderWriter } from "../../../lib/plain/round/order-frame.ts";
import type { ReceivedFrame } from "../../../lib/plain/round/round-reader.ts";
import { RoundReader } from "../../../lib/plain/round/round-reader.ts";
import { ROUND_MS_MAX } from "../../../lib/plain/round/rounds.ts";
import { turn } from "../../support/eventually.ts";
import { ManualClock } from "../../support/manual-clock.ts";

function frameOf(values: readonly string[], order: Buffer | null): ReceivedFrame<string> {
  const place = order === null ? null : new FrameOrder(order, "a");
  const count = values.length;
  return {
    values: [...values],
    headers: null,
    order: place,
    topic: "a",
    indexes: null,
    count,
    bytes: 10,
  };
}

/** A reader of "a" and "b", whose frames come when the test says so. */
function setUp() {
  const clock = new ManualClock();
  const frames: (number | string | null)[] = [];
  const reader = new RoundReader<string>({
    clock,
    matches: (topic) => topic === "a" || topic === "b",
    onFrame: (_, order, count) => void frames.push(order === null ? "no order" : count),
  });
  const topics = new NumberedTopics();
  const arrivals: PromiseWithResolvers<ReceivedFrame<string>>[] = [];
  const read = (): Promise<ReceivedFrame<string>> => {
    const { promise, resolve, reject } = withResolvers<ReceivedFrame<string>>();
    arrivals.push({ promise, resolve, reject });
    return promise;
  };
  const writer = new OrderWriter(false);
  const [a, b] = writer.round(
    [
      { topic: topics.get("a"), positions: [0, 2] },
      { topic: topics.get("b"), positions: [1] },
    ],
    3,
  );
  return {
    clock,
    reader,
    arrivals,
    read,
    first: frameOf(["0", "2"], a!),
    last: frameOf(["1"], b!),
    alone: () => writer.alone(topics.get("a"), 1),
    frames,
  };
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (cause: unknown) => void;
}

function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T) => void;
  let reject!: (cause: unknown) => void;
  const promise = new Promise<T>((onResolved, onRejected) => {
    resolve = onResolved;
    reject = onRejected;
  });
  return { promise, resolve, reject };
}

test("round reader: a frame without an order frame is delivered as it came", async () => {
  const { reader, read, arrivals } = setUp();
  const received = reader.read(read);
  const frame = frameOf(["x"], null);
  arrivals[0]!.resolve(frame);
  assert.equal(await received, frame);
});

test("round reader: a round is delivered with its last frame, in order, and no timer is needed", async () => {
  const { reader, read, arrivals, first, last } = setUp();
  const received = reader.read(read);
  arrivals[0]!.resolve(first);
  await turn();
  arrivals[1]!.resolve(last);
  assert.deepEqual((await received).values, ["0", "1", "2"]);
});

test("round reader: a round that is due is delivered, and the read under way is kept for the next", async () => {
  const { clock, reader, read, arrivals, first, alone } = setUp();
  const received = reader.read(read);
  arrivals[0]!.resolve(first);
  await turn();
  clock.advance(ROUND_MS_MAX - 1);
  await turn();
  clock.advance(1);
  assert.deepEqual((await received).values, ["0", "2"]);
  const next = reader.read(read);
  arrivals[1]!.resolve(frameOf(["y"], alone()));
  assert.deepEqual((await next).values, ["y"]);
  assert.equal(arrivals.length, 2);
});

test("round reader: a later round delivers the open one first, each by itself", async () => {
  const { reader, read, arrivals, first, alone } = setUp();
  const received = reader.read(read);
  arrivals[0]!.resolve(first);
  await turn();
  arrivals[1]!.resolve(frameOf(["y"], alone()));
  assert.deepEqual((await received).values, ["0", "2"]);
  assert.deepEqual((await reader.read(read)).values, ["y"]);
});

test("round reader: what comes after its round is counted", async () => {
  const { clock, reader, read, arrivals, first, last } = setUp();
  const received = reader.read(read);
  arrivals[0]!.resolve(first);
  await turn();
  clock.advance(ROUND_MS_MAX);
  await received;
  void reader.read(read);
  arrivals[1]!.resolve(last);
  await turn();
  assert.equal(reader.dropped, 1);
});

test("round reader: each frame of a topic is told of, also one without an order, and one that could not be read", async () => {
  const { reader, read, arrivals, first, last, alone, frames } = setUp();
  const received = reader.read(read);
  arrivals[0]!.resolve(first);
  await turn();
  arrivals[1]!.resolve({ ...last, values: [], count: null });
  await received;
  const next = reader.read(read);
  arrivals[2]!.resolve(frameOf(["y"], alone()));
  await next;
  assert.deepEqual(frames, [2, null, 1]);
  const plain = reader.read(read);
  arrivals[3]!.resolve(frameOf(["z"], null));
  await plain;
  const refused = reader.read(read);
  arrivals[4]!.resolve({ ...frameOf([], null), topic: null });
  await refused;
  assert.deepEqual(frames, [2, null, 1, "no order"]);
});

test("round reader: a failed read rejects, also while a round is open", async () => {
  const { reader, read, arrivals, first } = setUp();
  const received = reader.read(read);
  arrivals[0]!.resolve(first);
  await turn();
  arrivals[1]!.reject(new Error("closed"));
  await assert.rejects(received, /closed/);
});
