import assert from "node:assert/strict";
import { test } from "node:test";
import * as zmq from "zeromq";
import type { Schema } from "../../lib/core/schema.ts";
import { Publisher, raw, Subscriber } from "../../lib/index.ts";
import { eachTransport, wireOf } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { open, range } from "../support/fixtures.ts";

const TOPICS = range(20).map((n) => `px.S${n}`);
const COUNT = 4_000;

/** A sequence of topics without a pattern, the same in each run. */
function topicOf(n: number): string {
  return TOPICS[(n * n * 7 + (n >> 3)) % TOPICS.length]!;
}

async function publishAll(publisher: Publisher<Record<string, number>>, headed = false) {
  for (const n of range(COUNT)) {
    await publisher.publish(topicOf(n), n, headed ? { headers: { n: String(n) } } : undefined);
  }
}

eachTransport(
  "rounds: topics that change with each value keep the order over all, in few frames",
  async (t, wire) => {
    const publisher = open(t, new Publisher<Record<string, number>>());
    const subscriber = open(t, new Subscriber<Record<string, number>>());
    subscriber.subscribe("#");
    await wire.join(publisher, subscriber);
    const publishing = publishAll(publisher);
    for (const n of range(COUNT)) {
      const { topic, value } = await subscriber.receive();
      assert.deepEqual([value, topic], [n, topicOf(n)]);
    }
    await publishing;
    const { framesSent } = publisher.stats();
    assert.ok(framesSent < COUNT / 2, `${framesSent} frames`);
  },
);

eachTransport(
  "rounds: a subscriber of some topics gets those, in order, to the last",
  async (t, wire) => {
    const publisher = open(t, new Publisher<Record<string, number>>({ slowSubscribers: "wait" }));
    const subscriber = open(t, new Subscriber<Record<string, number>>());
    // The prefix of the first is the prefix of others too, which arrive and are not wanted.
    const wanted = new Set(["px.S1", "px.S7", "px.S12"]);
    for (const topic of wanted) subscriber.subscribe(topic);
    await wire.join(publisher, subscriber);
    const publishing = publishAll(publisher);
    for (const n of range(COUNT).filter((each) => wanted.has(topicOf(each)))) {
      const { topic, value } = await subscriber.receive();
      assert.deepEqual([value, topic], [n, topicOf(n)]);
    }
    await publishing;
  },
);

const isEven: Schema = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      (value as number) % 2 === 0 ? { value: `even ${value}` } : { issues: [{ message: "odd" }] },
  },
};

for (const headed of [true, false]) {
  const how = headed ? "with headers, which stay with their values" : "without headers";
  test(`rounds: a schema takes out single values, ${how}`, async (t) => {
    const publisher = open(t, new Publisher<Record<string, number>>());
    const subscriber = open(t, new Subscriber<Record<string, number>>({ schema: isEven as never }));
    subscriber.on("error", () => {});
    subscriber.subscribe("#");
    await wireOf(t, "tcp").join(publisher, subscriber);
    const publishing = publishAll(publisher, headed);
    for (const n of range(COUNT / 2)) {
      const { topic, value, headers } = await subscriber.receive();
      const expected = headed ? { n: String(2 * n) } : {};
      assert.deepEqual([value, topic, { ...headers }], [`even ${2 * n}`, topicOf(2 * n), expected]);
    }
    await publishing;
    await eventually(() => assert.equal(subscriber.stats().messagesRefused, COUNT / 2));
  });
}

test("rounds: a plain SUB reads each topic in order, and finds all values in the second frame", async (t) => {
  const publisher = open(t, new Publisher<Record<string, Uint8Array>>({ codec: raw() }));
  const plain = new zmq.Subscriber({ linger: 0, receiveHighWaterMark: 0 });
  t.after(() => plain.close());
  plain.connect(await publisher.bind(wireOf(t, "tcp").address()));
  plain.subscribe("px");
  await new Promise<void>((resolve) => publisher.on("subscribe", () => resolve()));
  const value = (n: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(n);
    return bytes;
  };
  const publishing = (async () => {
    for (const n of range(COUNT)) await publisher.publish(topicOf(n), value(n));
  })();
  const seen = new Map<string, number[]>(TOPICS.map((topic) => [topic, []]));
  let count = 0;
  while (count < COUNT) {
    const [topic, body] = await plain.receive();
    // Each value is a mark, its length and its four bytes.
    for (let at = 0; at < body!.length; at += 8) {
      assert.equal(body!.readUIntLE(at + 1, 3), 4);
      seen.get(topic!.toString())!.push(body!.readUInt32LE(at + 4));
      count += 1;
    }
  }
  await publishing;
  for (const topic of TOPICS) {
    assert.deepEqual(
      seen.get(topic),
      range(COUNT).filter((n) => topicOf(n) === topic),
    );
  }
});

test("rounds: without batches each value is a message of its own", async (t) => {
  const publisher = open(t, new Publisher<Record<string, number>>({ batch: false }));
  const subscriber = open(t, new Subscriber<Record<string, number>>({ batch: false }));
  subscriber.subscribe("#");
  await wireOf(t, "inproc").join(publisher, subscriber);
  const publishing = (async () => {
    for (const n of range(100)) await publisher.publish(topicOf(n), n);
  })();
  for (const n of range(100)) assert.equal((await subscriber.receive()).value, n);
  await publishing;
  assert.equal(publisher.stats().framesSent, 100);
});
