import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Task } from "./messages.ts";

export const HELP = `usage: npm start [-- [--plain] [--workers N] [--patience SECONDS] [FILE]]

Runs a pipeline of separate processes over ZeroMQ: one reads records from a file, N workers compute
partial summaries, and one merges them. A worker and then the source are killed half-way and started
again; journals ensure that every record is still counted exactly once.
Then compares the result with that of a single process.

FILE             NDJSON, or JSON; the result is the shape of its records
                 (default: the flights in vega-datasets; mean delay by distance)
--plain          no journals, and no process is killed: faster, but a lost process ends the run
--workers N      number of worker processes, 1 to 64 (default 2)
--patience S     stop with an error after so many seconds without progress (default 30)
--help, --version
`;

/** The parsed command line. */
export interface Arguments extends Task {
  /** Whether to run without journals. */
  readonly isPlain: boolean;
  readonly patienceSeconds: number;
}

/**
 * @param argv the arguments without the program's own name
 * @throws TypeError with a text for the user
 */
export function parseArguments(argv: readonly string[]): Arguments {
  const { values, positionals } = parse(argv);
  if (positionals.length > 1) throw new TypeError(`one FILE at a time, not ${positionals.length}`);
  const workers = wholeNumber("--workers", values.workers, 64);
  const patienceSeconds = wholeNumber("--patience", values.patience, 86_400);
  const isPlain = values.plain;
  const path = positionals[0];
  // npm runs scripts in the package's directory, and passes the directory in which it was started.
  const directory = process.env.INIT_CWD ?? ".";
  if (path !== undefined) {
    return { job: "shape", path: resolve(directory, path), workers, patienceSeconds, isPlain };
  }
  return { job: "flights", path: flightsPath(), workers, patienceSeconds, isPlain };
}

/** @throws TypeError with the first sentence of Node's message; the rest is about quoting */
function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        plain: { type: "boolean", default: false },
        workers: { type: "string", default: "2" },
        patience: { type: "string", default: "30" },
      },
    });
  } catch (error) {
    throw new TypeError((error as Error).message.split(/[.\n]/, 1)[0], { cause: error });
  }
}

/** The path of the sample data. The package of the data exports only its code; the data is next to it. */
function flightsPath(): string {
  const code = createRequire(import.meta.url).resolve("vega-datasets");
  return join(dirname(code), "../data/flights-200k.json");
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= max) return value;
  throw new TypeError(
    `${name} must be a whole number from 1 to ${max}, got ${JSON.stringify(text)}`,
  );
}
