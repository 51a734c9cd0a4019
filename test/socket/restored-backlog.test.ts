import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BrokerlessError,
  type MessageRange,
  Pull,
  Push,
  type ReliablePushOptions,
  raw,
} from "../../lib/index.ts";
import type { Appended } from "../../lib/journal/commit/appended.ts";
import { type Journal, MemoryJournal } from "../../lib/journal/index.ts";
import { changed } from "../support/changed.ts";
import { eventually, turn } from "../support/eventually.ts";
import { gate, range } from "../support/fixtures.ts";
import { ReliablePair } from "../support/reliable-pair.ts";
import { World } from "../support/world.ts";

type Options = Omit<ReliablePushOptions<Uint8Array>, "reliable" | "journal">;

function sender(world: World, journal: Journal, options?: Options): Push<Uint8Array> {
  return world.socket(new Push({ journal, codec: raw(), graceMs: 1, ...options }));
}

/** Receives, processes so many, and keeps the rest. */
async function process(world: World, push: Push<Uint8Array>, count: number) {
  const pull = world.socket(new Pull<Uint8Array>({ reliable: true, codec: raw(), prefetch: 4 }));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  const before = push.stats().messagesSent;
  let left = count;
  void (async () => {
    for await (const delivery of pull.deliveries()) if (left-- > 0) delivery.ack();
  })();
  await eventually(() => assert.equal(push.stats().messagesSent, before + count));
  return pull;
}

/**
 * A journal whose only segment has messages that are processed, and then some that are not.
 *
 * @param sizes of these messages (bytes)
 */
async function left(world: World, sizes: { processed: number[]; unprocessed: number[] }) {
  const path = world.directory();
  const journal = await world.journal(path);
  const push = sender(world, journal, { batch: false });
  for (const size of [...sizes.processed, ...sizes.unprocessed])
    await push.send(Buffer.alloc(size));
  const pull = await process(world, push, sizes.processed.length);
  await push.close();
  await pull.close();
  await journal.close();
  return world.journal(path);
}

const THOUSANDS = (count: number) => range(count).map(() => 1_000);

test("backlog after a restart: where all is processed it has no bytes", async (t) => {
  const world = new World(t);
  const journal = await left(world, { processed: THOUSANDS(300), unprocessed: [] });
  assert.ok(journal.stats().bytesKept > 300_000);
  const options = { backlogBytesMax: 2_000, overflow: "reject" } as const;
  const push = sender(world, journal, options);
  assert.equal(push.stats().queuedBytes, 0);
  assert.equal(push.trySend(Buffer.alloc(100)), true);
});

test("backlog after a restart: its bytes are those of what is not processed, at once", async (t) => {
  const world = new World(t);
  const journal = await left(world, { processed: THOUSANDS(300), unprocessed: THOUSANDS(3) });
  assert.ok(journal.stats().bytesKept > 300_000);
  const push = sender(world, journal, { backlogBytesMax: 10_000, overflow: "reject" });
  const { queuedMessages, queuedBytes } = push.stats();
  assert.equal(queuedMessages, 3);
  assert.ok(queuedBytes > 3_000 && queuedBytes < 3_500, `${queuedBytes} bytes`);
  // The first batch is looked at before anything is added behind it.
  await eventually(() => assert.equal(push.trySend(Buffer.alloc(100)), true));
});

test("backlog after a restart: small messages behind large ones are small when they are read", async (t) => {
  const world = new World(t);
  const sizes = { processed: range(30).map(() => 100_000), unprocessed: range(3).map(() => 10) };
  const push = sender(world, await left(world, sizes), { backlogBytesMax: 4_000 });
  await push.send(Buffer.alloc(10));
  const { queuedMessages, queuedBytes } = push.stats();
  assert.equal(queuedMessages, 4);
  assert.ok(queuedBytes < 1_000, `${queuedBytes} bytes`);
});

test("backlog after a restart: dropOldest drops nothing for what is processed", async (t) => {
  const world = new World(t);
  const sizes = { processed: range(30).map(() => 100_000), unprocessed: range(3).map(() => 10) };
  const options = { backlogBytesMax: 4_000, overflow: "dropOldest" } as const;
  const push = sender(world, await left(world, sizes), options);
  const dropped: MessageRange[] = [];
  push.on("dropped", (range) => dropped.push(range));
  await push.send(Buffer.alloc(10));
  await turn();
  assert.deepEqual([dropped, push.stats().queuedMessages], [[], 4]);
});

test("backlog after a restart: there is room as soon as enough of it is processed, and not before", async (t) => {
  const world = new World(t);
  const journal = await left(world, { processed: THOUSANDS(100), unprocessed: THOUSANDS(100) });
  // Less than a tenth of it is read before it is needed.
  const push = sender(world, journal, { backlogBytesMax: 60_000, queueBytesMax: 8_192 });
  await eventually(() => assert.ok(push.stats().queuedBytes > 100_000));
  const waiting = push.send(Buffer.alloc(10));
  await (await process(world, push, 30)).close();
  assert.equal(push.stats().waitingSends, 1, "there are some 70 kB");
  await process(world, push, 20);
  await waiting;
  assert.ok(push.stats().queuedMessages > 30, "it has waited for too much");
});

test("backlog: dead letters that could not be sent anew take no room of those who wait", async () => {
  const memory = new MemoryJournal();
  const held = gate();
  let isRequeue = false;
  const appendDraft: Journal["appendDraft"] = (draft, options) => {
    if (options?.values?.["delivery-dead"] === undefined) return memory.appendDraft(draft, options);
    isRequeue = true;
    const error = new BrokerlessError("BROKERLESS_NO_SPACE", "no room");
    return held.promise.then(() => Promise.reject(error)) as unknown as Appended;
  };
  const processed = gate();
  const pair = new ReliablePair(
    changed(memory, { appendDraft }),
    (text, delivery) => {
      if (text.startsWith("bad")) delivery.reject("no");
      return text === "good" ? processed.promise : null;
    },
    { rules: { backlogBytesMax: 2_000 } },
  );
  pair.send("bad".padEnd(3_000, "x"));
  await pair.until(() => assert.equal(pair.sender.deadLetters.count, 1));
  pair.send("good");
  const requeued = assert.rejects(pair.sender.deadLetters.requeue(), {
    code: "BROKERLESS_NO_SPACE",
  });
  await pair.until(() => assert.ok(isRequeue));
  processed.open();
  await pair.until(() => assert.equal(pair.sender.stats().queuedMessages, 1));
  pair.send("waits");
  assert.equal(pair.sender.stats().waitingSends, 1);
  held.open();
  await requeued;
  assert.equal(pair.sender.stats().waitingSends, 0);
  pair.kill();
});
