import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Control, Job, Outcome, Role, Verdict } from "./control.ts";
import type { Program } from "./program.ts";

/** The figures of one run of one system, of both processes together. */
export interface RunFigures {
  /** Arrivals per second, from before the first send to the last arrival. */
  readonly messagesPerSecond: number;
  readonly latenciesMicros: Float64Array;
  readonly lost: number;
  readonly duplicated: number;
  readonly cpuSeconds: number;
  readonly rssMiB: number;
}

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Longest time that a finished process may take to end by itself, for example to write a profile (ms). */
const EXIT_MS = 5_000;

/**
 * Runs one system once: starts its two processes, forwards messages between them, and ends them.
 *
 * Fresh processes each time: the heap and the compiled code of one run do not serve the next.
 *
 * @throws Error when a process fails or ends early
 */
export async function runPair(
  program: Program,
  task: Omit<Job, "role" | "scenario">,
): Promise<RunFigures> {
  const children = new Map<Role, ChildProcess>();
  try {
    const outcomes = await new Promise<Map<Role, Outcome>>((resolve, reject) => {
      const arrived = new Map<Role, Outcome>();
      for (const role of ["receiver", "sender"] as const) {
        const child = start(program, { ...task, scenario: program.scenario, role });
        children.set(role, child);
        child.on("error", reject);
        child.on("exit", (code, signal) => {
          reject(new Error(`${task.system}: the ${role} ended early (${signal ?? code})`));
        });
        child.on("message", (message: Control | Verdict) => {
          if (message.kind === "outcome") arrived.set(role, message.outcome);
          else if (message.kind === "failed")
            reject(new Error(`${task.system}: ${message.reason}`));
          else children.get(role === "sender" ? "receiver" : "sender")?.send(message);
          if (arrived.size === 2) resolve(arrived);
        });
      }
    });
    return combine(outcomes);
  } finally {
    await Promise.all([...children.values()].map(stop));
  }
}

function start(program: Program, job: Job): ChildProcess {
  // Profiling flags given to the parent are meant for the processes that do the work.
  const profiling = process.execArgv.filter((flag) => flag.startsWith("--cpu-prof"));
  return fork(program.child, [JSON.stringify(job)], {
    cwd: ROOT,
    execArgv: [...program.execArgv, ...profiling],
    serialization: "advanced",
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), EXIT_MS);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    if (child.connected) child.disconnect();
  });
}

function combine(outcomes: ReadonlyMap<Role, Outcome>): RunFigures {
  const both = [...outcomes.values()];
  const startedAtMs = both.find((outcome) => outcome.startedAtMs !== null)?.startedAtMs;
  const count = both.find((outcome) => outcome.count !== null)?.count;
  if (startedAtMs == null || count == null) throw new Error("a run without a start or a count");
  const seconds = (count.endedAtMs - startedAtMs) / 1_000;
  const sum = (pick: (outcome: Outcome) => number) =>
    both.reduce((total, outcome) => total + pick(outcome), 0);
  return {
    messagesPerSecond: (count.expected - count.lost) / Math.max(seconds, 1e-6),
    latenciesMicros:
      both.find((outcome) => outcome.latenciesMicros.length > 0)?.latenciesMicros ??
      new Float64Array(),
    lost: count.lost,
    duplicated: count.duplicated,
    cpuSeconds: sum((outcome) => outcome.cpuSeconds),
    rssMiB: sum((outcome) => outcome.rssMiB),
  };
}
