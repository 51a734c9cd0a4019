/** One measurement of one system in one run. */
export interface Row {
  /** What is measured; ratios are taken within one of these. */
  readonly scenario: string;
  readonly system: string;
  readonly value: number;
  readonly unit: string;
  /** The value that this one is divided by in the same run; `null` without a ratio. */
  readonly against: { readonly system: string; readonly value: number } | null;
}

/** The same over all runs. */
export interface Summary {
  readonly scenario: string;
  readonly system: string;
  readonly unit: string;
  readonly min: number;
  readonly median: number;
  readonly max: number;
  readonly ratio: { readonly to: string; readonly median: number } | null;
}

/** Orders, and takes min, median and max. */
export function summarize(rows: readonly Row[]): Summary[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = `${row.scenario}\n${row.system}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()].map((group) => {
    const { scenario, system, unit } = group[0]!;
    const values = group.map((row) => row.value);
    const ratios = group.flatMap((row) => (row.against ? [row.value / row.against.value] : []));
    const to = group[0]!.against?.system;
    return {
      scenario,
      system,
      unit,
      min: Math.min(...values),
      median: middle(values),
      max: Math.max(...values),
      ratio: to === undefined ? null : { to, median: middle(ratios) },
    };
  });
}

/** The median; of an even count the lower one. */
export function middle(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
}

/** Adds the ratio to one of the rows to all others. */
export function against(system: string, rows: readonly Omit<Row, "against">[]): Row[] {
  const base = rows.find((row) => row.system === system);
  return rows.map((row) => ({
    ...row,
    against: base === undefined || row.system === system ? null : { system, value: base.value },
  }));
}

export function print(summary: readonly Summary[]): void {
  let scenario = "";
  for (const row of summary) {
    if (row.scenario !== scenario) console.log(`\n${row.scenario} (${row.unit}: min, median, max)`);
    scenario = row.scenario;
    const numbers = [row.min, row.median, row.max].map((value) => format(value).padStart(12));
    const ratio = row.ratio === null ? "" : `  ${row.ratio.median.toFixed(2)} x ${row.ratio.to}`;
    console.log(`  ${row.system.padEnd(34)}${numbers.join("")}${ratio}`);
  }
}

function format(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString("en");
  return value.toFixed(value < 10 ? 3 : 1);
}
