import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import * as zmq from "zeromq";
import { Publisher, type PublisherOptions, Subscriber } from "../../lib/index.ts";
import { eachTransport, wireOf } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { gate, open, range, take } from "../support/fixtures.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import { command, subscribeCommand } from "../support/zmtp-frames.ts";
import { ZmtpPeer } from "../support/zmtp-peer.ts";

/** More than the 1,000 that libzmq's SUB keeps by default. */
const TOPICS = range(3_500).map((index) => `sensor.${index * 7919}`);

/** Publishes one message for each topic, and expects all of them. */
async function reaches(publisher: Publisher, subscriber: Subscriber): Promise<void> {
  await publisher.ready();
  const taken = take(subscriber, TOPICS.length);
  for (const topic of TOPICS) await publisher.publish(topic, 1);
  assert.deepEqual(
    (await taken).map(({ topic }) => topic),
    TOPICS,
  );
}

function publisherOf(t: TestContext, options: PublisherOptions<Record<string, unknown>> = {}) {
  return open(t, new Publisher({ slowSubscribers: "wait", ...options }));
}

eachTransport(
  "subscriptions: thousands arrive, made before the connection or after it, and again at a new publisher",
  async (t, wire) => {
    const publisher = publisherOf(t);
    const subscriber = open(t, new Subscriber());
    for (const topic of TOPICS.slice(0, 2_000)) subscriber.subscribe(topic);
    const address = await publisher.bind(wire.address());
    subscriber.connect(address);
    await publisher.ready();
    for (const topic of TOPICS.slice(2_000)) subscriber.subscribe(topic);
    let arrived = 0;
    publisher.on("subscribe", () => {
      arrived += 1;
    });
    await eventually(() => assert.ok(arrived >= TOPICS.length - 2_000, `${arrived} arrived`));
    await reaches(publisher, subscriber);
    await publisher.close();
    const next = publisherOf(t);
    await next.bind(address);
    await reaches(next, subscriber);
  },
);

test("subscriptions: thousands pass a gate, and again after a reconnect", async (t) => {
  const first = publisherOf(t, { gate: true });
  const subscriber = open(t, new Subscriber());
  for (const topic of TOPICS) subscriber.subscribe(topic);
  const address = await first.bind("tcp://127.0.0.1:*");
  subscriber.connect(address);
  await reaches(first, subscriber);
  await first.close();
  const next = publisherOf(t, { gate: true });
  await next.bind(address);
  await reaches(next, subscriber);
});

test("subscriptions: beyond peerTopicBytesMax a gate cuts off, and the error names the option", async (t) => {
  const publisher = publisherOf(t, { gate: true, peerTopicBytesMax: 1_024 });
  const errors: string[] = [];
  publisher.on("error", ({ message }) => errors.push(message));
  const subscriber = open(t, new Subscriber());
  for (const topic of TOPICS) subscriber.subscribe(topic);
  subscriber.connect(await publisher.bind("tcp://127.0.0.1:*"));
  await eventually(() => assert.match(errors[0] ?? "", /peerTopicBytesMax/));
});

test("subscriptions: control: a plain SUB loses those beyond its high-water mark", async (t) => {
  const publisher = publisherOf(t);
  const prefixes = new Set<string>();
  publisher.on("subscribe", ({ prefix }) => prefixes.add(prefix));
  const plain = new zmq.Subscriber({ linger: 0 });
  t.after(() => plain.close());
  plain.subscribe(...TOPICS);
  plain.connect(await publisher.bind(wireOf(t, "tcp").address()));
  let last = 0;
  // Behind all that it has kept. Looking at the socket makes it notice that there is room again.
  await eventually(() => {
    void plain.readable;
    plain.subscribe(`last.${last++}`);
    assert.ok([...prefixes].some((prefix) => prefix.startsWith("last.")));
  });
  const lost = TOPICS.filter((topic) => !prefixes.has(topic));
  assert.ok(lost.length > 0, "none was lost");
});

test("subscriptions: a flood of them leaves the event loop its turns", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const publisher = publisherOf(t);
  let arrived = 0;
  publisher.on("subscribe", () => {
    arrived += 1;
  });
  const peer = await ZmtpPeer.join(await publisher.bind("tcp://127.0.0.1:*"), {
    socketType: "SUB",
  });
  t.after(() => peer.destroy());
  const pair = Buffer.concat([subscribeCommand("x"), command("CANCEL", Buffer.from("x"))]);
  const flood = Buffer.concat(Array.from({ length: 100_000 }, () => pair));
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns += 1;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await peer.write(flood);
  await eventually(() => assert.equal(arrived, 100_000));
  isOver = true;
  // A turn takes some thousands where nothing holds it back; a machine would have to be ten times as fast.
  assert.ok(turns > 2, `${turns} turns`);
});

test("subscriptions: one behind another, without a pause, they leave the event loop its turns", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  let turns = 0;
  let read = 0;
  const ended = gate();
  const message = Buffer.from("\x01x");
  // It ends by itself, so that a reader that lets nothing else run is found out.
  t.mock.method(zmq.XPublisher.prototype, "receive", () => {
    if (turns < 3 && ++read < 500) return Promise.resolve([message]);
    ended.open();
    return new Promise(() => {});
  });
  const turn = (): void => {
    turns += 1;
    if (turns < 3) setImmediate(turn);
  };
  setImmediate(turn);
  publisherOf(t).on("subscribe", () => {
    const startMs = performance.now();
    while (performance.now() - startMs < 1);
  });
  await ended.promise;
  assert.equal(turns, 3, `${turns} turns in ${read} messages`);
});
