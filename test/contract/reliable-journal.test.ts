import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { runDeadLettersCommand } from "../../lib/cli/dead-letters-command.ts";
import { BrokerlessError, Pull, Push } from "../../lib/index.ts";
import type { Appended } from "../../lib/journal/commit/appended.ts";
import { MemoryJournal } from "../../lib/journal/index.ts";
import { changed } from "../support/changed.ts";
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

test("journal: an effect and its acknowledgement are stored together, with the id as its key", async (t) => {
  const world = new World(t);
  const wire = wireOf(t, "tcp");
  const inboxPath = world.directory();
  const sender = world.socket(new Push<number>({ journal: await world.journal(), graceMs: 10 }));
  const address = await sender.bind(wire.address());
  const inbox = await world.journal(inboxPath);
  const receiver = new Pull<number>({ inbox });
  receiver.connect(address);
  const sent = range(3).map((value) => sender.send(value, { confirm: "processed" }));
  const ids: string[] = [];
  for await (const delivery of receiver.deliveries()) {
    ids.push(delivery.id);
    await delivery.ack({ effect: Buffer.from(`effect of ${delivery.value}`) });
    assert.ok(delivery.isAcknowledged);
    // The first answer counts, and only that.
    await delivery.ack({ effect: Buffer.from("another") });
    if (ids.length === 3) break;
  }
  await Promise.all(sent);
  const effects: string[] = [];
  for await (const { key, value } of inbox.read()) effects.push(`${key} ${value}`);
  assert.deepEqual(
    effects,
    ids.map((id, value) => `${id} effect of ${value}`),
  );
  await receiver.close();
  await inbox.close();
  const again = world.socket(new Pull<number>({ inbox: await world.journal(inboxPath) }));
  again.connect(address);
  await sender.send(3);
  assert.deepEqual(await take(again, 1), [3]);
});

test("journal: an effect that cannot be stored acknowledges nothing", async (t) => {
  const world = new World(t);
  const inbox = await world.journal();
  let isFull = true;
  const failing = changed(inbox, {
    append: (entries, options) => {
      if (!isFull) return inbox.append(entries, options);
      const error = new BrokerlessError("BROKERLESS_NO_SPACE", "the disk is full");
      return Promise.reject(error) as unknown as Appended;
    },
  });
  const sender = world.socket(new Push<number>({ reliable: true, leaseMs: 60_000 }));
  const receiver = world.socket(new Pull<number>({ inbox: failing }));
  await wireOf(t, "tcp").join(sender, receiver);
  const sent = sender.send(1, { confirm: "processed" });
  const { value: delivery } = await receiver.deliveries().next();
  const effect = Buffer.from("effect");
  assert.throws(() => delivery!.ack({ effect: "text" as never }), TypeError);
  await assert.rejects(delivery!.ack({ effect }), { code: "BROKERLESS_NO_SPACE" });
  assert.ok(delivery!.isHeld);
  isFull = false;
  await delivery!.ack({ effect });
  await sent;
  assert.equal(inbox.seqStored, 1);
});

