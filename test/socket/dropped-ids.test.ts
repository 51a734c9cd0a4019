import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  BrokerlessError,
  Pull,
  Push,
  type ReliablePushOptions,
  type SendOptions,
} from "../../lib/index.ts";
import type { Appended } from "../../lib/journal/commit/appended.ts";
import { type Journal, MemoryJournal, type Values } from "../../lib/journal/index.ts";
import { STATE_NAME } from "../../lib/reliable/saved-values.ts";
import { changed } from "../support/changed.ts";
import { eventually, turn } from "../support/eventually.ts";
import { gate, range } from "../support/fixtures.ts";
import { World } from "../support/world.ts";

const A: SendOptions = { deduplicationId: "a" };
const DROPPED = { code: "BROKERLESS_DROPPED", retryable: true };

type Options = Omit<ReliablePushOptions<string>, "reliable" | "journal">;

/** A sender with room for five, all taken: of `a`, and of four others. */
async function full(world: World, journal: Journal, options?: Options) {
  const push = world.socket(new Push<string>({ journal, backlogMessagesMax: 5, ...options }));
  const dropped: number[] = [];
  push.on("dropped", ({ seqFirst, seqLast }) => dropped.push(seqFirst, seqLast));
  await push.send("a", A);
  for (const value of range(4)) await push.send(`${value}`);
  assert.equal(push.stats().queuedMessages, 5);
  return { push, dropped };
}

/** Receives all that a sender has. */
async function receive(world: World, push: Push<string>): Promise<string[]> {
  const got: string[] = [];
  const pull = world.socket(new Pull<string>({ reliable: true }));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  void pull.run((value) => void got.push(value));
  await eventually(() => assert.equal(push.stats().queuedMessages, 0));
  return got;
}

/**
 * A journal that dies before some of the named values are stored.
 *
 * @returns it, the names of what was to be stored, in that order, and what has it die
 */
function dying(journal: Journal, isStored: (name: string) => boolean) {
  const names: string[] = [];
  const dead = gate();
  const set = (values: Values): Appended => {
    const some = Object.entries(values).filter(([name]) => isStored(name));
    names.push(...Object.keys(values));
    const stored = journal.set(Object.fromEntries(some));
    if (some.length === Object.keys(values).length) return stored;
    const error = new BrokerlessError("BROKERLESS_CLOSED", "the process has died");
    return dead.promise.then(() => Promise.reject(error)) as unknown as Appended;
  };
  return { names, die: dead.open, journal: changed(journal, { set }) };
}

for (const overflow of ["block", "reject", "dropOldest"] as const) {
  test(`ids: a repeated one needs no room, and takes none: ${overflow}`, async (t) => {
    const world = new World(t);
    const { push, dropped } = await full(world, new MemoryJournal(), { overflow });
    for (const confirm of ["queued", "stored"] as const)
      await push.send("again", { ...A, confirm });
    const processed = push.send("again", { ...A, confirm: "processed" });
    assert.deepEqual([push.stats().queuedMessages, push.stats().waitingSends, dropped], [5, 0, []]);
    assert.deepEqual(await receive(world, push), ["a", "0", "1", "2", "3"]);
    await processed;
  });
}

test("ids: a repeated one waits behind nobody who waits for room", async (t) => {
  const world = new World(t);
  const { push } = await full(world, new MemoryJournal());
  const waiting = push.send("4");
  await push.send("again", A);
  assert.equal(push.stats().waitingSends, 1);
  await receive(world, push);
  await waiting;
});

for (const kind of ["file", "memory"] as const) {
  test(`ids: that of a dropped message is free, now and after a restart: ${kind}`, async (t) => {
    const world = new World(t);
    const path = world.directory();
    const journal = kind === "file" ? await world.journal(path) : new MemoryJournal();
    const { push } = await full(world, journal, { overflow: "dropOldest" });
    const first = push.send("again", { ...A, confirm: "processed" });
    await push.send("4");
    await assert.rejects(first, DROPPED);
    await push.send("anew", A);
    await push.send("anew again", A);
    assert.equal(journal.seqStored, 7);
    // Of another one, dropped right before the end, the restart tells.
    await push.send("c", { deduplicationId: "c" });
    for (const value of range(5)) await push.send(`late ${value}`);
    await push.close();
    if (kind === "file") await journal.close();

    const next = kind === "file" ? await world.journal(path) : journal;
    const { seqStored } = next;
    const reopened = world.socket(new Push<string>({ journal: next, graceMs: 1 }));
    await reopened.send("c", { deduplicationId: "c" });
    assert.equal(next.seqStored, seqStored + 1);
    const got = await receive(world, reopened);
    assert.deepEqual(got, [...range(5).map((value) => `late ${value}`), "c"]);
  });
}

/** Drops `a`, in a process that dies before it has stored all that it knows. */
async function crashed(t: TestContext, isStored: (name: string) => boolean) {
  const world = new World(t);
  const memory = new MemoryJournal();
  const { journal, die } = dying(memory, isStored);
  const { push } = await full(world, journal, { overflow: "dropOldest" });
  push.on("error", ({ code }) => assert.equal(code, "BROKERLESS_CLOSED"));
  await push.send("4");
  await turn();
  const restart = async () => {
    die();
    await push.close();
    return world.socket(new Push<string>({ journal: memory, graceMs: 1 }));
  };
  return { world, memory, push, restart };
}

test("ids: a message that was dropped and sent anew is sent once, also where its end was not saved", async (t) => {
  const { world, memory, push, restart } = await crashed(t, (name) => name !== STATE_NAME);
  await push.send("a anew", A);
  assert.equal(memory.seqStored, 7);
  const next = await restart();
  await next.send("again", A);
  assert.deepEqual(await receive(world, next), ["0", "1", "2", "3", "4", "a anew"]);
});

test("ids: where a drop was not saved its message is there, and its id with it", async (t) => {
  const { world, restart } = await crashed(t, (name) => !/^dedup|delivery/.test(name));
  const next = await restart();
  await next.send("again", A);
  assert.deepEqual(await receive(world, next), ["a", "0", "1", "2", "3", "4"]);
});

test("ids: what became of them is saved before the state of their messages, at the end too", async (t) => {
  const world = new World(t);
  const { names, journal } = dying(new MemoryJournal(), () => true);
  const { push } = await full(world, journal, { overflow: "dropOldest" });
  await push.drain();
  names.length = 0;
  void push.send("4");
  await push.close();
  const at = (wanted: string) => names.findIndex((name) => name.startsWith(wanted));
  assert.ok(at("dedup") >= 0 && at("dedup") < at(STATE_NAME), names.join());
});

test("ids: those whose messages the journal has lost are forgotten before others get their seqs", async (t) => {
  const world = new World(t);
  const old = new MemoryJournal();
  const { push } = await full(world, old, { overflow: "dropOldest" });
  await push.send("4");
  await push.close();
  const journal = new MemoryJournal();
  await journal.set({ "dedup-0": old.get("dedup-0") });
  const first = world.socket(new Push<string>({ journal }));
  await first.send("other");
  await first.close();
  const second = world.socket(new Push<string>({ journal, graceMs: 1 }));
  await second.send("a", A);
  assert.deepEqual(await receive(world, second), ["other", "a"]);
});
