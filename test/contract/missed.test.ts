import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import * as zmq from "zeromq";
import { type MissedMessages, Publisher, raw, Subscriber } from "../../lib/index.ts";
import { eachTransport, wireOf } from "../support/each-transport.ts";
import { eventually, repeatUntil } from "../support/eventually.ts";
import { open, range } from "../support/fixtures.ts";

type Bytes = Record<string, Uint8Array>;

/** A frame of its own, so long that kernels hold few of them (bytes). */
const LONG = 65_536;
const TOPICS = ["px.a", "px.b", "px.c"];

/** Bytes that begin with a number. */
function numbered(n: number, bytes = LONG): Buffer {
  const value = Buffer.alloc(bytes);
  value.writeUInt32LE(n);
  return value;
}

function numberOf(value: Uint8Array): number {
  return Buffer.from(value.buffer, value.byteOffset, 4).readUInt32LE(0);
}

function missedOf(socket: Publisher<Bytes> | Subscriber<Bytes>): MissedMessages[] {
  const events: MissedMessages[] = [];
  (socket as Subscriber<Bytes>).on("missed", (event) => void events.push(event));
  return events;
}

/** Publishes numbers to topics, and knows how many. */
class Numbers {
  readonly #publisher: Publisher<Bytes>;
  readonly counts = new Map<string, number>();

  constructor(publisher: Publisher<Bytes>) {
    this.#publisher = publisher;
  }

  async publish(topic: string, bytes = LONG): Promise<void> {
    const n = this.counts.get(topic) ?? 0;
    this.counts.set(topic, n + 1);
    await this.#publisher.publish(topic, numbered(n, bytes));
    await this.#publisher.drain();
  }
}

/** Reads, and knows of each topic how many came, and the last number. */
class Tally {
  readonly counts = new Map<string, number>();
  readonly last = new Map<string, number>();

  async read(subscriber: Subscriber<Bytes>): Promise<void> {
    for await (const { topic, value } of subscriber) {
      this.counts.set(topic, (this.counts.get(topic) ?? 0) + 1);
      this.last.set(topic, numberOf(value));
    }
  }

  /** Numbers that did not come before the last one. */
  get missing(): number {
    return [...this.last].reduce((sum, [topic, n]) => sum + n + 1 - this.counts.get(topic)!, 0);
  }
}

const SLOW = { codec: raw(), peerFramesMax: 2 } as const;

/** A subscriber that has not read while more was published than ZeroMQ and the kernels hold. */
async function overrun(t: TestContext, transport: "tcp" | "ipc" | "inproc") {
  const publisher = open(t, new Publisher<Bytes>(SLOW));
  const subscriber = open(t, new Subscriber<Bytes>({ ...SLOW, name: "slow" }));
  const told = { publisher: missedOf(publisher), subscriber: missedOf(subscriber) };
  subscriber.subscribe("px.*");
  await wireOf(t, transport).join(publisher, subscriber);
  const numbers = new Numbers(publisher);
  // It has seen each topic before.
  const tally = new Tally();
  for (const topic of TOPICS) {
    await numbers.publish(topic);
    const { value } = await subscriber.receive();
    tally.counts.set(topic, 1);
    tally.last.set(topic, numberOf(value));
  }
  for (const n of range(600)) await numbers.publish(TOPICS[n % TOPICS.length]!);
  void tally.read(subscriber);
  return { publisher, subscriber, numbers, tally, told };
}

eachTransport(
  "missed: what a slow subscriber misses is counted to the last message, on both sides",
  async (t, { transport }) => {
    const { publisher, subscriber, numbers, tally, told } = await overrun(t, transport);
    // Not each message has a number.
    const found = eventually(() => {
      for (const topic of TOPICS) assert.ok(tally.last.get(topic)! > 600 / TOPICS.length);
      assert.equal(subscriber.stats().messagesMissed, tally.missing);
    });
    await repeatUntil(async () => {
      for (const topic of TOPICS) await numbers.publish(topic);
    }, found);
    assert.ok(tally.missing > 0, "nothing was missed");
    await eventually(() => assert.equal(publisher.stats().messagesMissed, tally.missing));
    await eventually(() => {
      for (const events of [told.subscriber, told.publisher]) {
        const count = events.reduce((sum, event) => sum + event.count, 0);
        assert.deepEqual([count, events.at(-1)!.total], [tally.missing, tally.missing]);
      }
    });
    const [atSubscriber, atPublisher] = [told.subscriber[0]!, told.publisher[0]!];
    assert.match(atSubscriber.id!, /^[0-9a-f]{16}$/);
    assert.ok(TOPICS.includes(atSubscriber.topic!));
    assert.deepEqual([atPublisher.name, atPublisher.topic], ["slow", null]);
    assert.equal(atPublisher.id, publisher.peers()[0]!.id);
  },
);

