import assert from "node:assert/strict";
import { test } from "node:test";
import { Pull, Push } from "../../lib/index.ts";
import { eachTransport, wireOf } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, range, take } from "../support/fixtures.ts";
import { World } from "../support/world.ts";

eachTransport(
  "journal: what is stored is delivered after a restart of the sender",
  async (t, wire) => {
    const world = new World(t);
    const path = world.directory();
    const journal = await world.journal(path);
    const sender = new Push<number>({ journal });
    await Promise.all(range(100).map((value) => sender.send(value)));
    assert.equal(journal.seqStored, 100);
    await sender.close();
    await journal.close();
    const reopened = await world.journal(path);
    t.after(() => reopened.close());
    const again = world.socket(new Push<number>({ journal: reopened }));
    const receiver = world.socket(new Pull<number>({ reliable: true }));
    await wire.join(receiver, again);
    await again.send(100);
    assert.deepEqual(await take(receiver, 101), range(101));
  },
);

test("journal: what was acknowledged is not sent again after a restart", async (t) => {
  const world = new World(t);
  const path = world.directory();
  const journal = await world.journal(path);
  const sender = new Push<number>({ journal });
  const receiver = world.socket(new Pull<number>({ reliable: true }));
  await wireOf(t, "tcp").join(sender, receiver);
  const sent = range(50).map((value) => sender.send(value, { confirm: "processed" }));
  const deliveries = receiver.deliveries();
  for (const value of range(50)) {
    const { value: delivery } = await deliveries.next();
    if (value !== 20) delivery!.ack();
  }
  await Promise.all(sent.filter((_, value) => value !== 20));
  await sender.close();
  await journal.close();
  await receiver.close();
  const reopened = await world.journal(path);
  const again = world.socket(new Push<number>({ journal: reopened, graceMs: 10 }));
  const other = world.socket(new Pull<number>({ reliable: true }));
  // What is behind it was settled before: counted as queued, it would be so for ever, and fill a limit.
  assert.equal(again.stats().queuedMessages, 1);
  await wireOf(t, "tcp").join(again, other);
  await again.send(50);
  assert.deepEqual(await take(other, 2), [20, 50]);
});

test("journal: a receiver that survives the sender's restart gets nothing twice", async (t) => {
  const world = new World(t);
  const path = world.directory();
  const wire = wireOf(t, "ipc");
  const address = wire.address();
  const receiver = world.socket(new Pull<number>({ reliable: true }));
  const got: number[] = [];
  void (async () => {
    for await (const value of receiver) got.push(value);
  })();
  receiver.connect(address);
  for (const round of range(3)) {
    const journal = await world.journal(path);
    const sender = new Push<number>({ journal });
    await sender.bind(address);
    await Promise.all(range(40).map((value) => sender.send(round * 40 + value)));
    await sender.ready();
    await sender.close();
    await journal.close();
  }
  const journal = await world.journal(path);
  const sender = world.socket(new Push<number>({ journal }));
  await sender.bind(address);
  await sender.send(120, { confirm: "processed" });
  assert.deepEqual(got, range(121));
});

test("journal: with an inbox a receiver's restart repeats nothing", async (t) => {
  const world = new World(t);
  const wire = wireOf(t, "ipc");
  const address = wire.address();
  const inboxPath = world.directory();
  const journal = await world.journal();
  const sender = world.socket(new Push<number>({ journal, graceMs: 100 }));
  await sender.bind(address);
  const got: number[] = [];
  for (const round of range(3)) {
    const inbox = await world.journal(inboxPath);
    const receiver = new Pull<number>({ inbox });
    receiver.connect(address);
    for (const value of range(30)) void sender.send(round * 30 + value);
    for await (const delivery of receiver.deliveries()) {
      got.push(delivery.value);
      delivery.ack();
      if (got.length === (round + 1) * 30) break;
    }
    await receiver.drain();
    await receiver.close();
    await inbox.close();
  }
  assert.deepEqual(got, range(90));
});

test("journal: a deduplication id is remembered across restarts", async (t) => {
  const world = new World(t);
  const path = world.directory();
  const ids = range(600).map((value) => `order ${value}`);
  for (const _ of range(2)) {
    const journal = await world.journal(path);
    const sender = new Push<number>({ journal });
    await Promise.all(ids.map((deduplicationId, value) => sender.send(value, { deduplicationId })));
    assert.equal(journal.seqStored, 600);
    await sender.close();
    await journal.close();
  }
});

test("journal: dead letters outlive a restart, and can be sent anew", async (t) => {
  const world = new World(t);
  const path = world.directory();
  const journal = await world.journal(path);
  const sender = new Push<number>({ journal });
  const receiver = world.socket(new Pull<number>({ reliable: true }));
  await wireOf(t, "tcp").join(sender, receiver);
  const outcomes = Promise.allSettled(
    range(3).map((value) => sender.send(value, { confirm: "processed" })),
  );
  void receiver.run((value, delivery) => {
    if (value === 1) delivery.reject("bad");
  });
  assert.deepEqual(
    (await outcomes).map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  await sender.close();
  await journal.close();
  await receiver.close();
  const reopened = await world.journal(path);
  const again = world.socket(new Push<number>({ journal: reopened, graceMs: 10 }));
  assert.equal(again.deadLetters.count, 1);
  assert.equal(await again.deadLetters.requeue(), 1);
  assert.equal(again.deadLetters.count, 0);
  const other = world.socket(new Pull<number>({ reliable: true }));
  await wireOf(t, "tcp").join(again, other);
  assert.deepEqual(await take(other, 1), [1]);
});

test("journal: a backlog larger than memory allows is read back", async (t) => {
  const world = new World(t);
  const journal = await world.journal(undefined, { segmentBytes: 65_536 });
  const queueBytesMax = 32_768;
  const sender = world.socket(new Push<string>({ journal, queueBytesMax, graceMs: 10 }));
  const errors = errorsOf(sender);
  const text = "x".repeat(100);
  for (const value of range(20_000)) void sender.send(`${value} ${text}`);
  await sender.drain();
  const receiver = world.socket(new Pull<string>({ reliable: true, prefetch: 500 }));
  await wireOf(t, "tcp").join(sender, receiver);
  const got: string[] = [];
  for await (const values of receiver.batches()) {
    got.push(...values);
    if (got.length === 20_000) break;
  }
  assert.ok(got.every((value, index) => value.startsWith(`${index} `)));
  assert.deepEqual(errors, []);
  // What is settled is freed.
  await eventually(() => assert.ok(journal.seqFirst > 10_000));
});
