import assert from "node:assert/strict";
import { test } from "node:test";
import { type CrashCounts, checkCrashes, recordRun } from "../support/crash-model.ts";

const STATES = Number(process.env.BROKERLESS_CRASH_STATES ?? 10_000);
const SEED = Number(process.env.BROKERLESS_SEED ?? 20_260_801);

test("power cut: nothing stored is lost, wrong or torn, in any state a cut may leave", async (t) => {
  const sum: CrashCounts = { states: 0, nested: 0, tornTails: 0, epochsRaised: 0, acknowledged: 0 };
  let runs = 0;
  while (sum.states < STATES) {
    const run = await recordRun(SEED + runs, { steps: 12 });
    const counts = await checkCrashes(run, { statesPerOp: 4 });
    for (const key of Object.keys(sum) as (keyof CrashCounts)[]) sum[key] += counts[key];
    runs++;
  }
  t.diagnostic(`seed ${SEED}, runs ${runs}, ${JSON.stringify(sum)}, lost 0, wrong 0`);
  assert.ok(sum.tornTails > 0, "no torn tail was seen: the states are too tame");
  assert.ok(sum.nested > 0);
});

test("power cut: without sync a prefix survives, and the epoch rises", async (t) => {
  for (const sync of ["interval", "never"] as const) {
    const run = await recordRun(SEED, { steps: 12, sync });
    const counts = await checkCrashes(run, { statesPerOp: 4, durable: false });
    t.diagnostic(`${sync}: seed ${SEED}, ${JSON.stringify(counts)}`);
    assert.ok(counts.epochsRaised > 0);
  }
});