eachTransport(
  "missed: nothing is counted where the publisher waits, or where nothing is missed",
  async (t, wire) => {
    const publisher = open(t, new Publisher<Bytes>({ ...SLOW, slowSubscribers: "wait" }));
    const subscriber = open(t, new Subscriber<Bytes>(SLOW));
    subscriber.subscribe("#");
    await wire.join(publisher, subscriber);
    const publishing = (async () => {
      for (const n of range(2_000)) await publisher.publish(`t${n % 7}`, numbered(n, 1_000));
    })();
    for (const n of range(2_000)) assert.equal(numberOf((await subscriber.receive()).value), n);
    await publishing;
    assert.equal(subscriber.stats().messagesMissed, 0);
    assert.equal(publisher.stats().messagesMissed, 0);
  },
);

test("missed: a subscriber that comes late, or cancels a topic for a while, has missed nothing", async (t) => {
  const publisher = open(t, new Publisher<Bytes>({ codec: raw() }));
  const early = open(t, new Subscriber<Bytes>({ codec: raw() }));
  early.subscribe("a");
  early.subscribe("sync");
  const address = await wireOf(t, "tcp").join(publisher, early);
  const numbers = new Numbers(publisher);
  const tally = new Tally();
  void tally.read(early);
  const came = (topic: string) => {
    const n = numbers.counts.get(topic)! - 1;
    return eventually(() => assert.equal(tally.last.get(topic), n));
  };
  for (const _ of range(5)) await numbers.publish("a", 10);
  await came("a");
  const ended = publisher.once("unsubscribe");
  early.unsubscribe("a");
  await ended;
  for (const _ of range(5)) await numbers.publish("a", 10);
  const begun = publisher.once("subscribe");
  early.subscribe("a");
  await begun;
  const late = open(t, new Subscriber<Bytes>({ codec: raw() }));
  late.subscribe("a");
  late.connect(address);
  const plain = new zmq.Subscriber({ linger: 0 });
  t.after(() => plain.close());
  plain.connect(address);
  plain.subscribe("a");
  await publisher.ready({ peers: 3 });
  // Twice with a number.
  const before = numbers.counts.get("a")!;
  for (let ordered = 0; ordered < 2; ) {
    await numbers.publish("a", 10);
    if ((await plain.receive()).length === 3) ordered += 1;
    await late.receive();
  }
  await came("a");
  assert.equal(tally.counts.get("a"), 5 + numbers.counts.get("a")! - before);
  assert.deepEqual([early.stats().messagesMissed, late.stats().messagesMissed], [0, 0]);
});

test("missed: what was published while the connection was down is missed, and what another publisher has sent is not", async (t) => {
  const wire = wireOf(t, "tcp");
  const first = open(t, new Publisher<Bytes>({ codec: raw() }));
  const subscriber = open(t, new Subscriber<Bytes>({ codec: raw() }));
  subscriber.subscribe("a");
  const address = await wire.join(first, subscriber);
  const numbers = new Numbers(first);
  const receive = async () => numberOf((await subscriber.receive()).value);
  await numbers.publish("a", 10);
  assert.equal(await receive(), 0);
  const left = first.once("subscriberLeft");
  subscriber.disconnect(address);
  await left;
  for (const _ of range(3)) await numbers.publish("a", 10);
  subscriber.connect(address);
  await first.ready();
  // Not each message has a number.
  for (let n = 4; subscriber.stats().messagesMissed === 0; n++) {
    await numbers.publish("a", 10);
    assert.equal(await receive(), n);
  }
  assert.equal(subscriber.stats().messagesMissed, 3);
  await eventually(() => assert.equal(first.stats().messagesMissed, 3));
  await first.close();

  const second = open(t, new Publisher<Bytes>({ codec: raw() }));
  await second.bind(address);
  await second.ready();
  const others = new Numbers(second);
  for (const n of range(20)) {
    await others.publish("a", 10);
    assert.equal(await receive(), n);
  }
  assert.equal(subscriber.stats().messagesMissed, 3);
  assert.equal(second.stats().messagesMissed, 0);
});

