import assert from "node:assert/strict";
import { test } from "node:test";
import { BrokerlessError, Publisher, Pull, Push, Subscriber } from "../../lib/index.ts";
import { Worker, WorkQueue } from "../../patterns/work-queue.ts";
import { eachTransport } from "../support/each-transport.ts";
import { open } from "../support/fixtures.ts";
import { World } from "../support/world.ts";

eachTransport("once: resolves with the next event", async (t, wire) => {
  const publisher = open(t, new Publisher());
  const subscriber = open(t, new Subscriber());
  const [peer, subscribers] = [publisher.once("peer"), publisher.once("subscribers")];
  subscriber.subscribe("weather");
  const address = await publisher.bind(wire.address());
  subscriber.connect(address);
  assert.deepEqual(await peer, { address, id: null, name: null, peers: 1 });
  assert.deepEqual(await subscribers, { count: 1 });
});

test("once: a socket that closes first rejects it, and so does one that is closed", async (t) => {
  const push = open(t, new Push());
  const waiting = push.once("peer");
  await push.close();
  await assert.rejects(waiting, { code: "BROKERLESS_CLOSED" });
  await assert.rejects(push.once("peer"), { code: "BROKERLESS_CLOSED" });
});

test("once: an error is what it resolves with, and nobody need await it", async (t) => {
  const push = open(t, new Push());
  const error = push.once("error");
  await assert.rejects(push.send(Symbol("no message")));
  assert.ok((await error) instanceof BrokerlessError);
  // Rejected when the socket closes: were it not quiet, the test would fail of it.
  void push.once("peer");
});

test("once: a work queue and a worker have it too", async (t) => {
  const world = new World(t);
  const queue = world.socket(
    await WorkQueue.open({ directory: world.directory(), attemptsMax: 1 }),
  );
  const connect = await queue.bind("tcp://127.0.0.1:*");
  const worker = await Worker.start({ connect }, () => {
    throw new Error("not today");
  });
  world.socket({ close: async () => void (await worker.close()) });
  const [retry, dead] = [worker.once("retry"), queue.once("deadLetter")];
  await queue.add("job");
  assert.equal((await retry).attempt, 1);
  assert.equal((await dead).seqFirst, 1);
});

test("once: a reliable socket's peers are told by it", async (t) => {
  const push = open(t, new Push({ reliable: true }));
  const pull = open(t, new Pull({ reliable: true }));
  const [here, there] = [push.once("peer"), pull.once("peer")];
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  assert.deepEqual([(await here).peers, (await there).peers], [1, 1]);
});
