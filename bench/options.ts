import { parseArgs } from "node:util";
import { SEQ_BYTES } from "./payload.ts";
import type { BenchOptions, System } from "./scenario.ts";
import { SCENARIO_NAMES } from "./scenarios.ts";

/** A wrong command line; the message is one line for the user. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The parsed command line; `null` where it leaves the choice to the scenario. */
export interface CommandLine {
  /** Null: a short run of the main scenarios. */
  readonly scenario: string | null;
  readonly json: boolean;
  /** Systems to run, by name; empty for all of them. */
  readonly systems: readonly string[];
  readonly size: number | null;
  readonly messages: number | null;
  readonly runs: number | null;
  readonly subscribers: number | null;
}

/** Whole-number options and their ranges: a sequence number has 32 bits, including the warm-up. */
const RANGES = {
  size: { min: SEQ_BYTES, max: 16_777_216, unit: "bytes" },
  messages: { min: 1, max: 1_000_000_000, unit: "messages" },
  runs: { min: 1, max: 1_000, unit: "runs" },
  subscribers: { min: 1, max: 500, unit: "subscribers" },
} as const;

export const USAGE: string = `usage: npm run bench -- [--scenario NAME] [--size BYTES] [--messages N] [--runs N]
       [--subscribers N] [--system NAME]... [--json]

Measures brokerless beside zeromq.js, in processes of their own. Without a scenario: the main ones, shortly, in some
two minutes, with a verdict. docs/benchmarks.md says what a figure means.

--scenario NAME    one of ${SCENARIO_NAMES.join(", ")}
--size BYTES       length of a raw message (default 100)
--messages N       measured messages in each run (default: by scenario)
--runs N           repetitions of every system (default 5)
--subscribers N    subscribers in pub-sub (default 10)
--system NAME      this system only; may be repeated; needs a scenario
--json             one object instead of tables`;

/** @throws UsageError for an unknown scenario or option, or a wrong number */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const values = parse(args);
  const scenario = values.scenario;
  const known = SCENARIO_NAMES.join(", ");
  if (scenario === undefined && values.system !== undefined) {
    throw new UsageError(`--system needs --scenario, one of ${known}`);
  }
  if (scenario !== undefined && !SCENARIO_NAMES.some((name) => name === scenario)) {
    throw new UsageError(`unknown scenario "${scenario}"; one of ${known}`);
  }
  return {
    scenario: scenario ?? null,
    json: values.json ?? false,
    systems: values.system ?? [],
    size: wholeNumber("size", values.size),
    messages: wholeNumber("messages", values.messages),
    runs: wholeNumber("runs", values.runs),
    subscribers: wholeNumber("subscribers", values.subscribers),
  };
}

/**
 * The systems to run, in the scenario's order.
 *
 * @throws UsageError for a name that is not one of them
 */
export function chooseSystems(
  systems: readonly System[],
  { systems: wished }: CommandLine,
): readonly System[] {
  const unknown = wished.find((name) => !systems.some((system) => system.name === name));
  if (unknown !== undefined) {
    const known = systems.map(({ name }) => name).join(", ");
    throw new UsageError(`unknown system "${unknown}"; one of ${known}`);
  }
  return wished.length === 0 ? systems : systems.filter(({ name }) => wished.includes(name));
}

/** The scenario's defaults, overridden by the command line; options that do not apply stay `null`. */
export function resolveBench(defaults: BenchOptions, wished: CommandLine): BenchOptions {
  return {
    size: defaults.size === null ? null : (wished.size ?? defaults.size),
    messages: wished.messages ?? defaults.messages,
    runs: wished.runs ?? defaults.runs,
    subscribers:
      defaults.subscribers === null ? null : (wished.subscribers ?? defaults.subscribers),
  };
}

interface RawValues {
  scenario?: string;
  size?: string;
  messages?: string;
  runs?: string;
  subscribers?: string;
  system?: string[];
  json?: boolean;
}

function parse(args: readonly string[]): RawValues {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        scenario: { type: "string" },
        size: { type: "string" },
        messages: { type: "string" },
        runs: { type: "string" },
        subscribers: { type: "string" },
        system: { type: "string", multiple: true },
        json: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    const [line] = (error as Error).message.split("\n");
    throw new UsageError(line ?? "cannot read the command line");
  }
}

function wholeNumber(name: keyof typeof RANGES, text: string | undefined): number | null {
  if (text === undefined) return null;
  const { min, max, unit } = RANGES[name];
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(
    `--${name} must be a whole number of ${unit} from ${min} to ${max}, got "${text}"`,
  );
}
