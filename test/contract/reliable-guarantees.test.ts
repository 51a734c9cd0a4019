import assert from "node:assert/strict";
import { cp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type MessageRanges, Pull, Push } from "../../lib/index.ts";
import { FileJournal, repairJournal } from "../../lib/journal/index.ts";
import { eventually } from "../support/eventually.ts";
import { FaultyDisk } from "../support/faulty-disk.ts";
import { range, take } from "../support/fixtures.ts";
import { SimDisk } from "../support/sim-disk.ts";
import { simPorts } from "../support/sim-ports.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import { World } from "../support/world.ts";

/** What the table of `explain()` claims, and no other test shows. */

test("guarantee: resets of the connection lose nothing, and repeat nothing", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const world = new World(t);
  const sender = world.socket(new Push<number>({ reliable: true, graceMs: 30_000 }));
  const proxy = await TcpProxy.to(await sender.bind("tcp://127.0.0.1:*"));
  t.after(() => proxy.close());
  const receiver = world.socket(new Pull<number>({ reliable: true, prefetch: 20 }));
  receiver.connect(proxy.address);
  const got: number[] = [];
  for (const value of range(400)) void sender.send(value);
  for await (const delivery of receiver.deliveries()) {
    got.push(delivery.value);
    if (got.length % 100 === 50) proxy.reset();
    delivery.ack();
    if (got.length === 400) break;
  }
  assert.deepEqual(got, range(400));
});

test("guarantee: beyond its lease another receiver gets what was held, and the first is refused", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const world = new World(t);
  const rules = { leaseMs: 300, graceMs: 50, heartbeatMs: 30 };
  const sender = world.socket(new Push<number>({ reliable: true, ...rules }));
  const address = await sender.bind("tcp://127.0.0.1:*");
  const proxy = await TcpProxy.to(address);
  t.after(() => proxy.close());
  const cutOff = world.socket(new Pull<number>({ reliable: true, heartbeatMs: 30 }));
  cutOff.connect(proxy.address);
  void sender.send(7);
  const { value: held } = await cutOff.deliveries().next();
  // What it says of a later one tells that it was heard to have begun the first.
  await sender.send(8, { confirm: "delivered" });
  const lost = leaseLost(cutOff);
  proxy.faults.stalled = true;
  const other = world.socket(new Pull<number>({ reliable: true }));
  other.connect(address);
  const deliveries = other.deliveries();
  const { value: again } = await deliveries.next();
  assert.deepEqual([again!.value, again!.attempt, again!.id], [7, 2, held!.id]);
  await lost;
  // It finishes nevertheless: the effect happens twice, and its word counts for nothing.
  held!.ack();
  proxy.resume();
  await cutOff.ready();
  assert.equal(sender.stats().queuedMessages, 2);
  again!.ack();
  const { value: untouched } = await deliveries.next();
  assert.deepEqual([untouched!.value, untouched!.attempt], [8, 1]);
  untouched!.ack();
  await eventually(() => assert.equal(sender.stats().queuedMessages, 0));
});

test("guarantee: without a journal what was not processed ends with the sender", async (t) => {
  const world = new World(t);
  const sender = new Push<number>({ reliable: true });
  const receiver = world.socket(new Pull<number>({ reliable: true, prefetch: 2 }));
  const address = await sender.bind("tcp://127.0.0.1:*");
  receiver.connect(address);
  for (const value of range(10)) void sender.send(value);
  assert.equal(await receiver.receive(), 0);
  await sender.close();
  const again = world.socket(new Push<number>({ reliable: true }));
  await again.bind(address);
  await again.send(99);
  const rest: number[] = [];
  for await (const value of receiver) {
    rest.push(value);
    if (value === 99) break;
  }
  assert.ok(rest.length < 9, `${rest}`);
});

test("guarantee: a full disk refuses, and what was stored is delivered", async (t) => {
  const world = new World(t);
  let isFull = false;
  const disk = new FaultyDisk(new SimDisk(), (call) =>
    isFull && call === "write" ? { code: "ENOSPC" } : null,
  );
  const journal = await FileJournal.openWith(simPorts(disk), "/journal");
  t.after(() => journal.close());
  const sender = world.socket(new Push<number>({ journal }));
  await sender.send(0);
  isFull = true;
  await assert.rejects(sender.send(1), { code: "BROKERLESS_NO_SPACE" });
  isFull = false;
  await sender.send(2);
  const receiver = world.socket(new Pull<number>({ reliable: true }));
  receiver.connect(await sender.bind("tcp://127.0.0.1:*"));
  assert.deepEqual(await take(receiver, 2), [0, 2]);
});

/** What a receiver got that lived on while its sender's journal fell back to an older copy of itself. */
async function fallBack(world: World, afterwards: (place: string) => Promise<unknown>) {
  const directory = world.directory();
  const address = `ipc://${join(directory, "socket")}`;
  const [place, copy] = [join(directory, "journal"), join(directory, "copy")];
  const receiver = world.socket(new Pull<string>({ reliable: true }));
  receiver.connect(address);
  const got: string[] = [];
  const ids = new Set<string>();
  const diverged: MessageRanges[] = [];
  receiver.on("diverged", (ranges) => diverged.push(ranges));
  void receiver.run((value, { id }) => {
    got.push(value);
    ids.add(id);
  });
  for (const round of ["old", "new"]) {
    const journal = await world.journal(place);
    const sender = new Push<string>({ journal });
    sender.on("diverged", (ranges) => diverged.push(ranges));
    await sender.bind(address);
    for (const value of range(10)) {
      await sender.send(`${round} ${value}`, { confirm: "processed" });
      if (round === "old" && value === 3) await cp(place, copy, { recursive: true });
    }
    await sender.close();
    await journal.close();
    if (round === "new") break;
    await rm(place, { recursive: true });
    await rename(copy, place);
    await afterwards(place);
  }
  return { got, ids, diverged };
}

const WHOLE = ["old", "new"].flatMap((round) => range(10).map((value) => `${round} ${value}`));

test("guarantee: seqs that are given anew after a repair are not taken for the old", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const { got } = await fallBack(new World(t), repairJournal);
  assert.deepEqual(new Set(got), new Set(WHOLE));
});

test("guarantee: seqs that are given anew by an old copy are not taken for the old, and both sides are told", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const { got, ids, diverged } = await fallBack(new World(t), async () => {});
  assert.deepEqual(new Set(got), new Set(WHOLE));
  assert.ok(ids.size >= 20, "two messages have one id");
  assert.equal(diverged.length, 2);
  for (const { ranges } of diverged) assert.equal(ranges.at(-1)?.seqLast, 10);
  assert.deepEqual(diverged[0], diverged[1]);
});

function leaseLost(receiver: Pull<number>): Promise<void> {
  return new Promise((resolve) => {
    receiver.on("leaseLost", () => resolve());
  });
}
