import assert from "node:assert/strict";
import { readdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type MessageRange, Pull, Push, type ReliablePushOptions } from "../../lib/index.ts";
import {
  FileJournal,
  type FileJournalOptions,
  type MissingEntries,
  repairJournal,
} from "../../lib/journal/index.ts";
import { STATE_NAME } from "../../lib/reliable/saved-values.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, range } from "../support/fixtures.ts";
import { World } from "../support/world.ts";

const COUNT = 400;
const SMALL: FileJournalOptions = { segmentBytes: 16_384, sync: "never" };

/** A journal with so many messages, each in a batch of its own, closed in order. */
async function filled(world: World, options: FileJournalOptions = SMALL): Promise<string> {
  const path = world.directory();
  const journal = await world.journal(path, options);
  const push = new Push<string>({ journal, batch: false });
  for (const value of range(COUNT)) await push.send(`${value} `.padEnd(200, "x"));
  await push.close();
  await journal.close();
  return path;
}

function segments(path: string): string[] {
  const names = readdirSync(path).filter((name) => name.endsWith(".segment"));
  return names.sort().map((name) => join(path, name));
}

/** Flips a bit of a message, about in the middle of a file. */
function flip(file: string): void {
  const bytes = readFileSync(file);
  const at = bytes.indexOf("xxxx", Math.floor(bytes.length / 2));
  bytes[at] = bytes[at]! ^ 4;
  writeFileSync(file, bytes);
}

/** A sender of a journal, what it tells, and a receiver of all. */
async function start(
  world: World,
  path: string,
  options?: Omit<ReliablePushOptions<string>, "reliable">,
) {
  const journal = await world.journal(path, SMALL);
  const push = world.socket(new Push<string>({ graceMs: 1, ...options, journal }));
  const lost: MessageRange[] = [];
  push.on("lost", (range) => lost.push(range));
  const errors = errorsOf(push);
  const address = await push.bind("tcp://127.0.0.1:*");
  const receive = () => {
    const got: string[] = [];
    const pull = world.socket(new Pull<string>({ reliable: true }));
    pull.connect(address);
    void pull.run((value) => void got.push(value.split(" ")[0]!));
    return got;
  };
  return { journal, push, lost, errors, receive };
}

function lostSeqs(lost: readonly MessageRange[]): number[] {
  return lost.flatMap(({ seqFirst, seqLast }) =>
    range(seqLast - seqFirst + 1).map((index) => seqFirst + index),
  );
}

/** All that was kept is delivered once, what is lost is told, and new messages go through. */
async function assertGoesOn(it: Awaited<ReturnType<typeof start>>): Promise<number[]> {
  const got = it.receive();
  await it.push.send("new ", { confirm: "processed" });
  const values = [...got].filter((value) => value !== "new").map(Number);
  const lost = lostSeqs(it.lost);
  const all = [...values.map((value) => value + 1), ...lost].sort((a, b) => a - b);
  assert.deepEqual(
    all,
    range(COUNT).map((value) => value + 1),
  );
  assert.equal(it.push.stats().messagesLost, lost.length);
  return lost;
}

const DAMAGES: Record<string, (path: string) => void> = {
  "a flipped bit": (path) => flip(segments(path)[1]!),
  "bits flipped in every segment": (path) => segments(path).forEach(flip),
};
/** Without its repair, that is refused at open. */
const REPAIRED = { ...DAMAGES, "a segment that is gone": cut };

function cut(path: string): void {
  unlinkSync(segments(path)[2]!);
}

for (const [name, damage] of Object.entries(DAMAGES)) {
  test(`missing: behind ${name} delivery goes on, and tells what is lost`, async (t) => {
    const world = new World(t);
    const path = await filled(world);
    damage(path);
    const it = await start(world, path);
    const lost = await assertGoesOn(it);
    assert.ok(lost.length > 0 && lost.length < COUNT / 2, `${lost.length} lost`);
    assert.ok(it.errors.some(({ code }) => code === "BROKERLESS_CORRUPT"));
  });
}

