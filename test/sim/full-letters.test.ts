import assert from "node:assert/strict";
import { test } from "node:test";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import type { Journal } from "../../lib/journal/journal.ts";
import { DIRECTORY } from "../support/crash-model.ts";
import { Random } from "../support/random.ts";
import { ReliablePair } from "../support/reliable-pair.ts";
import { DurableState, type SimDisk } from "../support/sim-disk.ts";
import { simPorts } from "../support/sim-ports.ts";
import { TightDisk } from "../support/tight-disk.ts";

const CAPACITY_BYTES = 96 * 1024;
const RESERVE_BYTES = 10 * 1024;
const COPIES_RESERVE_BYTES = 14 * 1024;
const FREEING = { bytes: 4_096, heldTimes: 8, copyBytes: 2_000 };
/** One message in so many becomes a dead letter (count). */
const DEAD_EVERY = 16;
/** With so many they do not hold back enough for it to be worth copying them on other days (count). */
const DEAD_EVERY_MANY = 6;

interface Life {
  readonly journal: FileJournal;
  readonly pair: ReliablePair;
}

/** A sender, and a receiver that rejects what is called dead. */
async function start(disk: SimDisk, segmentBytes: number, received: string[] = []): Promise<Life> {
  const ports = {
    ...simPorts(disk),
    reserveBytes: RESERVE_BYTES,
    copiesReserveBytes: COPIES_RESERVE_BYTES,
  };
  const journal = await FileJournal.openWith(ports, DIRECTORY, { segmentBytes });
  const handle = (text: string, delivery: { reject(reason: string): void; ack(): void }) => {
    received.push(text);
    if (text.startsWith("dead")) delivery.reject("no");
    else delivery.ack();
  };
  return { journal, pair: new ReliablePair(journal, handle, { freeing: FREEING }) };
}

/** Sends until the disk has no room, with nobody there who would process anything. @returns the letters to be */
async function fill({ journal, pair }: Life, deadEvery: number): Promise<string[]> {
  const letters: string[] = [];
  for (let sends = 0, refused = 0; refused < 20; sends++) {
    assert.ok(sends < 2_000, "the disk never gets full");
    const errors = pair.errors.length;
    const name = sends % deadEvery === 3 ? "dead" : "live";
    const text = `${name}-${String(sends).padStart(4, "0")} ${"x".repeat(300)}`;
    pair.send(text);
    await new Promise(setImmediate);
    await journal.sync().catch(() => {});
    if (pair.errors.length > errors) refused += 1;
    else if (name === "dead") letters.push(text);
  }
  return letters;
}

async function lettersOf({ pair }: Life): Promise<string[]> {
  const letters: string[] = [];
  for await (const { value } of pair.sender.deadLetters) letters.push(String(value));
  return letters.sort();
}

/** Sends now and then, as programs do that wait for room. @returns whether that is stored in the end */
async function isStored({ journal, pair }: Life): Promise<boolean> {
  const before = journal.seqStored;
  for (let tries = 0; tries < 20; tries++) {
    pair.send("live-again");
    await pair.pass(500);
    if (journal.seqStored > before && pair.errors.at(-1) === undefined) return true;
    pair.errors.length = 0;
  }
  return false;
}

interface Played {
  readonly disk: TightDisk;
  readonly letters: string[];
  readonly life: Life;
  readonly isStored: boolean;
  /** Changes of the disk before anything was processed (count). */
  readonly filledAt: number;
}

/** Fills a disk, has all of it processed, and sends again. @param how who sends meanwhile, or whether it is killed */
async function play(
  segmentBytes: number,
  how: "waits" | "sends on" | "starts anew",
  deadEvery: number = DEAD_EVERY,
): Promise<Played> {
  const disk = new TightDisk(CAPACITY_BYTES);
  const filling = await start(disk, segmentBytes);
  const letters = await fill(filling, deadEvery);
  filling.pair.kill();
  const filledAt = disk.ops.length;
  let life = await start(disk, segmentBytes);
  for (let turns = 0; turns < 150; turns++) {
    if (how === "sends on") life.pair.send("live-on");
    if (how === "starts anew" && turns % 20 === 19) {
      life.pair.kill();
      life = await start(disk, segmentBytes);
    }
    await life.pair.pass(20);
  }
  life.pair.errors.length = 0;
  return { disk, letters, life, filledAt, isStored: await isStored(life) };
}

for (const segmentBytes of [8_192, 2 ** 20]) {
  const size = segmentBytes > CAPACITY_BYTES ? "one segment" : "many segments";
  for (const how of ["waits", "sends on", "starts anew"] as const) {
    test(`full disk: scattered dead letters do not keep it full, and are kept, where the sender ${how} (${size})`, async () => {
      const { disk, letters, life, isStored } = await play(segmentBytes, how);
      assert.ok(letters.length > 5, `${letters.length} letters`);
      assert.ok(isStored, `no message is stored again, with ${disk.freeBytes} bytes free`);
      assert.deepEqual(await lettersOf(life), letters);
      assert.ok(disk.freeBytes > CAPACITY_BYTES / 4, `${disk.freeBytes} bytes are free`);
      const held = disk.peek(`${DIRECTORY}/reserve`).length;
      assert.equal(held, RESERVE_BYTES + COPIES_RESERVE_BYTES, "the reserve is not held again");
      life.pair.kill();
      const received: string[] = [];
      const next = await start(disk, segmentBytes, received);
      await next.pair.pass(100);
      assert.deepEqual(await lettersOf(next), letters);
      assert.deepEqual(received, [], "what was processed came again");
      next.pair.kill();
      await next.journal.close();
    });
  }
}

test("full disk: letters that hold back little are copied where that makes room", async () => {
  const { letters, life, isStored } = await play(8_192, "waits", DEAD_EVERY_MANY);
  assert.ok(isStored, "no message is stored again");
  assert.deepEqual(await lettersOf(life), letters);
  life.pair.kill();
});

test("full disk: a power cut while letters are copied and segments freed neither loses nor doubles one", async (t) => {
  const { disk, letters, life, filledAt, isStored } = await play(8_192, "waits");
  life.pair.kill();
  assert.ok(isStored);
  const random = new Random(11);
  const state = new DurableState();
  let cuts = 0;
  for (const [index, op] of disk.ops.entries()) {
    state.apply(op);
    if (index < filledAt || op.kind === "syncBegun") continue;
    cuts += 1;
    const found = await start(state.crash(random), 8_192);
    const { pair, journal } = found;
    await pair.until(() => assert.equal(pair.sender.links.dispatcher.floor, journal.seqStored));
    // What was not dead yet has died by now: of a letter that had a copy which is a message, too, there are two.
    assert.deepEqual(await lettersOf(found), letters, `after change ${index}, ${op.kind}`);
    pair.kill();
    await journal.close();
  }
  t.diagnostic(`${cuts} cuts`);
});

test("full disk: negative control: without room that is held back for copies it stays full", async (t) => {
  const { appendDraft } = FileJournal.prototype;
  const likeOthers: Journal["appendDraft"] = function (this: FileJournal, draft, options) {
    return appendDraft.call(this, draft, { values: options?.values });
  };
  t.mock.method(FileJournal.prototype, "appendDraft", likeOthers);
  const { life, isStored } = await play(8_192, "waits");
  life.pair.kill();
  assert.equal(isStored, false);
});
