/** `npm run backlog`: a journal that fills without a receiver, a restart, and draining it to the end. */
import { parseArgs } from "node:util";
import { answerHelp } from "../scripts/help.ts";
import { type BacklogResult, runBacklog } from "./backlog/course.ts";
import { type DrainRate, runDrains } from "./backlog/drains.ts";
import { describeMachine } from "./machine.ts";
import { grouped } from "./report.ts";

/** Allowed difference of the resident set after the same work: arenas, pages half in use (MiB). */
const NOISE_MIB_MAX = 16;
/** Longest time of a restart on a full journal until the first message is delivered (ms). */
const RESTART_MS_MAX = 5_000;
/** A stored backlog must drain at no less than this part of the live rate. */
const DRAIN_PART_MIN = 0.7;
/**
 * Backlogs that drain after an orderly restart (messages): one that fits the sender's memory, and larger ones. The rate
 * of each must be at least the given part of the first one's.
 */
const DRAIN_SIZES = [120_000, 400_000, 1_200_000];
const DRAIN_SIZE_PART_MIN = 0.5;
/** Every n-th sample of the memory is printed (count). */
const SAMPLES_STEP = 10;

function wholeNumber(name: string, text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value < 1) throw new TypeError(`--${name} must be a whole number from 1, got "${text}"`);
  return value;
}

function judge(ok: boolean, what: string): void {
  console.log(`  ${ok ? "ok" : "FAILED"}: ${what}`);
  if (!ok) process.exitCode = 1;
}

function report(result: BacklogResult): void {
  const { rssMiB, growthMiB, openMs, restartMs, drainPerSecond, livePerSecond } = result;
  const course = rssMiB.filter((_, index) => (index + 1) % SAMPLES_STEP === 0);
  console.log(`  rss while it fills: ${course.map((mib) => mib.toFixed(1)).join(" ")} MiB`);
  console.log(`  rss of the new sender when all is sent: ${result.drainedRssMiB.toFixed(1)} MiB`);
  const part = drainPerSecond / livePerSecond;
  judge(
    growthMiB <= NOISE_MIB_MAX,
    `the last half grew by ${growthMiB.toFixed(1)} MiB; at most ${NOISE_MIB_MAX}`,
  );
  judge(
    restartMs <= RESTART_MS_MAX,
    `opened in ${grouped(openMs)} ms, first message after ${grouped(restartMs)} ms; at most ${grouped(RESTART_MS_MAX)}`,
  );
  judge(
    part >= DRAIN_PART_MIN,
    `drained at ${grouped(drainPerSecond)}/s, ${part.toFixed(2)} of the live ${grouped(livePerSecond)}/s; at least ${DRAIN_PART_MIN}`,
  );
  const { lost, duplicated, left } = result;
  judge(
    lost === 0 && duplicated === 0 && left === 0,
    `lost ${grouped(lost)}, duplicated ${grouped(duplicated)}, left in the journal ${grouped(left)}`,
  );
}

function reportDrains(rates: readonly DrainRate[]): void {
  for (const { listener, messages, perSecond, lost } of rates) {
    const least = rates.find((rate) => rate.listener === listener)!.perSecond;
    const part = perSecond / least;
    judge(
      part >= DRAIN_SIZE_PART_MIN && lost === 0,
      `closed in order, ${listener} listens: ${grouped(messages)} drained at ${grouped(perSecond)}/s, ${part.toFixed(2)} of the smallest; at least ${DRAIN_SIZE_PART_MIN}, lost ${grouped(lost)}`,
    );
  }
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      messages: { type: "string", default: "10000000" },
      live: { type: "string", default: "2000000" },
    },
  });
  const messages = wholeNumber("messages", values.messages);
  const live = wholeNumber("live", values.live);
  const { cpu, cores, node, loadAverage } = describeMachine();
  console.log(`${grouped(messages)} messages of 100 B into a journal, sync always, no receiver`);
  console.log(`  ${cpu}, ${cores} cores, node ${node}, load ${loadAverage}`);
  reportDrains(await runDrains(DRAIN_SIZES.filter((size) => size <= messages)));
  report(await runBacklog({ messages, live, onStep: (step) => console.log(`  ${step}`) }));
}

answerHelp(`usage: npm run backlog -- [--messages N] [--live N]

A journal that fills without a receiver, a restart, and the way back to nothing.

--messages N   messages that are stored (default 10000000)
--live N       messages of the run with a receiver that it is compared with (default 2000000)`);
try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(`backlog: ${(error as Error).message.split("\n")[0]}`);
  process.exitCode = error instanceof TypeError ? 2 : 1;
}