for (const [name, damage] of Object.entries(REPAIRED)) {
  test(`missing: a repair of ${name} keeps what is good, and all of it is delivered`, async (t) => {
    const world = new World(t);
    const path = await filled(world);
    damage(path);
    const report = await repairJournal(path);
    const it = await start(world, path);
    const lost = await assertGoesOn(it);
    const said = report.lost.flatMap(({ seqFirst, seqLast }) =>
      lostSeqs([{ stream: "", seqFirst, seqLast }]),
    );
    assert.deepEqual(lost, said);
    assert.ok(it.errors.some(({ code }) => code === "BROKERLESS_GAP"));
  });
}

test("missing: a lost tail after a repair is told, and new messages go through", async (t) => {
  const world = new World(t);
  const path = await filled(world);
  const newest = segments(path).at(-1)!;
  writeFileSync(newest, readFileSync(newest).subarray(0, 2_000));
  await repairJournal(path);
  const lost = await assertGoesOn(await start(world, path));
  assert.equal(lost.at(-1), COUNT);
});

test("missing: nothing is told, and nothing lost, where nothing is missing (control)", async (t) => {
  const world = new World(t);
  const it = await start(world, await filled(world));
  assert.deepEqual(await assertGoesOn(it), []);
  assert.deepEqual(it.errors, []);
});

for (const when of ["while it runs", "before its restart"] as const) {
  test(`missing: what the journal's owner frees unprocessed ${when} is told, and delivery goes on`, async (t) => {
    const world = new World(t);
    const path = await filled(world);
    const free = async (journal: FileJournal) => {
      await journal.release("delivery");
      assert.ok((await journal.truncateBefore(200)) === 200);
    };
    if (when === "before its restart") {
      const journal = await FileJournal.open(path, SMALL);
      await free(journal);
      await journal.close();
    }
    const it = await start(world, path, { queueBytesMax: 4_096 });
    if (when === "while it runs") await free(it.journal);
    const lost = await assertGoesOn(it);
    assert.ok(lost.length > 50 && lost.at(-1)! < 200, `${lost.length} lost`);
    assert.ok(it.errors.some(({ code }) => code === "BROKERLESS_GAP"));
  });
}

for (const isHeld of [true, false]) {
  const title = isHeld
    ? "frees nothing that is not processed"
    : "frees it without the hold (control)";
  test(`missing: a retention ${title}`, async (t) => {
    const world = new World(t);
    const retention = { bytes: 20_000 };
    const journal = await world.journal(undefined, { ...SMALL, retention });
    const push = world.socket(new Push<string>({ journal, batch: false }));
    await push.send("first".padEnd(200, "x"));
    if (!isHeld) await journal.release("delivery");
    for (const value of range(COUNT)) await push.send(`${value} `.padEnd(200, "x"));
    if (isHeld) assert.equal(journal.seqFirst, 1);
    else await eventually(() => assert.ok(journal.seqFirst > 100));
  });
}

/** A journal with messages that have ids, one of which is damaged. */
async function damaged(world: World): Promise<string> {
  const path = world.directory();
  const journal = await world.journal(path, SMALL);
  const push = new Push<string>({ journal, batch: false });
  for (const value of range(COUNT)) await push.send(`${value} `.padEnd(200, "x"), idOf(value + 1));
  await push.close();
  await journal.close();
  flip(segments(path)[1]!);
  return path;
}

const idOf = (seq: number) => ({ deduplicationId: `id of ${seq}` });

/** @returns the seq of a message that was lost */
async function lostSeq({ lost }: Awaited<ReturnType<typeof start>>): Promise<number> {
  await eventually(() => assert.ok(lost.length > 0));
  return lostSeqs(lost)[0]!;
}

