import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { Batcher, type BatcherLimits } from "../../../lib/batch/batcher.ts";
import { createFraming } from "../../../lib/batch/framing/create-framing.ts";
import { raw } from "../../../lib/codec/raw.ts";
import type { Codec } from "../../../lib/index.ts";
import { NumberedTopics } from "../../../lib/plain/round/numbered-topics.ts";
import { FrameOrder, isOrderFrame } from "../../../lib/plain/round/order-frame.ts";
import {
  HELD_BYTES_MAX,
  OPEN_MAX,
  ROUND_MS_MAX,
  type RoundPlace,
  Rounds,
} from "../../../lib/plain/round/rounds.ts";
import { TopicFrameSink, UNORDERED_MS_MAX } from "../../../lib/plain/round/topic-frame-sink.ts";
import type { FrameWriter } from "../../../lib/transport/native/frame-writer.ts";
import { range } from "../../support/fixtures.ts";
import { ManualClock } from "../../support/manual-clock.ts";

interface Message {
  readonly topic: string;
  readonly values: readonly number[];
  readonly order: FrameOrder | null;
  readonly bytes: number;
}

const framing = createFraming(raw() as Codec<unknown>, { batched: true, countMax: 100_000 });
const LIMITS: BatcherLimits = {
  batchBytesMax: 65_536,
  batchCountMax: 8_192,
  messageBytesMax: 2 ** 20,
};

interface PublisherOptions {
  readonly limits?: Partial<BatcherLimits>;
  readonly keepsLate?: boolean;
  readonly bytes?: number;
  readonly gathers?: boolean;
  readonly hasReaders?: () => boolean;
  readonly clock?: ManualClock;
}

/** A publisher without a socket: value n is the number n, in a message of its topic. */
function publisher({
  limits,
  keepsLate = false,
  bytes = 8,
  gathers = true,
  hasReaders = () => false,
  clock = new ManualClock(),
}: PublisherOptions = {}) {
  const topics = new NumberedTopics();
  const messages: Message[] = [];
  const writer = {
    idle: false,
    write(parts: Buffer[], count: number): void {
      const last = parts.at(-1)!;
      const values = framing.decode(parts[1]!) as Buffer[];
      assert.equal(values.length, count);
      messages.push({
        topic: parts[0]!.toString(),
        values: values.map((value) => value.readUInt32LE(0)),
        order: isOrderFrame(last) ? new FrameOrder(last, parts[0]!.toString()) : null,
        bytes: parts[1]!.length,
      });
    },
  };
  const all = { ...LIMITS, ...limits };
  const sink = new TopicFrameSink({
    clock,
    writer: writer as unknown as FrameWriter,
    limits: all,
    publisher: randomBytes(8),
    topic: (topic) => topics.get(topic),
    hasReaders,
    gathers,
    keepsLate,
  });
  const batcher = new Batcher<unknown, string>(framing, sink, { ...all, key: "" });
  let published = 0;
  return {
    messages,
    publish(topic: string): void {
      const value = Buffer.alloc(bytes);
      value.writeUInt32LE(published++, 0);
      batcher.add(value, topic, null);
    },
    flush(): void {
      batcher.flush();
    },
  };
}

/** Values of all topics in turn, as one flush sends them. */
function roundOf(topics: number, count: number, options?: PublisherOptions): Message[] {
  const { publish, flush, messages } = publisher(options);
  for (const n of range(count)) publish(`t${n % topics}`);
  flush();
  return messages;
}

/** Gives a subscriber of `wanted` a message. */
function take(
  rounds: Rounds<number>,
  { values, order, bytes }: Message,
  { wanted, nowMs = 0 }: { wanted: ReadonlySet<string>; nowMs?: number },
): number[] {
  if (order === null) return [...values];
  const hasLater = order.hasLater((topic) => wanted.has(topic));
  const frame = { values: [...values], indexes: null, place: order, hasLater, bytes };
  return rounds.take(frame, nowMs).flat();
}

function subsets<T>(items: readonly T[]): T[][] {
  return range(2 ** items.length).map((bits) => items.filter((_, at) => (bits >> at) & 1));
}

/** All sequences of `length` topics. */
function* sequences(topics: readonly string[], length: number): Generator<string[]> {
  if (length === 0) yield [];
  else
    for (const rest of sequences(topics, length - 1))
      for (const topic of topics) yield [...rest, topic];
}

const TOPICS = ["a", "b", "c"];

