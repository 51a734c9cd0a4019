import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { type CrashCounts, checkCrashes, NO_CRASHES, recordRun } from "../support/crash-model.ts";
import type { CrashFindings, CrashWork } from "../support/crash-worker.ts";
import { startThread } from "../support/thread.ts";

const STATES = Number(process.env.BROKERLESS_CRASH_STATES ?? 10_000);
const SEED = Number(process.env.BROKERLESS_SEED ?? 20_260_801);
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

test("power cut: what is freed while an earlier removal is synced stays until it is durable (seed 356862211)", async () => {
  const run = await recordRun(356_862_211, { steps: 12, sync: "never" });
  await checkCrashes(run, { statesPerOp: 4, durable: false });
});
