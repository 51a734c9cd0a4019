import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  BrokerlessError,
  Pull,
  Push,
  type ReliableDelivery,
  type ReliablePull,
  type ReliablePush,
} from "../../lib/index.ts";
import type { Appended } from "../../lib/journal/commit/appended.ts";
import { type Journal, MemoryJournal } from "../../lib/journal/index.ts";
import { changed } from "../support/changed.ts";
import { wireOf } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { gate, open } from "../support/fixtures.ts";

/** A receiver with this inbox, and a sender. */
async function pair(
  t: TestContext,
  inbox: Journal,
): Promise<{ readonly sender: ReliablePush<number>; readonly receiver: ReliablePull<number> }> {
  const sender = open(t, new Push<number>({ reliable: true, leaseMs: 60_000, retryMs: 1 }));
  const receiver = open(t, new Pull<number>({ inbox }));
  await wireOf(t, "tcp").join(sender, receiver);
  return { sender, receiver };
}

async function deliveryOf(receiver: ReliablePull<number>): Promise<ReliableDelivery<number>> {
  const { value } = await receiver.deliveries().next();
  return value!;
}

async function effectsOf(inbox: Journal): Promise<string[]> {
  const effects: string[] = [];
  for await (const { value } of inbox.read()) effects.push(Buffer.from(value).toString());
  return effects;
}

test("effects: a second ack with an effect is the promise of the first, until that is stored", async (t) => {
  const inbox = new MemoryJournal();
  const isThere = gate();
  const slow = changed(inbox, {
    append: (entries, options) =>
      isThere.promise.then(() => inbox.append(entries, options)) as unknown as Appended,
  });
  const { sender, receiver } = await pair(t, slow);
  await sender.send(1);
  const delivery = await deliveryOf(receiver);
  const first = delivery.ack({ effect: Buffer.from("first") });
  const second = delivery.ack({ effect: Buffer.from("second") });
  assert.equal(second, first);
  let settled = 0;
  void second.then(() => settled++);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([settled, inbox.seqStored], [0, 0], "it resolved before anything was stored");
  isThere.open();
  await second;
  assert.deepEqual(await effectsOf(inbox), ["first"]);
});

test("effects: one that comes behind another answer is refused, and not stored", async (t) => {
  const inbox = new MemoryJournal();
  const { sender, receiver } = await pair(t, inbox);
  const answers: ((delivery: ReliableDelivery<number>) => void)[] = [
    (delivery) => delivery.ack(),
    (delivery) => delivery.reject("no"),
    (delivery) => delivery.nack({ delayMs: 60_000 }),
  ];
  for (const [index, answer] of answers.entries()) {
    await sender.send(index);
    const delivery = await deliveryOf(receiver);
    answer(delivery);
    await assert.rejects(delivery.ack({ effect: Buffer.from("late") }), TypeError);
  }
  assert.deepEqual(await effectsOf(inbox), []);
});

test("effects: the bytes are those of the call, where they have to wait for room too", async (t) => {
  const inbox = new MemoryJournal();
  const hasRoom = gate();
  let isFull = true;
  const full = changed(inbox, {
    get full() {
      return isFull;
    },
    room: () => hasRoom.promise,
  });
  const { sender, receiver } = await pair(t, full);
  await sender.send(1);
  const delivery = await deliveryOf(receiver);
  const effect = Buffer.from("as it was");
  const stored = delivery.ack({ effect });
  effect.fill("x");
  isFull = false;
  hasRoom.open();
  await stored;
  assert.deepEqual(await effectsOf(inbox), ["as it was"]);
});

test("effects: one that waits for room is not stored when its lease has ended meanwhile", async (t) => {
  const inbox = new MemoryJournal();
  const hasRoom = gate();
  let isFull = true;
  const full = changed(inbox, {
    get full() {
      return isFull;
    },
    room: () => hasRoom.promise,
  });
  const sender = open(t, new Push<number>({ reliable: true, leaseMs: 50 }));
  const receiver = open(t, new Pull<number>({ inbox: full }));
  await wireOf(t, "tcp").join(sender, receiver);
  const lost = new Promise<void>((resolve) => receiver.on("leaseLost", () => resolve()));
  await sender.send(1);
  const delivery = await deliveryOf(receiver);
  const stored = delivery.ack({ effect: Buffer.from("late") });
  await lost;
  isFull = false;
  hasRoom.open();
  await assert.rejects(stored, { code: "BROKERLESS_LEASE_LOST" });
  assert.deepEqual(await effectsOf(inbox), []);
  assert.ok(!delivery.isAcknowledged);
  delivery.nack();
});

test("effects: an unacked delivery at a close is no longer that receiver's, and another stores its effect once", async (t) => {
  const inbox = new MemoryJournal();
  const sender = open(t, new Push<number>({ reliable: true }));
  const address = await sender.bind("tcp://127.0.0.1:*");
  const first = open(t, new Pull<number>({ inbox }));
  first.connect(address);
  const processed = sender.send(1, { confirm: "processed" });
  const early = await deliveryOf(first);
  assert.ok(early.isHeld);
  await first.close();
  assert.ok(!early.isHeld);
  const second = open(t, new Pull<number>({ inbox }));
  second.connect(address);
  const late = await deliveryOf(second);
  assert.equal(late.id, early.id);
  const refused = early.ack({ effect: Buffer.from("first") });
  await assert.rejects(refused, { code: "BROKERLESS_LEASE_LOST" });
  await late.ack({ effect: Buffer.from("second") });
  await processed;
  assert.deepEqual(await effectsOf(inbox), ["second"]);
});

test("effects: a close waits for one that is acknowledged while it waits for another", async (t) => {
  const inbox = new MemoryJournal();
  const gates = [gate(), gate()];
  let appended = 0;
  const slow = changed(inbox, {
    append: (entries, options) =>
      gates[appended++]!.promise.then(() => inbox.append(entries, options)) as unknown as Appended,
  });
  const { sender, receiver } = await pair(t, slow);
  await sender.send(1);
  await sender.send(2);
  const deliveries = receiver.deliveries();
  const [one, two] = [(await deliveries.next()).value!, (await deliveries.next()).value!];
  const stored = [one.ack({ effect: Buffer.from("one") })];
  const closed = receiver.close();
  let isClosed = false;
  void closed.then(() => {
    isClosed = true;
  });
  stored.push(two.ack({ effect: Buffer.from("two") }));
  gates[0]!.open();
  await stored[0];
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(!isClosed, "closed with an effect on its way");
  gates[1]!.open();
  await Promise.all([...stored, closed]);
  assert.deepEqual(await effectsOf(inbox), ["one", "two"]);
});

test("effects: a handler that does not look at its effect has not processed what could not be stored", async (t) => {
  const inbox = new MemoryJournal();
  let failures = 2;
  const failing = changed(inbox, {
    append: (entries, options) => {
      if (failures === 0) return inbox.append(entries, options);
      failures -= 1;
      const error = new BrokerlessError("BROKERLESS_NO_SPACE", "the disk is full");
      return Promise.reject(error) as unknown as Appended;
    },
  });
  const { sender, receiver } = await pair(t, failing);
  let retries = 0;
  receiver.on("retry", () => retries++);
  void receiver.run((value, delivery) => {
    void delivery.ack({ effect: Buffer.from(`effect of ${value}`) });
  });
  await sender.send(1, { confirm: "processed" });
  assert.equal(retries, 2);
  assert.deepEqual(await effectsOf(inbox), ["effect of 1"]);
  await eventually(() => assert.equal(sender.stats().queuedMessages, 0));
});