test("journal: an effect is refused where the lease is over, or there is no inbox", async (t) => {
  const world = new World(t);
  const sender = world.socket(new Push<number>({ reliable: true, leaseMs: 50 }));
  const inbox = await world.journal();
  const receiver = world.socket(new Pull<number>({ inbox }));
  const without = world.socket(new Pull<number>({ reliable: true }));
  await wireOf(t, "tcp").join(sender, receiver);
  await sender.send(1);
  const { value: delivery } = await receiver.deliveries().next();
  const effect = Buffer.from("effect");
  await new Promise<void>((resolve) => receiver.on("leaseLost", () => resolve()));
  await assert.rejects(delivery!.ack({ effect }), { code: "BROKERLESS_LEASE_LOST" });
  assert.equal(inbox.seqNext, 1);
  delivery!.nack();
  await wireOf(t, "tcp").join(sender, without);
  await receiver.close();
  const { value: other } = await without.deliveries().next();
  assert.throws(() => other!.ack({ effect }), TypeError);
  other!.ack();
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

test("journal: what is settled behind a dead letter is freed, and the letter is kept", async (t) => {
  const world = new World(t);
  const path = world.directory();
  const journal = await world.journal(path, { segmentBytes: 2 ** 19 });
  const sender = new Push<string>({ journal });
  const receiver = world.socket(new Pull<string>({ reliable: true }));
  await wireOf(t, "tcp").join(sender, receiver);
  let id = "";
  void receiver.run((value, delivery) => {
    if (value !== "hopeless") return;
    ({ id } = delivery);
    delivery.reject("it is");
  });
  await assert.rejects(sender.send("hopeless", { confirm: "processed" }));
  // Some MiB of others, in as many steps as it takes.
  for (let count = 0; journal.seqFirst === 1; count += 500) {
    assert.ok(count < 20_000, "nothing is freed");
    const sent = range(500).map(() => sender.send("x".repeat(1_000), { confirm: "processed" }));
    await Promise.all(sent);
  }
  const { value: letter } = await sender.deadLetters[Symbol.asyncIterator]().next();
  assert.deepEqual([letter?.seq, letter?.value, letter?.reason], [1, "hopeless", "it is"]);
  await sender.close();
  await receiver.close();
  await journal.close();
  const list = new PassThrough();
  await runDeadLettersCommand(
    { topic: "dead-letters", action: "list", directory: path, letters: null, json: true },
    list,
  );
  const shown = JSON.parse(String(list.read()));
  assert.deepEqual([shown.id, shown.value], [id, "hopeless"]);
  const again = world.socket(new Push<string>({ journal: await world.journal(path), graceMs: 10 }));
  assert.equal(await again.deadLetters.requeue([1]), 1);
  const other = world.socket(new Pull<string>({ reliable: true }));
  await wireOf(t, "tcp").join(again, other);
  assert.deepEqual(await take(other, 1), ["hopeless"]);
  assert.equal(again.deadLetters.count, 0);
});

test("journal: dead letters without a journal hold back no memory", async (t) => {
  const world = new World(t);
  const journal = new MemoryJournal();
  const sender = world.socket(new Push<string>({ journal }));
  const receiver = world.socket(new Pull<string>({ reliable: true }));
  await wireOf(t, "tcp").join(sender, receiver);
  void receiver.run((value, delivery) => {
    if (value === "hopeless") delivery.reject("it is");
  });
  await assert.rejects(sender.send("hopeless", { confirm: "processed" }));
  for (let count = 0; count < 4_000; count += 500) {
    const sent = range(500).map(() => sender.send("x".repeat(1_000), { confirm: "processed" }));
    await Promise.all(sent);
  }
  await eventually(() => assert.ok(journal.stats().bytesKept < 3 * 2 ** 20));
  assert.equal(sender.deadLetters.count, 1);
});

test("journal: a dead letter that cannot be sent anew stays one", async (t) => {
  const world = new World(t);
  const journal = await world.journal();
  const failing = changed(journal, {
    appendDraft: () => {
      throw new BrokerlessError("BROKERLESS_NO_SPACE", "the disk is full");
    },
  });
  let isFull = false;
  const switched = changed(journal, {
    appendDraft: (...args) => (isFull ? failing : journal).appendDraft(...args),
  });
  const sender = world.socket(new Push<string>({ journal: switched }));
  const receiver = world.socket(new Pull<string>({ reliable: true }));
  await wireOf(t, "tcp").join(sender, receiver);
  void receiver.run((_, delivery) => delivery.reject("no"));
  await assert.rejects(sender.send("hopeless", { confirm: "processed" }));
  isFull = true;
  await assert.rejects(sender.deadLetters.requeue(), { code: "BROKERLESS_NO_SPACE" });
  assert.equal(sender.deadLetters.count, 1);
  isFull = false;
  assert.equal(await sender.deadLetters.requeue(), 1);
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
