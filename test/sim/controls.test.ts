import assert from "node:assert/strict";
import { test } from "node:test";
import type { Disk, DiskFile } from "../../lib/journal/disk/disk.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { checkCrashes, DIRECTORY, entryValue, OPTIONS, recordRun } from "../support/crash-model.ts";
import { Random } from "../support/random.ts";
import { resealed } from "../support/reseal.ts";
import { SimDisk } from "../support/sim-disk.ts";
import { simPorts } from "../support/sim-ports.ts";

/** A disk with one protection taken away, to show that the hunt finds what it protects from. */
function without(disk: Disk, changes: Partial<Disk>, file: (file: DiskFile) => DiskFile): Disk {
  return {
    makeDirectory: (path) => disk.makeDirectory(path),
    list: (path) => disk.list(path),
    open: async (path, mode) => file(await disk.open(path, mode)),
    rename: (from, to) => disk.rename(from, to),
    unlink: (path) => disk.unlink(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    ...changes,
  };
}

const asItIs = (file: DiskFile) => file;

/** The first sync of a file, before it has its name, is left: the hunt is for lost appends. */
function fromSecondSync(sync: (file: DiskFile) => Promise<void>): (file: DiskFile) => DiskFile {
  return (file) => {
    let syncs = 0;
    return { ...file, sync: () => (syncs++ === 0 ? file.sync() : sync(file)) };
  };
}

const CONTROLS: Record<string, (disk: SimDisk) => Disk> = {
  "no fsync": (disk) =>
    without(
      disk,
      {},
      fromSecondSync(async () => {}),
    ),
  "ack before fsync": (disk) =>
    without(
      disk,
      {},
      fromSecondSync(async (file) => {
        setImmediate(() => file.sync());
      }),
    ),
  "no directory fsync": (disk) => without(disk, { syncDirectory: async () => {} }, asItIs),
  "short writes ignored": (disk) => {
    const random = new Random(4);
    return without(disk, {}, (file) => ({
      ...file,
      async write(pieces, position) {
        const bytes = Buffer.concat(pieces);
        const short = random.chance(0.2) ? random.below(bytes.length) : bytes.length;
        if (short > 0) await file.write([bytes.subarray(0, short)], position);
        return bytes.length;
      },
    }));
  },
};

for (const [name, wrap] of Object.entries(CONTROLS)) {
  test(`control: with "${name}" the hunt finds a loss`, async (t) => {
    let found: string | null = null;
    for (let seed = 1; seed <= 20 && found === null; seed++) {
      try {
        const run = await recordRun(seed, { steps: 12, wrap });
        await checkCrashes(run, { statesPerOp: 4 });
      } catch (error) {
        found = `seed ${seed}: ${(error as Error).message}`;
      }
    }
    assert.notEqual(found, null, "the hunt found nothing: it proves nothing either");
    t.diagnostic(found ?? "");
  });
}

test('control: with "checksum off" a flipped bit is read as a wrong value', async () => {
  const disk = new SimDisk();
  const journal = await FileJournal.openWith(simPorts(disk), DIRECTORY, OPTIONS);
  await journal.append(entryValue(1));
  await journal.close();
  const path = disk.paths.find((name) => name.endsWith(".segment"))!;
  const bytes = disk.peek(path);
  bytes[bytes.length - 1] = bytes[bytes.length - 1]! ^ 1;
  disk.poke(path, resealed(bytes));
  const reopened = await FileJournal.openWith(simPorts(disk, 2), DIRECTORY, OPTIONS);
  for await (const entry of reopened.read()) {
    assert.equal(entry.value.equals(entryValue(1)), false, "the hunt would not have seen it");
  }
  await reopened.close();
});