test("missing: waits for a lost message end", async (t) => {
  const world = new World(t);
  const path = await damaged(world);
  const journal = await world.journal(path, SMALL);
  const push = world.socket(new Push<string>({ journal }));
  const lost: MessageRange[] = [];
  push.on("lost", (range) => lost.push(range));
  errorsOf(push);
  const ends = range(COUNT).map((value) =>
    push.send("x", { ...idOf(value + 1), confirm: "processed" }).then(
      () => "processed",
      ({ code }) => code,
    ),
  );
  await eventually(() => assert.ok(lost.length > 0));
  for (const seq of lostSeqs(lost)) assert.equal(await ends[seq - 1], "BROKERLESS_GAP");
  // The control: what is not lost waits for a receiver.
  assert.equal(push.stats().queuedMessages, COUNT - lostSeqs(lost).length);
  await push.close();
  const others = (await Promise.all(ends)).filter((end) => end !== "BROKERLESS_GAP");
  assert.deepEqual([...new Set(others)], ["BROKERLESS_CLOSED"]);
});

for (const when of ["at once", "after a restart"] as const) {
  for (const confirm of ["queued", "stored", "processed"] as const) {
    test(`missing: the deduplication id of a lost message is free ${when}: ${confirm}`, async (t) => {
      const world = new World(t);
      const path = await damaged(world);
      const first = await start(world, path);
      const seq = await lostSeq(first);
      if (when === "after a restart") {
        await first.push.close();
        await first.journal.close();
      }
      const it = when === "at once" ? first : await start(world, path);
      const sent = it.push.send("anew ", { ...idOf(seq), confirm });
      await it.push.drain();
      assert.equal(it.journal.seqStored, COUNT + 1);
      // It is known again, as its neighbour is.
      for (const id of [seq, seq - 1]) await it.push.send("again ", idOf(id));
      assert.equal(it.journal.seqStored, COUNT + 1);
      const got = it.receive();
      await sent;
      await it.push.send("last ", { confirm: "processed" });
      assert.deepEqual([got.length, got.at(-2)], [COUNT + 2 - lostSeqs(first.lost).length, "anew"]);
    });
  }
}

test("missing: what was lost and sent anew is told once, also where its end was not saved", async (t) => {
  const world = new World(t);
  const path = await damaged(world);
  const first = await start(world, path);
  const seq = await lostSeq(first);
  await first.push.send("anew ", idOf(seq));
  await first.push.close();
  // As a process leaves it that ends between the two saves.
  await first.journal.set({ [STATE_NAME]: null });
  await first.journal.close();
  const it = await start(world, path);
  const got = it.receive();
  await it.push.send("last ", { confirm: "processed" });
  assert.deepEqual([it.lost, it.errors, got.at(-2)], [[], [], "anew"]);
});

test("missing: a reader with onMissing goes on behind what is damaged; without it, it rejects", async (t) => {
  const world = new World(t);
  const path = await filled(world);
  const whole = readFileSync(segments(path)[1]!);
  for (let at = 300; at < whole.length; at += 331) {
    const bytes = Buffer.from(whole);
    bytes[at] = bytes[at]! ^ 1;
    writeFileSync(segments(path)[1]!, bytes);
    const journal = await FileJournal.open(path, SMALL);
    const missing: MissingEntries[] = [];
    const seqs: number[] = [];
    for await (const { seq } of journal.read({ onMissing: (some) => missing.push(some) })) {
      seqs.push(seq);
    }
    const lost = lostSeqs(missing.map((some) => ({ stream: "", ...some })));
    assert.ok(lost.length <= 2, `byte ${at}: ${lost.length} lost`);
    assert.deepEqual(
      [...seqs, ...lost].sort((a, b) => a - b),
      range(COUNT).map((value) => value + 1),
    );
    if (lost.length > 0) {
      await assert.rejects(readAll(journal), { code: "BROKERLESS_CORRUPT" });
    }
    await journal.close();
  }
});

async function readAll(journal: FileJournal): Promise<void> {
  for await (const _ of journal.read());
}