test("missed: without batches nothing is added to messages, and nothing is counted", async (t) => {
  const publisher = open(t, new Publisher<Bytes>({ codec: raw(), batch: false }));
  const subscriber = open(t, new Subscriber<Bytes>({ codec: raw(), batch: false }));
  const plain = new zmq.Subscriber({ linger: 0 });
  t.after(() => plain.close());
  subscriber.subscribe("a");
  const address = await wireOf(t, "tcp").join(publisher, subscriber);
  plain.connect(address);
  plain.subscribe("a");
  await publisher.ready({ peers: 2 });
  for (const n of range(3)) {
    await publisher.publish("a", numbered(n, 4));
    assert.deepEqual(await plain.receive(), [Buffer.from("a"), numbered(n, 4)]);
    await subscriber.receive();
  }
  assert.equal(subscriber.stats().messagesMissed, 0);
});

test("missed: a plain SUB gets two frames, and sometimes an order frame behind them once a Subscriber has come", async (t) => {
  const publisher = open(t, new Publisher<Bytes>({ codec: raw() }));
  const plain = new zmq.Subscriber({ linger: 0 });
  t.after(() => plain.close());
  const address = await publisher.bind(wireOf(t, "tcp").address());
  plain.connect(address);
  plain.subscribe("");
  await publisher.ready();
  const body = Buffer.concat([Buffer.from([0xc1, 4, 0, 0]), numbered(0, 4)]);
  await publisher.publish("a", numbered(0, 4));
  assert.deepEqual(await plain.receive(), [Buffer.from("a"), body]);
  const subscriber = open(t, new Subscriber<Bytes>({ codec: raw() }));
  subscriber.subscribe("a");
  subscriber.connect(address);
  await publisher.ready({ peers: 2 });
  await publisher.publish("a", numbered(0, 4));
  const [topic, same, order, ...more] = await plain.receive();
  assert.deepEqual([topic, same, more], [Buffer.from("a"), body, []]);
  assert.equal(order!.readUIntLE(26, 6), 1);
});

test("missed: a peer may lie about itself alone, and about no more than was published", async (t) => {
  const publisher = open(t, new Publisher<Bytes>({ codec: raw() }));
  const subscriber = open(t, new Subscriber<Bytes>({ codec: raw(), name: "honest" }));
  const told = missedOf(publisher);
  const prefixes: string[] = [];
  publisher.on("subscribe", ({ prefix }) => void prefixes.push(prefix));
  subscriber.subscribe("a");
  const address = await wireOf(t, "tcp").join(publisher, subscriber);
  for (const n of range(4)) await publisher.publish("a", numbered(n, 4));
  await publisher.drain();
  const liar = new zmq.Subscriber({ linger: 0 });
  t.after(() => liar.close());
  liar.connect(address);
  liar.subscribe("");
  await publisher.ready({ peers: 2 });
  await publisher.publish("b", numbered(4, 4));
  await publisher.drain();
  const order = (await liar.receive()).at(-1)!;
  const id = order.subarray(4, 12).toString("hex");
  const report = (who: string, total: number, publisherId = id) =>
    liar.subscribe(`\0brokerless\0missed:${publisherId}.${who}.${total}`);
  // Of nobody who has announced himself, and to another publisher.
  report("LIAR", 3);
  report("LIAR", 3, "0123456789abcdef");
  liar.subscribe("\0brokerless\0LIAR.1.0");
  report("LIAR", 999_999_999_999_999);
  for (const n of range(500)) report("LIAR", 1_000 + n);
  const done = publisher.once("subscribe");
  liar.subscribe("done");
  await done;
  assert.equal(publisher.stats().messagesMissed, 5);
  assert.deepEqual(told, [{ id: "LIAR", name: null, topic: null, count: 5, total: 5 }]);
  assert.deepEqual(prefixes, ["a", "", "done"]);
  assert.equal(subscriber.stats().messagesMissed, 0);
});
