/** `npm run crowd`: one reliable sender with up to 1,000 receivers, and up to 100 senders with one. */
import { parseArgs } from "node:util";
import { answerHelp } from "../scripts/help.ts";
import { type CrowdResult, runCrowd } from "./crowd/course.ts";
import { describeMachine } from "./machine.ts";
import { grouped } from "./report.ts";

const SIZES = [
  { senders: 1, receivers: 10 },
  { senders: 1, receivers: 100 },
  { senders: 1, receivers: 1_000 },
  { senders: 10, receivers: 1 },
  { senders: 100, receivers: 1 },
] as const;

/** Noise that is allowed above linear growth (factor). */
const NOISE_FACTOR_MAX = 1.25;

/** Costs that could grow with the number of sockets, per socket or per message: linear means that they do not grow. */
interface Cost {
  readonly sockets: number;
  readonly message: number;
  readonly join: number;
  readonly leave: number;
}

function costOf(sockets: number, result: CrowdResult): Cost {
  return {
    sockets,
    message: result.cpuMicros,
    join: result.joinCpuSeconds,
    leave: result.leaveCpuSeconds,
  };
}

/** Compares a size with the previous one: so many times the sockets may cost so many times as much. */
function judge(before: Cost, now: Cost): void {
  const allowed = (now.sockets / before.sockets) * NOISE_FACTOR_MAX;
  for (const name of ["message", "join", "leave"] as const) {
    const factor = now[name] / before[name];
    const ok = factor <= allowed;
    const what = `${name}: ${factor.toFixed(2)} times the cpu`;
    console.log(`    ${ok ? "ok" : "FAILED"}: ${what}; at most ${allowed.toFixed(1)}`);
    if (!ok) process.exitCode = 1;
  }
}

function describe(result: CrowdResult): void {
  const { cpuMicros, messagesPerSecond, joinCpuSeconds, leaveCpuSeconds } = result;
  console.log(
    `    ${cpuMicros.toFixed(2)} us of cpu per message, ${grouped(messagesPerSecond)} messages/s; ` +
      `joining took ${joinCpuSeconds.toFixed(2)} s of cpu, leaving ${leaveCpuSeconds.toFixed(2)} s`,
  );
  const { lost, duplicated, fewest } = result;
  const ok = lost === 0 && duplicated === 0;
  console.log(
    `    ${ok ? "ok" : "FAILED"}: lost ${grouped(lost)}, duplicated ${grouped(duplicated)}; ` +
      `every receiver got at least ${grouped(fewest)}`,
  );
  if (!ok) process.exitCode = 1;
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { messages: { type: "string", default: "300000" } },
  });
  const messages = /^\d{1,9}$/.test(values.messages) ? Number(values.messages) : 0;
  if (messages < 1) {
    throw new TypeError(`--messages must be a whole number from 1, got "${values.messages}"`);
  }
  const { cpu, cores, node, loadAverage } = describeMachine();
  console.log(`${grouped(messages)} messages of 100 B at each size, reliable, in memory`);
  console.log(`  ${cpu}, ${cores} cores, node ${node}, load ${loadAverage}`);
  let before: Cost | null = null;
  for (const { senders, receivers } of SIZES) {
    console.log(`  ${grouped(senders)} to ${grouped(receivers)}`);
    const result = await runCrowd({ senders, receivers, messages });
    describe(result);
    const cost = costOf(senders * receivers, result);
    // The direction from many to one is a series of its own.
    if (before !== null && before.sockets < cost.sockets) judge(before, cost);
    before = cost;
  }
}

answerHelp(`usage: npm run crowd -- [--messages N]

One reliable sender with up to 1,000 receivers, and up to 100 senders with one.

--messages N   messages at each size (default 300000)`);
try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(`crowd: ${(error as Error).message.split("\n")[0]}`);
  process.exitCode = error instanceof TypeError ? 2 : 1;
}
