import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import {
  type CrashCounts,
  checkCrashes,
  DIRECTORY,
  entryValue,
  NO_CRASHES,
  OPTIONS,
  recordRun,
} from "../support/crash-model.ts";
import type { CrashFindings, CrashWork } from "../support/crash-worker.ts";
import { integerFrom } from "../support/env.ts";
import { SimDisk } from "../support/sim-disk.ts";
import { simPorts } from "../support/sim-ports.ts";
import { startThread } from "../support/thread.ts";

const STATES = integerFrom("BROKERLESS_CRASH_STATES", 10_000);
const SEED = integerFrom("BROKERLESS_SEED", 20_260_801);
const THREADS = 2;

async function shard(index: number): Promise<CrashFindings> {
  // This file is also run compiled, against libraries with a protection taken away.
  const extension = import.meta.url.slice(-2);
  const module = new URL(`../support/crash-worker.${extension}`, import.meta.url).href;
  const work: CrashWork = { seed: SEED + index, stride: THREADS, states: STATES / THREADS };
  // Rejects with what the thread failed with.
  const [findings] = await once(startThread(module, work), "message");
  return findings as CrashFindings;
}

test("power cut: nothing stored is lost, wrong or torn, in any state a cut may leave", async (t) => {
  const sum: CrashCounts = { ...NO_CRASHES };
  let runs = 0;
  for (const findings of await Promise.all(Array.from({ length: THREADS }, (_, at) => shard(at)))) {
    for (const key of Object.keys(sum) as (keyof CrashCounts)[]) sum[key] += findings.counts[key];
    runs += findings.runs;
  }
  t.diagnostic(`seed ${SEED}, runs ${runs}, ${JSON.stringify(sum)}, lost 0, wrong 0`);
  assert.ok(sum.tornTails > 0, "no torn tail was seen: the states are too tame");
  assert.ok(sum.nested > 0, "no cut came inside a recovery");
});

test("power cut: without sync a prefix survives, and the epoch rises", async (t) => {
  for (const sync of ["interval", "never"] as const) {
    const run = await recordRun(SEED, { steps: 12, sync });
    const counts = await checkCrashes(run, { statesPerOp: 4, durable: false });
    t.diagnostic(`${sync}: seed ${SEED}, ${JSON.stringify(counts)}`);
    assert.ok(counts.epochsRaised > 0, "no epoch rose: nothing that was seen was lost");
  }
});

test("power cut: all that came after a clean close and a start is gone, and the epoch rises", async () => {
  for (const sync of ["interval", "never"] as const) {
    const disk = new SimDisk();
    const open = (at: SimDisk, boot: number) =>
      FileJournal.openWith(simPorts(at, boot), DIRECTORY, { ...OPTIONS, sync });
    const first = await open(disk, 1);
    await first.append(entryValue(1));
    await first.close();
    const closed = disk.clone();
    const second = await open(disk, 1);
    // Nothing that is written from here on gets to the disk.
    const left = disk.clone();
    await second.append(entryValue(2));
    await second.close();
    const after = await open(left, 2);
    assert.ok(after.recovery.clean, "the log is as long as at the close");
    assert.deepEqual([after.epoch, after.seqStored], [2, 1], sync);
    await after.close();
    // A boot after a clean close loses nothing (control: without the mark of the second start it seems to be one).
    const next = await open(closed, 2);
    assert.equal(next.epoch, 1, sync);
    await next.close();
  }
});

test("power cut: what is freed while an earlier removal is synced stays until it is durable (seed 356862211)", async () => {
  const run = await recordRun(356_862_211, { steps: 12, sync: "never" });
  await checkCrashes(run, { statesPerOp: 4, durable: false });
});
