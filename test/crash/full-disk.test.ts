import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BrokerlessError } from "../../lib/errors.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { LmdbJournal } from "../../lib/journal/lmdb/lmdb-journal.ts";
import { entryValue } from "../support/crash-model.ts";
import { integerFrom } from "../support/env.ts";
import { Random } from "../support/random.ts";
import { checkJournal } from "../support/victim.ts";

/** Points on the way to a full disk; `npm run torture` takes all (count). */
const POINTS_ALL = 200;
const POINTS = integerFrom("BROKERLESS_DISK_POINTS", 50);
const SEED = integerFrom("BROKERLESS_SEED", 20_260_801);
/** From point to point the disk has so much more room (bytes). */
const STEP_BYTES = 5120;
/** With less, a journal has no room for values (bytes). */
const RESERVED_BYTES = 2 ** 18;
const OPTIONS = { segmentBytes: 2 ** 20, batchBytesMax: 4096 } as const;

/** A file system of 2 MiB that is nobody else's; `null` where it may not be mounted. */
async function smallDisk(t: TestContext): Promise<string | null> {
  const place = await mkdtemp(join(tmpdir(), "brokerless-"));
  const run = (command: string, ...args: string[]) =>
    spawnSync(command, args, { stdio: "ignore" }).status === 0;
  t.after(async () => {
    run("umount", "-l", place);
    await rm(place, { recursive: true });
  });
  return run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place) ? place : null;
}

function isNoSpace(error: unknown): boolean {
  return error instanceof BrokerlessError && error.code === "BROKERLESS_NO_SPACE";
}

/** @returns the journal, and whether the disk was too full to open it at first */
async function openWhenFree(
  directory: string,
  free: () => Promise<void>,
): Promise<{ readonly journal: FileJournal; readonly refused: boolean }> {
  try {
    return { journal: await FileJournal.open(directory, OPTIONS), refused: false };
  } catch (error) {
    assert.ok(isNoSpace(error), String(error));
    await free();
    return { journal: await FileJournal.open(directory, OPTIONS), refused: true };
  }
}

/** Appends until the disk refuses. @returns the last seq that was stored */
async function fill(journal: FileJournal, random: Random): Promise<number> {
  let stored = 0;
  for (;;) {
    const appends: Promise<number>[] = [];
    for (let count = 1 + random.below(20); count > 0; count--) {
      const seq = journal.seqNext;
      const values = { cursor: Buffer.from(String(seq)) };
      appends.push(journal.append([entryValue(seq)], { values }));
    }
    const outcomes = await Promise.allSettled(appends);
    for (const outcome of outcomes) {
      if (outcome.status === "fulfilled") stored = Math.max(stored, outcome.value);
      else assert.ok(isNoSpace(outcome.reason), String(outcome.reason));
    }
    if (outcomes.some(({ status }) => status === "rejected")) return stored;
  }
}

test(`full disk: with a real disk full at ${POINTS} points nothing stored is lost, and the journal continues`, async (t) => {
  const disk = await smallDisk(t);
  if (disk === null) {
    t.skip("needs root, to mount a small tmpfs; test/sim/disk-faults.test.ts simulates the same");
    return;
  }
  const random = new Random(SEED);
  const directory = join(disk, "journal");
  const ballast = join(disk, "ballast");
  const free = () => rm(ballast, { force: true });
  const sum = { refusedToOpen: 0, acknowledged: 0 };
  for (let index = 0; index < POINTS; index++) {
    // Over the whole way, however few they are.
    const point = Math.floor((index * POINTS_ALL) / POINTS);
    const roomBytes = point * STEP_BYTES;
    const { bavail, bsize } = await statfs(disk);
    await writeFile(ballast, Buffer.alloc(bavail * bsize - roomBytes));
    const { journal, refused } = await openWhenFree(directory, free);
    if (refused) sum.refusedToOpen++;
    const stored = await fill(journal, random);
    assert.equal(journal.seqStored, stored, `point ${point}`);
    // What lets a program free space is stored even now.
    const cursor = Buffer.from(String(stored));
    if (roomBytes >= RESERVED_BYTES) await journal.set({ cursor });
    await free();
    // Without a restart; after a fill of the whole disk only freeing entries helps.
    if (refused) await journal.truncateBefore(stored + 1).catch(() => {});
    else {
      const seq = journal.seqNext;
      const values = { cursor: Buffer.from(String(seq)) };
      assert.equal(await journal.append([entryValue(seq)], { values }), stored + 1);
    }
    const last = journal.seqStored;
    await journal.close().catch((error: unknown) => assert.ok(isNoSpace(error), String(error)));
    sum.acknowledged += last;
    if (!refused) await checkJournal(directory, { stored: last }, `seed ${SEED}, point ${point}`);
    await rm(directory, { recursive: true });
    await mkdir(directory, { recursive: true });
  }
  t.diagnostic(`seed ${SEED}, ${POINTS} points, ${JSON.stringify(sum)}, lost 0, wrong 0`);
});

test("full disk: an LMDB journal refuses before LMDB itself runs out of space, and continues", async (t) => {
  const disk = await smallDisk(t);
  if (disk === null) {
    t.skip("needs root, to mount a small tmpfs");
    return;
  }
  const ballast = join(disk, "ballast");
  const journal = await LmdbJournal.open(join(disk, "journal"));
  await writeFile(ballast, Buffer.alloc(300_000));
  let stored = 0;
  await assert.rejects(async () => {
    for (; stored < 1_000; stored++) await journal.append(Buffer.alloc(5_000, stored));
  }, isNoSpace);
  assert.ok(stored > 0, "nothing fitted");
  await assert.rejects(journal.append(Buffer.alloc(5_000)), isNoSpace);
  await journal.set({ said: Buffer.from("that it is full") });
  await rm(ballast);
  assert.equal(await journal.append(Buffer.alloc(5_000, stored)), stored + 1);
  let read = 0;
  for await (const { value } of journal.read({ from: 1 })) assert.equal(value[0], read++ % 256);
  assert.equal(read, stored + 1);
  await journal.close();
});