test("rounds: every sequence of six values of three topics, every choice of topics, every loss", () => {
  let rounds = 0;
  for (const sequence of sequences(TOPICS, 6)) {
    const { publish, flush, messages } = publisher();
    for (const topic of sequence) publish(topic);
    flush();
    // A second flush, whose messages show that the first round has ended.
    for (const topic of [...TOPICS, ...TOPICS]) publish(topic);
    flush();
    if (messages[0]!.order !== null) rounds += 1;
    for (const wanted of subsets(TOPICS)) {
      const mine = messages.filter(({ topic }) => wanted.includes(topic));
      for (const lost of subsets(mine)) follow(mine, new Set(lost), new Set(wanted));
    }
  }
  assert.ok(rounds > 100, `${rounds} rounds are enough to mean something`);
});

/** Checks all promises of a subscriber that gets all messages but the lost ones. */
function follow(
  mine: readonly Message[],
  lost: ReadonlySet<Message>,
  wanted: ReadonlySet<string>,
): void {
  const rounds = new Rounds<number>();
  const delivered: number[] = [];
  const came = mine.filter((message) => !lost.has(message));
  for (const message of came) delivered.push(...take(rounds, message, { wanted }));
  if (lost.size === 0) {
    // Without waiting for a time limit.
    assert.equal(rounds.dueMs, Number.POSITIVE_INFINITY);
  }
  delivered.push(...rounds.expire(ROUND_MS_MAX).flat());
  const expected = came.flatMap(({ values }) => values).sort((a, b) => a - b);
  assert.deepEqual(delivered, expected);
  assert.equal(rounds.dropped, 0);
}

test("rounds: what a subscriber of one topic gets is delivered with its only message", () => {
  const messages = roundOf(50, 1_000);
  assert.equal(messages.length, 50);
  for (const message of messages) {
    const delivered = take(new Rounds(), message, { wanted: new Set([message.topic]) });
    assert.deepEqual(delivered, message.values);
  }
});

test("rounds: messages of several publishers in any interleaving keep the order of each", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 60 }), {
        minLength: 2,
        maxLength: 4,
      }),
      fc.infiniteStream(fc.nat()),
      fc.integer({ min: 1, max: 20 }),
      (sequences, choices, flushEvery) => {
        const wanted = new Set(range(6).map(String));
        const queues = sequences.map((sequence) => {
          const { publish, flush, messages } = publisher();
          for (const [n, topic] of sequence.entries()) {
            publish(String(topic));
            if (n % flushEvery === 0) flush();
          }
          flush();
          return messages;
        });
        const rounds = new Rounds<[number, number]>();
        const delivered: [number, number][] = [];
        while (queues.some((queue) => queue.length > 0)) {
          const open = range(queues.length).filter((at) => queues[at]!.length > 0);
          const from = open[choices.next().value! % open.length]!;
          const { values, order, bytes } = queues[from]!.shift()!;
          const tagged = values.map((value): [number, number] => [from, value]);
          if (order === null) delivered.push(...tagged);
          else {
            const hasLater = order.hasLater((topic) => wanted.has(topic));
            const frame = { values: tagged, indexes: null, place: order, hasLater, bytes };
            delivered.push(...rounds.take(frame, 0).flat());
          }
        }
        for (const [from, sequence] of sequences.entries()) {
          const got = delivered.filter(([publisher]) => publisher === from);
          assert.deepEqual(
            got.map(([, value]) => value),
            range(sequence.length),
          );
        }
      },
    ),
  );
});

test("rounds: what comes after its round is dropped and counted, or delivered where nothing is dropped", () => {
  for (const keepsLate of [false, true]) {
    const [first, second] = roundOf(2, 8, { keepsLate });
    const rounds = new Rounds<number>();
    const wanted = new Set(["t0", "t1"]);
    assert.deepEqual(take(rounds, first!, { wanted, nowMs: 5 }), []);
    assert.equal(rounds.dueMs, 5 + ROUND_MS_MAX);
    assert.deepEqual(rounds.expire(4 + ROUND_MS_MAX), []);
    assert.deepEqual(rounds.expire(5 + ROUND_MS_MAX), [[0, 2, 4, 6]]);
    assert.deepEqual(
      take(rounds, second!, { wanted, nowMs: 2_000 }),
      keepsLate ? [1, 3, 5, 7] : [],
    );
    assert.equal(rounds.dropped, keepsLate ? 0 : 4);
  }
});

test("rounds: the same message over two connections is delivered once", () => {
  const wanted = new Set(["t0", "t1", "t2"]);
  const rounds = new Rounds<number>();
  const delivered = roundOf(3, 30).flatMap((message) => [
    ...take(rounds, message, { wanted }),
    ...take(rounds, message, { wanted }),
  ]);
  assert.deepEqual(delivered, range(30));
});

