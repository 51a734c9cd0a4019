import type { Report } from "./measure.ts";

/** One of the scenarios measured without a name on the command line: some two minutes of typical workloads. */
export interface ShortScenario {
  readonly scenario: string;
  /** Messages of each run (count). */
  readonly messages: number;
  /** The systems that run; default: all. */
  readonly systems?: readonly string[];
}

export const SHORT_SCENARIOS: readonly ShortScenario[] = [
  { scenario: "push-pull", messages: 1_000_000, systems: ["zeromq.js", "brokerless"] },
  {
    scenario: "durable-push-pull",
    messages: 500_000,
    systems: ["zeromq.js (not durable)", "brokerless, journal (sync always), acks"],
  },
  { scenario: "request-reply", messages: 20_000 },
];
/** Repetitions of every system (count). */
export const SHORT_RUNS = 2;

/** The result of a short run. */
export interface Verdict {
  /** Whether nothing was lost or duplicated, and no system carries fewer messages than its baseline. */
  readonly ok: boolean;
  /** The result in one line, with its figures. */
  readonly text: string;
}

/**
 * Judges a measurement. Latencies are reported and not judged: on a busy host they vary too much. Pure.
 *
 * @param reports one of each scenario
 */
export function judge(reports: readonly Report[]): Verdict {
  const figures: string[] = [];
  const faults: string[] = [];
  for (const { scenario, systems, ratios } of reports) {
    for (const { name, lost, duplicated } of systems) {
      const what = `${scenario}, ${name}`;
      if (lost > 0) faults.push(`${what} lost ${lost}`);
      if (duplicated > 0) faults.push(`${what} duplicated ${duplicated}`);
      const ratio = ratios[name];
      if (ratio === undefined) continue;
      const isRate = ratio.of === "messagesPerSecond";
      const factor = ratio.median.toFixed(2);
      figures.push(`${scenario} ${factor} times the ${isRate ? "rate" : "latency"}`);
      if (isRate && ratio.median < 1) faults.push(`${what} is slower than ${ratio.baseline}`);
    }
  }
  const against = `against zeromq.js: ${figures.join(", ")}`;
  if (faults.length > 0)
    return { ok: false, text: `verdict: FAILED: ${faults.join("; ")} (${against})` };
  return { ok: true, text: `verdict: ok: nothing lost or duplicated; ${against}` };
}
