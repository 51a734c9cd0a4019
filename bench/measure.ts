import { describeMachine, type Machine } from "./machine.ts";
import { type RunFigures, runPair } from "./pair.ts";
import type { BenchOptions, Scenario, System } from "./scenario.ts";
import { type Percentiles, percentiles, type Spread, spread } from "./statistics.ts";

/** Messages sent before each measured run, so that it runs compiled code: this part of it, and at most. */
const WARMUP = { part: 0.25, messagesMax: 500_000 } as const;

/** What all runs of one system showed. */
export interface SystemReport {
  readonly name: string;
  /** Where throughput was measured: arrivals per second, over all receivers. */
  readonly messagesPerSecond?: Spread;
  /** Where single operations were measured, all runs together. */
  readonly latencyMicros?: Percentiles;
  /** Over all runs (count). */
  readonly lost: number;
  readonly duplicated: number;
  /** User and system time of both processes, median over the runs (seconds). */
  readonly cpuSeconds: number;
  /** Peak resident sets of both processes together, the highest of the runs (MiB). */
  readonly rssMiB: number;
}

/** A system against its baseline, run by run: of throughputs, or of the median latencies. */
export interface Ratio extends Spread {
  readonly baseline: string;
  readonly of: "messagesPerSecond" | "latencyMicros.p50";
}

/** One invocation's result; `--json` prints it as it is. */
export interface Report {
  readonly scenario: string;
  readonly options: BenchOptions;
  readonly machine: Machine;
  readonly systems: readonly SystemReport[];
  readonly ratios: Readonly<Record<string, Ratio>>;
}

/** What to measure. */
export interface Measurement {
  readonly scenario: Scenario;
  /** Where it is, for the processes that load it. */
  readonly url: string;
  readonly options: BenchOptions;
  /** Those of the scenario's systems that are to run. */
  readonly systems: readonly System[];
}

/**
 * Runs every system once, then every system again, and so on: what disturbs the machine for a while
 * disturbs all of them.
 *
 * @param onRun told of each run as it ends
 */
export async function measure(
  { scenario, url, options, systems }: Measurement,
  onRun: (system: string, figures: RunFigures) => void,
): Promise<Report> {
  const machine = describeMachine();
  const runs = new Map<string, RunFigures[]>(systems.map(({ name }) => [name, []]));
  const warmup = Math.ceil(Math.min(options.messages * WARMUP.part, WARMUP.messagesMax));
  for (let index = 0; index < options.runs; index++) {
    for (const { name } of systems) {
      const job = { scenario: url, system: name, options, warmup };
      const figures = await runPair(job);
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
