import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Pull, Push, type ReliablePush, type ReliablePushOptions } from "../../lib/index.ts";
import { type Journal, MemoryJournal } from "../../lib/journal/index.ts";
import { decodeIdKey, encodeIdKey } from "../../lib/reliable/outbound/id-key.ts";
import { eventually } from "../support/eventually.ts";
import { range } from "../support/fixtures.ts";
import { World } from "../support/world.ts";

/** Ids beyond the fewest that are remembered are forgotten with their pages, of 256 ids each. */
const IDS_MAX = 512;

/** A sender of a journal, and a receiver that rejects its letters until it is told to take them. */
async function pair(
  world: World,
  journal: Journal,
  options?: Partial<ReliablePushOptions<string>>,
) {
  const made = { deduplicationIdsMax: IDS_MAX, graceMs: 1, ...options, journal };
  const push = world.socket(new Push<string>(made)) as ReliablePush<string>;
  const pull = world.socket(new Pull<string>({ reliable: true }));
  const it = { isTaking: false, got: [] as string[] };
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  void pull.run((value, delivery) => {
    if (value.startsWith("letter") && !it.isTaking) delivery.reject("no");
    else it.got.push(value);
  });
  return Object.assign(it, { push, pull });
}

const settled = (push: ReliablePush<string>): Promise<void> =>
  eventually(() => assert.equal(push.stats().queuedMessages, 0));

async function sendLetters(push: ReliablePush<string>, count: number): Promise<void> {
  const values = range(count).map((index) => `letter ${index}`);
  const headers = { kind: "letter" };
  await Promise.all(values.map((value) => push.send(value, { deduplicationId: value, headers })));
}

async function sendOthers(push: ReliablePush<string>, name: string, count: number): Promise<void> {
  const ids = range(count).map((index) => `${name} ${index}`);
  await Promise.all(ids.map((deduplicationId) => push.send("other", { deduplicationId })));
}

/** Letters whose ids are forgotten: so many others came behind them. */
async function withForgotten(world: World, journal: Journal, count: number) {
  const it = await pair(world, journal);
  await sendLetters(it.push, count);
  await sendOthers(it.push, "other", 3 * IDS_MAX);
  await settled(it.push);
  assert.equal(it.push.deadLetters.count, count);
  return it;
}

async function end(it: Awaited<ReturnType<typeof pair>>): Promise<void> {
  await it.pull.close();
  await it.push.close();
}

/** Repeats the sends of letters. @returns how many messages that adds (count) */
async function addedBy(push: ReliablePush<string>, journal: Journal, count: number) {
  const { seqStored } = journal;
  await sendLetters(push, count);
  await settled(push);
  return journal.seqStored - seqStored;
}

test("requeued ids: a forgotten id belongs to the message that its letter is sent anew as", async (t) => {
  const journal = new MemoryJournal();
  const it = await withForgotten(new World(t), journal, 100);
  it.isTaking = true;
  assert.equal(await it.push.deadLetters.requeue(), 100);
  await settled(it.push);
  assert.equal(await addedBy(it.push, journal, 100), 0);
  const letters = it.got.filter((value) => value.startsWith("letter"));
  assert.deepEqual(letters.length, 100);
});

test("requeued ids: a forgotten id is known again, also with restarts before and after its letter is sent anew", async (t) => {
  const world = new World(t);
  const path = world.directory();
  const first = await world.journal(path);
  await end(await withForgotten(world, first, 300));
  await first.close();
  const second = await world.journal(path);
  const it = await pair(world, second);
  it.isTaking = true;
  assert.equal(await it.push.deadLetters.requeue(), 300);
  await settled(it.push);
  await end(it);
  await second.close();
  const third = await world.journal(path);
  const { push } = await pair(world, third);
  assert.equal(await addedBy(push, third, 300), 0);
});

test("requeued ids: an id that is remembered is one of the newest when its letter is sent anew", async (t) => {
  const world = new World(t);
  const journal = new MemoryJournal();
  const it = await pair(world, journal);
  await sendLetters(it.push, 1);
  await sendOthers(it.push, "before", IDS_MAX);
  await settled(it.push);
  it.isTaking = true;
  assert.equal(await it.push.deadLetters.requeue(), 1);
  await sendOthers(it.push, "behind", IDS_MAX);
  await settled(it.push);
  assert.equal(await addedBy(it.push, journal, 1), 0);
});

test("requeued ids: the id of a letter that was sent anew and dropped is free after a restart", async (t) => {
  const world = new World(t);
  const journal = new MemoryJournal();
  const it = await pair(world, journal);
  await sendLetters(it.push, 1);
  await settled(it.push);
  await end(it);
  const full = { backlogMessagesMax: 1, overflow: "dropOldest" } as const;
  const push = world.socket(new Push<string>({ journal, ...full })) as ReliablePush<string>;
  assert.equal(await push.deadLetters.requeue(), 1);
  const dropped = push.once("dropped");
  await push.send("other");
  await dropped;
  await push.close();
  const next = await pair(world, journal);
  assert.equal(await addedBy(next.push, journal, 1), 1);
});

test("requeued ids: what could not be sent anew leaves its id as it was", async (t: TestContext) => {
  const journal = new MemoryJournal();
  const it = await withForgotten(new World(t), journal, 1);
  const { appendDraft } = MemoryJournal.prototype;
  journal.appendDraft = () => {
    throw new Error("the disk is gone");
  };
  await assert.rejects(it.push.deadLetters.requeue(), /the disk is gone/);
  journal.appendDraft = appendDraft;
  assert.equal(await addedBy(it.push, journal, 1), 1);
});

test("requeued ids: a key is the beginning of a hash, and no other key is one", () => {
  const hash = Buffer.from("00ff10aa55c3e1780901", "hex").toString("latin1");
  const key = encodeIdKey(hash);
  assert.match(key, /^id:[\w-]{14}$/);
  assert.equal(decodeIdKey(key), hash);
  for (const other of [
    undefined,
    "",
    "id:",
    "customer-7",
    `${key}A`,
    `x${key}`,
    "id:++++++++++++++",
  ]) {
    assert.equal(decodeIdKey(other), null);
  }
});
