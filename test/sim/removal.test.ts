import assert from "node:assert/strict";
import { test } from "node:test";
import type { Disk } from "../../lib/journal/disk/disk.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { DIRECTORY, entryValue, OPTIONS } from "../support/crash-model.ts";
import { eventually } from "../support/eventually.ts";
import { gate } from "../support/fixtures.ts";
import { Random } from "../support/random.ts";
import { DurableState, SimDisk } from "../support/sim-disk.ts";
import { simPorts } from "../support/sim-ports.ts";

/** The cut that keeps least: nothing that was not synced. */
class Nothing extends Random {
  override below(): number {
    return 0;
  }
}

test("removal: what is freed while a removal is synced stays until it is durable that it was freed", async () => {
  const disk = new SimDisk();
  const syncing = gate();
  const release = gate();
  let holds = false;
  const slow: Disk = {
    makeDirectory: (path) => disk.makeDirectory(path),
    list: (path) => disk.list(path),
    rename: (from, to) => disk.rename(from, to),
    unlink: (path) => disk.unlink(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    async open(path, mode) {
      const file = await disk.open(path, mode);
      const sync = async () => {
        // It begins before it is held: what is written meanwhile is not covered.
        const synced = file.sync();
        if (holds) {
          holds = false;
          syncing.open();
          await release.promise;
        }
        await synced;
      };
      return { ...file, sync };
    },
  };
  const journal = await FileJournal.openWith(simPorts(slow), DIRECTORY, {
    ...OPTIONS,
    sync: "never",
  });
  const segments = () => disk.paths.filter((path) => path.endsWith(".segment")).length;
  while (segments() < 4) await journal.append(entryValue(journal.seqNext));
  const all = journal.seqStored;
  holds = true;
  const first = journal.truncateBefore(2);
  await syncing.promise;
  const second = journal.truncateBefore(all);
  await eventually(() => assert.equal(journal.seqFirst, all));
  release.open();
  await Promise.all([first, second]);
  assert.equal(segments(), 1, "nothing was removed");
  const state = new DurableState();
  let removed = 0;
  for (const op of disk.ops) {
    state.apply(op);
    if (op.kind === "unlink" && op.path.endsWith(".segment")) removed++;
    if (op.kind !== "syncDirectory" || removed === 0) continue;
    const cut = simPorts(state.crash(new Nothing(1)), 2);
    const again = await FileJournal.openWith(cut, DIRECTORY, OPTIONS);
    await again.close();
  }
  await journal.close();
});