test("rounds: values that a schema has refused leave no gap, and the others keep their places", () => {
  const rounds = new Rounds<number>();
  const wanted = new Set(["t0", "t1"]);
  const delivered = roundOf(2, 8).flatMap(({ values, order, bytes }) => {
    const indexes = range(values.length).filter((index) => values[index]! % 3 !== 0);
    const kept = indexes.map((index) => values[index]!);
    const hasLater = order!.hasLater((topic) => wanted.has(topic));
    return rounds.take({ values: kept, indexes, place: order!, hasLater, bytes }, 0).flat();
  });
  assert.deepEqual(delivered, [1, 2, 4, 5, 7]);
});

function placeOf(publisher: string): RoundPlace {
  return { publisher, round: 1, count: 1, keepsLate: false, positionOf: () => 0 };
}

test("rounds: beyond the bounds the longest open round is delivered as it is", () => {
  const rounds = new Rounds<string>();
  const hold = (publisher: string, bytes: number) =>
    rounds.take(
      { values: [publisher], indexes: null, place: placeOf(publisher), hasLater: true, bytes },
      0,
    );
  assert.deepEqual(hold("small", 10), []);
  assert.deepEqual(hold("long", HELD_BYTES_MAX - 10), []);
  assert.deepEqual(hold("third", 1), [["long"]]);
  for (const n of range(OPEN_MAX - 2)) assert.deepEqual(hold(`p${n}`, 1), []);
  assert.deepEqual(hold("one too many", 1), [["small"]]);
});

test("rounds: values that are sent in order as they are need no order frame before the first round", () => {
  const { publish, flush, messages } = publisher();
  for (const topic of ["a", "a", "b", "c"]) publish(topic);
  flush();
  assert.deepEqual(
    messages.map(({ topic, order }) => [topic, order]),
    [
      ["a", null],
      ["b", null],
      ["c", null],
    ],
  );
  for (const topic of ["a", "b", "a", "b", "a", "b"]) publish(topic);
  publish("a");
  flush();
  assert.deepEqual(
    messages.slice(3).map(({ values }) => values),
    [
      [4, 6, 8, 10],
      [5, 7, 9],
    ],
  );
  publish("c");
  flush();
  const places = messages.slice(3).map(({ order }) => [order!.round, order!.count]);
  assert.deepEqual(places, [
    [1, 4],
    [1, 3],
    [2, 0],
  ]);
});

test("rounds: from the first reader on a message of a topic now and then has an order frame, and without batches none", () => {
  let hasReaders = false;
  const clock = new ManualClock();
  const { publish, flush, messages } = publisher({ hasReaders: () => hasReaders, clock });
  const send = (topic: string) => {
    publish(topic);
    flush();
  };
  for (const topic of ["a", "b"]) send(topic);
  hasReaders = true;
  for (const topic of ["a", "a"]) send(topic);
  hasReaders = false;
  send("b");
  assert.deepEqual(
    messages.map(({ order }) => order && [order.topic, order.before]),
    [null, null, ["a", 1], null, ["b", 1]],
  );
  const numbers = (): number[] =>
    messages.slice(5).flatMap(({ order }) => (order === null ? [] : [order.before]));
  clock.advance(UNORDERED_MS_MAX - 1);
  for (const _ of range(20)) send("a");
  clock.advance(1);
  for (const _ of range(20)) send("a");
  assert.deepEqual(numbers(), [23]);
  clock.advance(UNORDERED_MS_MAX);
  for (const _ of range(2)) send("a");
  assert.deepEqual(numbers(), [23, 43]);
  const single = publisher({ gathers: false, hasReaders: () => true });
  for (const topic of ["a", "b", "a", "b", "a", "b"]) single.publish(topic);
  single.flush();
  assert.deepEqual(
    single.messages.map(({ order }) => order),
    range(6).map(() => null),
  );
});

for (const [limit, limits] of [
  ["bytes", { batchBytesMax: 100, batchCountMax: 50 }],
  ["values", { batchBytesMax: 1_000, batchCountMax: 5 }],
] as const) {
  test(`rounds: no frame exceeds the limit on ${limit}, and no value is lost`, () => {
    const messages = roundOf(2, 200, { limits });
    assert.ok(messages.some(({ order }) => order !== null));
    for (const { bytes, values } of messages) {
      assert.ok(bytes <= limits.batchBytesMax, `${bytes} bytes`);
      assert.ok(values.length <= limits.batchCountMax, `${values.length} values`);
    }
    const rounds = new Rounds<number>();
    const wanted = new Set(["t0", "t1"]);
    const delivered = messages.flatMap((message) => take(rounds, message, { wanted }));
    assert.deepEqual(delivered, range(200));
  });
}

test("rounds: topics whose names are longer than their values are sent as they are", () => {
  const { publish, flush, messages } = publisher();
  for (const n of range(400)) publish(`${"x".repeat(200)}${n % 100}`);
  flush();
  assert.deepEqual(
    messages.map(({ order }) => order),
    range(400).map(() => null),
  );
});
