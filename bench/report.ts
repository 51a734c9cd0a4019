import type { Ratio, Report, SystemReport } from "./measure.ts";
import type { BenchOptions, Scenario } from "./scenario.ts";

/** Formats a report for people: a heading, one line for each system, and the host. */
export function renderTable(
  report: Report,
  { summary, where = "tcp loopback, two processes" }: Pick<Scenario, "summary" | "where">,
): string {
  const latencies = report.systems.filter((system) => system.latencyMicros !== undefined);
  const throughputs = report.systems.filter((system) => system.messagesPerSecond !== undefined);
  return [
    `${report.scenario}: ${summary}`,
    `${describeOptions(report.options)}, ${where}`,
    ...section(throughputs.map((system) => throughputRow(system, report.ratios[system.name]))),
    ...section(latencies.map((system) => latencyRow(system, report.ratios[system.name]))),
    "",
    describeMachineLine(report),
  ].join("\n");
}

/** One sentence for each system that lost or duplicated messages. */
export function describeFaults(report: Report): string[] {
  return report.systems
    .filter(({ lost, duplicated }) => lost > 0 || duplicated > 0)
    .map(({ name, lost, duplicated }) => {
      return `LOSS: ${name} lost ${grouped(lost)} and duplicated ${grouped(duplicated)} messages`;
    });
}

type Row = Readonly<Record<string, string>>;

function throughputRow(system: SystemReport, ratio: Ratio | undefined): Row {
  const { min, median, max } = system.messagesPerSecond!;
  return {
    "messages/s": system.name,
    min: grouped(min),
    median: grouped(median),
    max: grouped(max),
    ...commonColumns(system, ratio),
  };
}

function latencyRow(system: SystemReport, ratio: Ratio | undefined): Row {
  const { p50, p90, p99, p999, max } = system.latencyMicros!;
  const micros = (value: number) => value.toFixed(1);
  return {
    "latency, us": system.name,
    p50: micros(p50),
    p90: micros(p90),
    p99: micros(p99),
    "p99.9": micros(p999),
    max: micros(max),
    ...commonColumns(system, ratio),
  };
}

function commonColumns(system: SystemReport, ratio: Ratio | undefined): Row {
  const factor = (value: number) => value.toFixed(2);
  return {
    ratio: ratio === undefined ? "-" : factor(ratio.median),
    "(min..max)": ratio === undefined ? "" : `${factor(ratio.min)}..${factor(ratio.max)}`,
    lost: system.lost > 0 ? `LOST ${grouped(system.lost)}` : "0",
    duplicated: grouped(system.duplicated),
    "cpu s": system.cpuSeconds.toFixed(2),
    "rss MiB": system.rssMiB.toFixed(0),
  };
}

/** Columns as wide as their widest cell; names left-aligned, figures right-aligned. */
function section(rows: readonly Row[]): string[] {
  const [first] = rows;
  if (first === undefined) return [];
  const columns = Object.keys(first);
  const cells = [columns, ...rows.map((row) => columns.map((column) => row[column] ?? ""))];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]!.length)));
  const lines = cells.map((line) =>
    line
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[index]!)))
      .join("  ")
      .trimEnd(),
  );
  return ["", ...lines];
}

function describeOptions({ size, messages, runs, subscribers }: BenchOptions): string {
  return [
    `${grouped(messages)} messages${size === null ? "" : ` of ${grouped(size)} B`}`,
    ...(subscribers === null ? [] : [`${subscribers} subscribers`]),
    `${runs} ${runs === 1 ? "run" : "runs"}`,
  ].join(", ");
}

function describeMachineLine({ machine }: Report): string {
  return (
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.os}, ` +
    `node ${machine.node}, libzmq ${machine.libzmq}, load ${machine.loadAverage}, ${machine.date}`
  );
}

/** A whole number with thousands separators. */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
