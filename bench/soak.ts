/** `npm run soak`: memory and descriptors over millions of messages and thousands of connections. */
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { answerHelp } from "../scripts/help.ts";
import { grouped } from "./report.ts";
import { churn } from "./soak/churn.ts";
import { flatMemory } from "./soak/flat-memory.ts";
import { stalledReceiver } from "./soak/stalled-receiver.ts";

/** Allowed difference of the resident set after the same work: arenas, pages half in use (MiB). */
const NOISE_MIB_MAX = 16;
/** Most memory of a stalled sender, as a multiple of its limit. */
const STALL_FACTOR_MAX = 1.2;

interface Counts {
  readonly messages: number;
  readonly cycles: number;
  readonly boundMiB: number;
}

type Check = (counts: Counts) => Promise<void>;

const CHECKS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ["memory", checkMemory],
  ["stall", checkStall],
  ["sockets", (counts) => checkChurn("socket", counts)],
  ["connections", (counts) => checkChurn("connection", counts)],
]);

async function checkMemory({ messages }: Counts): Promise<void> {
  console.log(`PUSH to PULL, ${grouped(messages)} messages of 100 B, both ends in this process`);
  const { growthMiB } = await flatMemory({ messages, onSample });
  judge(`the last half grew by ${mib(growthMiB)}`, growthMiB, NOISE_MIB_MAX);
}

async function checkStall({ boundMiB }: Counts): Promise<void> {
  console.log(`a receiver that never reads, and a sender bound to ${mib(boundMiB)}`);
  const { accepted, queuedMiB, growthMiB } = await stalledReceiver({ boundMiB });
  console.log(`  ${grouped(accepted)} messages taken, ${mib(queuedMiB)} queued`);
  judge(`the sender grew by ${mib(growthMiB)}`, growthMiB, boundMiB * STALL_FACTOR_MAX);
}

async function checkChurn(each: "socket" | "connection", { cycles }: Counts): Promise<void> {
  const how = each === "socket" ? "a new socket each" : "one socket";
  console.log(`${grouped(cycles)} connects and disconnects, ${how}`);
  const { filesLeft, growthMiB } = await churn({ cycles, each, onSample });
  console.log(`  descriptors left open: ${filesLeft}`);
  if (filesLeft > 0) process.exitCode = 1;
  judge(`the resident set grew by ${mib(growthMiB)}`, growthMiB, NOISE_MIB_MAX);
}

function onSample(percent: number, rssMiB: number): void {
  console.log(`  ${String(percent).padStart(3)} %  rss ${mib(rssMiB)}`);
}

function judge(what: string, valueMiB: number, maxMiB: number): void {
  const ok = valueMiB <= maxMiB;
  console.log(`  ${ok ? "ok" : "FAILED"}: ${what}; at most ${mib(maxMiB)}`);
  if (!ok) process.exitCode = 1;
}

/** Runs every check in a fresh process: memory freed by one would hide a leak of the next. */
function runAll(args: readonly string[]): void {
  const script = process.argv[1]!;
  for (const name of CHECKS.keys()) {
    const argv = [...process.execArgv, script, "--check", name, ...args];
    const { status } = spawnSync(process.execPath, argv, { stdio: "inherit" });
    if (status !== 0) process.exitCode = 1;
  }
}

function wholeNumber(name: string, text: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (value < 1) throw new TypeError(`--${name} must be a whole number from 1, got "${text}"`);
  return value;
}

function mib(value: number): string {
  return `${value.toFixed(1)} MiB`;
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      check: { type: "string" },
      messages: { type: "string", default: "10000000" },
      cycles: { type: "string", default: "10000" },
      "bound-mib": { type: "string", default: "256" },
    },
  });
  const counts = {
    messages: wholeNumber("messages", values.messages),
    cycles: wholeNumber("cycles", values.cycles),
    boundMiB: wholeNumber("bound-mib", values["bound-mib"]),
  };
  if (values.check === undefined) return runAll(args);
  const check = CHECKS.get(values.check);
  if (check === undefined) {
    throw new TypeError(`unknown check "${values.check}"; one of ${[...CHECKS.keys()].join(", ")}`);
  }
  await check(counts);
}

answerHelp(`usage: npm run soak -- [--check NAME] [--messages N] [--cycles N] [--bound-mib MIB]

Memory and descriptors over millions of messages and thousands of sockets, each check in a fresh process.

--check NAME      this one alone: ${[...CHECKS.keys()].join(", ")}
--messages N      messages of the check of memory (default 10000000)
--cycles N        sockets, or connections, that are opened and closed (default 10000)
--bound-mib MIB   what a sender may queue whose receiver reads nothing (default 256)`);
try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(`soak: ${(error as Error).message.split("\n")[0]}`);
  process.exitCode = error instanceof TypeError ? 2 : 1;
}
