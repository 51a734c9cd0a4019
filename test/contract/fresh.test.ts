import assert from "node:assert/strict";
import { test } from "node:test";
import type { Schema } from "../../lib/core/schema.ts";
import { Publisher, Subscriber } from "../../lib/index.ts";
import { eachTransport, wireOf } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { open, range } from "../support/fixtures.ts";

type Numbers = Record<string, number>;

const TOPICS = range(20).map((n) => `px.${n}`);
const COUNT = 4_000;
/** Longer than any test (milliseconds). */
const LONG_MS = 1_000_000;

/** Publishes numbers, of which each has its topic by the remainder, and waits until all have been read. */
async function publishAll(publisher: Publisher<Numbers>, subscriber: Subscriber<Numbers>) {
  for (const n of range(COUNT)) {
    await publisher.publish(TOPICS[n % TOPICS.length]!, n, { headers: { n: String(n) } });
  }
  await eventually(() => assert.equal(subscriber.stats().messagesReceived, COUNT));
}

eachTransport(
  "conflate: only the newest message of each topic is delivered, with its headers, and the others are counted",
  async (t, wire) => {
    const publisher = open(t, new Publisher<Numbers>({ slowSubscribers: "wait" }));
    const subscriber = open(t, new Subscriber<Numbers>({ conflate: true }));
    subscriber.subscribe("px.*");
    await wire.join(publisher, subscriber);
    await publishAll(publisher, subscriber);
    for (const n of range(COUNT).slice(-TOPICS.length)) {
      const { topic, value, headers } = await subscriber.receive();
      assert.deepEqual([topic, value, headers.n], [TOPICS[n % TOPICS.length], n, String(n)]);
    }
    await assert.rejects(subscriber.receive({ timeoutMs: 0 }), { code: "BROKERLESS_TIMEOUT" });
    const { messagesConflated, messagesExpired, messagesMissed } = subscriber.stats();
    assert.deepEqual(
      [messagesConflated, messagesExpired, messagesMissed],
      [COUNT - TOPICS.length, 0, 0],
    );
  },
);

const isEven: Schema = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      (value as number) % 2 === 0
        ? { value: (value as number) + 0.5 }
        : { issues: [{ message: "odd" }] },
  },
};

test("conflate: what a schema refuses replaces nothing, and batches and loops get the newest", async (t) => {
  const publisher = open(t, new Publisher<Numbers>());
  const options = { conflate: true, maxAgeMs: LONG_MS, schema: isEven as never };
  const subscriber = open(t, new Subscriber<Numbers>(options));
  subscriber.on("error", () => {});
  subscriber.subscribe("px.*");
  await wireOf(t, "tcp").join(publisher, subscriber);
  const next = async (batch: boolean): Promise<number[]> => {
    if (!batch) {
      for await (const { value } of subscriber) return [value];
    }
    for await (const values of subscriber.batches()) return values.map(({ value }) => value);
    return [];
  };
  for (const n of [0, 1, 2, 3]) await publisher.publish("px.a", n);
  await publisher.publish("px.b", 7);
  await publisher.publish("px.b", 4);
  await eventually(() => assert.equal(subscriber.stats().messagesReceived, 3));
  assert.deepEqual(await next(true), [2.5, 4.5]);
  for (const n of [5, 6, 8, 9]) await publisher.publish("px.a", n);
  await eventually(() => assert.equal(subscriber.stats().messagesReceived, 5));
  assert.deepEqual(await next(false), [8.5]);
  assert.equal(subscriber.stats().messagesConflated, 2);
});

test("maxAgeMs: all messages are delivered in order where none is too old", async (t) => {
  const publisher = open(t, new Publisher<Numbers>({ slowSubscribers: "wait" }));
  const subscriber = open(t, new Subscriber<Numbers>({ maxAgeMs: LONG_MS }));
  subscriber.subscribe("#");
  await wireOf(t, "tcp").join(publisher, subscriber);
  await publishAll(publisher, subscriber);
  for (const n of range(COUNT)) assert.equal((await subscriber.receive()).value, n);
  const { messagesConflated, messagesExpired } = subscriber.stats();
  assert.deepEqual([messagesConflated, messagesExpired], [0, 0]);
});

test("maxAgeMs: a message that nobody asks for in time is not delivered, and counted", async (t) => {
  const publisher = open(t, new Publisher<Numbers>());
  const subscriber = open(t, new Subscriber<Numbers>({ maxAgeMs: 1 }));
  subscriber.subscribe("#");
  await wireOf(t, "inproc").join(publisher, subscriber);
  await publisher.publish("px.old", 1);
  await eventually(() => assert.equal(subscriber.stats().messagesReceived, 1));
  const readMs = performance.now();
  await eventually(() => assert.ok(performance.now() - readMs > 2));
  const received = subscriber.receive();
  await publisher.publish("px.new", 2);
  assert.equal((await received).value, 2);
  assert.equal(subscriber.stats().messagesExpired, 1);
});

test("conflate, maxAgeMs: wrong values are a TypeError at construction", () => {
  for (const options of [
    { conflate: 1 },
    { maxAgeMs: 0 },
    { maxAgeMs: 1.5 },
    { maxAgeMs: 2 ** 31 },
    { maxAgeMs: "1 s" },
  ]) {
    assert.throws(() => new Subscriber(options as never), TypeError);
  }
});
