import assert from "node:assert/strict";
import { test } from "node:test";
import { Pull, Push, type ReliableDelivery, type ReliablePushOptions } from "../../lib/index.ts";
import { type Journal, MemoryJournal } from "../../lib/journal/index.ts";
import { eventually, turn } from "../support/eventually.ts";
import { open, range } from "../support/fixtures.ts";
import { World } from "../support/world.ts";

const COUNT = 5;

type Options = Omit<ReliablePushOptions<string>, "reliable" | "journal">;

/** A sender that drops the oldest, with room for five, and what it has dropped. */
function sender(world: World, journal: Journal, options?: Options) {
  const push = world.socket(
    new Push<string>({
      journal,
      overflow: "dropOldest",
      backlogMessagesMax: COUNT,
      graceMs: 1,
      ...options,
    }),
  );
  const dropped: number[] = [];
  push.on("dropped", ({ seqFirst, seqLast }) => {
    for (let seq = seqFirst; seq <= seqLast; seq++) dropped.push(seq);
  });
  return { push, dropped };
}

/** A sender whose whole backlog a receiver has, and a call that waits for room. */
async function held(world: World) {
  const { push, dropped } = sender(world, new MemoryJournal());
  const pull = world.socket(new Pull<string>({ reliable: true }));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  for (const value of range(COUNT)) await push.send(`${value}`, { confirm: "delivered" });
  const waiting = push.send("new");
  await turn();
  assert.deepEqual([push.stats().waitingSends, dropped], [1, []]);
  return { push, pull, dropped, waiting };
}

test("dropOldest: a send right after a restart finds what there is to drop", async (t) => {
  const world = new World(t);
  const journal = new MemoryJournal();
  const first = sender(world, journal);
  for (const value of range(COUNT)) await first.push.send(`${value}`);
  await first.push.close();
  const { push, dropped } = sender(world, journal);
  await push.send("new");
  assert.equal(push.trySend("newer"), true);
  assert.deepEqual(dropped, [1, 2]);
});

test("dropOldest: what is dropped is counted as dropped, and not as sent", async (t) => {
  const push = open(
    t,
    new Push<string>({
      journal: new MemoryJournal(),
      overflow: "dropOldest",
      backlogMessagesMax: COUNT,
    }),
  );
  for (const value of range(COUNT + 2)) await push.send(`${value}`);
  const pull = open(t, new Pull<string>({ reliable: true }));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  void pull.run(() => {});
  await eventually(() => assert.equal(push.stats().queuedMessages, 0));
  const { messagesSent, messagesDropped } = push.stats();
  assert.deepEqual({ messagesSent, messagesDropped }, { messagesSent: COUNT, messagesDropped: 2 });
});

test("dropOldest: a send that waits drops what a receiver has given back by leaving", async (t) => {
  const { push, pull, dropped, waiting } = await held(new World(t));
  await pull.close();
  await waiting;
  assert.equal(push.trySend("newer"), true);
  assert.deepEqual(dropped, [1, 2]);
});

test("dropOldest: a send that waits drops what a handler has given back", async (t) => {
  const { pull, dropped, waiting } = await held(new World(t));
  const deliveries: ReliableDelivery<string>[] = [];
  void (async () => {
    for await (const delivery of pull.deliveries()) deliveries.push(delivery);
  })();
  await eventually(() => assert.equal(deliveries.length, COUNT));
  deliveries[2]!.nack({ delayMs: 60_000 });
  await waiting;
  assert.deepEqual(dropped, [3]);
});

test("dropOldest: nothing is dropped that frees no bytes, behind what a receiver has", async (t) => {
  const world = new World(t);
  const options = { batch: false, backlogMessagesMax: 2 ** 20, backlogBytesMax: 4_096 } as const;
  const { push, dropped } = sender(world, new MemoryJournal(), options);
  const pull = world.socket(new Pull<string>({ reliable: true, prefetch: 1 }));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  await push.send("x".repeat(1_000), { confirm: "delivered" });
  while (push.stats().queuedBytes < 4_096) await push.send("x".repeat(1_000));
  const waiting = push.send("new");
  await turn();
  assert.deepEqual([push.stats().waitingSends, dropped], [1, []]);
  await pull.receive();
  await pull.drain();
  await waiting;
  assert.deepEqual(dropped, []);
});
