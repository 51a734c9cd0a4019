/**
 * Checks crash states of many runs in a thread of its own: there are two cores, and the test runner
 * hooks every promise of the thread that it is in.
 */
import { parentPort, workerData } from "node:worker_threads";
import { type CrashCounts, checkCrashes, NO_CRASHES, recordRun } from "./crash-model.ts";

/** Which runs, and how many states of them. */
export interface CrashWork {
  /** Of the first run; the others are `stride` apart. */
  readonly seed: number;
  readonly stride: number;
  readonly states: number;
}

/** What was found in them; a fault ends the thread with its error. */
export interface CrashFindings {
  readonly runs: number;
  readonly counts: CrashCounts;
}

const { seed, stride, states } = workerData as CrashWork;
const counts: CrashCounts = { ...NO_CRASHES };
let runs = 0;
while (counts.states < states) {
  const run = await recordRun(seed + runs * stride, { steps: 12 });
  const found = await checkCrashes(run, { statesPerOp: 4 });
  for (const key of Object.keys(counts) as (keyof CrashCounts)[]) counts[key] += found[key];
  runs++;
}
parentPort!.postMessage({ runs, counts } satisfies CrashFindings);
