/**
 * Runs the whole torture suite, for hours where asked: `npm run torture [-- HOURS [PART...]]`; with parts, the files
 * whose path contains one of them. Each round has a seed of its own, which is printed and repeats it:
 * BROKERLESS_SEED=... npm run torture.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { answerHelp } from "../scripts/help.ts";

answerHelp(`usage: npm run torture [-- HOURS [PART...]]

Kills, power cuts and storms, most of an hour for each round.

HOURS   rounds are played for so long, one at least (default 0)
PART    only the test files whose path contains one of these
BROKERLESS_SEED=N in the environment repeats the round with that seed.`);
const root = fileURLToPath(new URL(".", import.meta.url));
const [hours = "0", ...parts] = process.argv.slice(2);
if (!(Number(hours) >= 0)) {
  console.error(`torture: HOURS must be a number from 0, got ${JSON.stringify(hours)}`);
  process.exit(2);
}
const given = process.env.BROKERLESS_SEED;
if (given !== undefined && !(/^\d+$/.test(given) && Number(given) < 2 ** 31)) {
  console.error(
    `torture: BROKERLESS_SEED must be an integer from 0 below 2^31, got ${JSON.stringify(given)}`,
  );
  process.exit(2);
}
const files = [
  "sim/controls.test.ts",
  "sim/power-cut.test.ts",
  "sim/disk-faults.test.ts",
  "sim/damage.test.ts",
  "crash/kill.test.ts",
  "crash/ext4.test.ts",
  "crash/full-disk.test.ts",
  "crash/storm.test.ts",
  "crash/storm-controls.test.ts",
  "crash/zombie.test.ts",
  "sim/delivery.test.ts",
  "sim/delivery-controls.test.ts",
]
  .filter((name) => parts.length === 0 || parts.some((part) => name.includes(part)))
  .map((name) => `${root}${name}`);
const until = Date.now() + Number(hours) * 3_600_000;
let failed = 0;

async function round(seed: number): Promise<void> {
  console.log(`round with seed ${seed}`);
  const env = {
    BROKERLESS_CRASH_STATES: "1000000",
    BROKERLESS_KILLS: "2000",
    BROKERLESS_POWER_CUTS: "500",
    BROKERLESS_DISK_POINTS: "200",
    BROKERLESS_BLOWS: "100",
    SEEDS: "20000",
    SEED: String(seed),
    BROKERLESS_TORTURE: "whole",
    ...process.env,
    BROKERLESS_SEED: String(seed),
  };
  const args = ["--import", "tsx", "--test", "--test-reporter=tap", "--test-concurrency=2"];
  const stdio = ["ignore", "pipe", "inherit"] as const;
  const child = spawn(process.execPath, [...args, ...files], { env, stdio: [...stdio] });
  const closed = once(child, "close");
  // The result of each test, what it counted, and why it failed.
  const wanted = /^(ok|not ok|# (?!Subtest|suites|cancelled|todo))|^ {2}(error|duration_ms):/;
  for await (const line of createInterface({ input: child.stdout })) {
    if (wanted.test(line)) console.log(line);
  }
  const [status] = await closed;
  if (status !== 0) failed++;
}

do await round(given === undefined ? Date.now() % 2 ** 31 : Number(given));
while (given === undefined && Date.now() < until);
console.log(failed === 0 ? "all rounds passed" : `${failed} rounds failed`);
process.exitCode = failed === 0 ? 0 : 1;
