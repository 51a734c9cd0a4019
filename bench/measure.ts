import { describeMachine, type Machine } from "./machine.ts";
import { type RunFigures, runPair } from "./pair.ts";
import type { Program } from "./program.ts";
import type { BenchOptions, Scenario, System } from "./scenario.ts";
import { type Percentiles, percentiles, type Spread, spread } from "./statistics.ts";

/** Messages of one warm-up burst before each measured run, or as many as are measured where those are fewer (count). */
const WARMUP_MESSAGES = 100_000;

/** The figures of all runs of one system. */
export interface SystemReport {
  readonly name: string;
  /** Where throughput was measured: arrivals per second, over all receivers. */
  readonly messagesPerSecond?: Spread;
  /** Where single operations were measured: of all runs together. */
  readonly latencyMicros?: Percentiles;
  /** Lost messages over all runs (count). */
  readonly lost: number;
  readonly duplicated: number;
  /** User and system time of both processes, median over the runs (seconds). */
  readonly cpuSeconds: number;
  /** Peak resident sets of both processes together, the highest of the runs (MiB). */
  readonly rssMiB: number;
}

/** A system compared with its baseline, run by run: by throughput, or by the median latency. */
export interface Ratio extends Spread {
  readonly baseline: string;
  readonly of: "messagesPerSecond" | "latencyMicros.p50";
}

/** The result of one invocation; `--json` prints it unchanged. */
export interface Report {
  readonly scenario: string;
  readonly options: BenchOptions;
  readonly machine: Machine;
  readonly systems: readonly SystemReport[];
  readonly ratios: Readonly<Record<string, Ratio>>;
}

/** The parameters of a measurement. */
export interface Measurement {
  readonly scenario: Scenario;
  readonly program: Program;
  readonly options: BenchOptions;
  /** The systems of the scenario that run. */
  readonly systems: readonly System[];
}

/**
 * Runs every system once, then every system again, and so on: a temporary disturbance of the host affects all of them.
 *
 * @param onRun called at the end of each run
 */
export async function measure(
  { scenario, program, options, systems }: Measurement,
  onRun: (system: string, figures: RunFigures) => void,
): Promise<Report> {
  const machine = describeMachine();
  const runs = new Map<string, RunFigures[]>(systems.map(({ name }) => [name, []]));
  const warmup = Math.min(options.messages, WARMUP_MESSAGES);
  for (let index = 0; index < options.runs; index++) {
    for (const { name } of systems) {
      const figures = await runPair(program, { system: name, options, warmup });
      runs.get(name)?.push(figures);
      onRun(name, figures);
    }
  }
  return {
    scenario: scenario.name,
    options,
    machine,
    systems: systems.map(({ name }) => summarise(name, runs.get(name) ?? [])),
    ratios: ratiosOf(systems, runs),
  };
}

function summarise(name: string, runs: readonly RunFigures[]): SystemReport {
  return {
    name,
    ...(isLatency(runs)
      ? { latencyMicros: percentiles(pooled(runs)) }
      : { messagesPerSecond: spread(runs.map((run) => run.messagesPerSecond)) }),
    lost: runs.reduce((sum, run) => sum + run.lost, 0),
    duplicated: runs.reduce((sum, run) => sum + run.duplicated, 0),
    cpuSeconds: spread(runs.map((run) => run.cpuSeconds)).median,
    rssMiB: Math.max(...runs.map((run) => run.rssMiB)),
  };
}

function ratiosOf(
  systems: readonly System[],
  runs: ReadonlyMap<string, readonly RunFigures[]>,
): Record<string, Ratio> {
  const ratios: Record<string, Ratio> = {};
  for (const { name, baseline } of systems) {
    const own = runs.get(name) ?? [];
    const other = baseline === null ? undefined : runs.get(baseline);
    if (baseline === null || other === undefined) continue;
    const latency = isLatency(own);
    const figure = (run: RunFigures) =>
      latency ? percentiles(run.latenciesMicros).p50 : run.messagesPerSecond;
    ratios[name] = {
      baseline,
      of: latency ? "latencyMicros.p50" : "messagesPerSecond",
      ...spread(own.map((run, index) => figure(run) / figure(other[index]!))),
    };
  }
  return ratios;
}

function isLatency(runs: readonly RunFigures[]): boolean {
  return runs.every((run) => run.latenciesMicros.length > 0);
}

function pooled(runs: readonly RunFigures[]): Float64Array {
  const all = new Float64Array(runs.reduce((sum, run) => sum + run.latenciesMicros.length, 0));
  let offset = 0;
  for (const { latenciesMicros } of runs) {
    all.set(latenciesMicros, offset);
    offset += latenciesMicros.length;
  }
  return all;
}
