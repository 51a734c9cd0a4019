import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The program of the processes of a measurement. */
export interface Program {
  /** The module that a process starts with (path). */
  readonly child: string;
  /** The module of the scenario (URL). */
  readonly scenario: string;
  /** Flags for Node. */
  readonly execArgv: readonly string[];
}

const ROOT = new URL("..", import.meta.url);
const COMPILED = new URL("results/program/", import.meta.url);

/**
 * Compiles the package, the harness and the scenarios to JavaScript, as it is published.
 *
 * A loader of TypeScript would be measured too: it names every closure when it is created, which costs a path that
 * creates some for each message up to a third of its time.
 *
 * @param name the name of the scenario
 * @throws Error when the compiler reports a fault
 */
export function compileProgram(name: string): Program {
  const tsc = fileURLToPath(new URL("node_modules/typescript/bin/tsc", ROOT));
  const args = [tsc, "-p", fileURLToPath(new URL("bench/tsconfig.json", ROOT))];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`cannot compile the scenarios: ${stdout.trim()}`);
  return {
    child: fileURLToPath(new URL("bench/child.js", COMPILED)),
    scenario: new URL(`bench/scenarios/${name}.js`, COMPILED).href,
    execArgv: [],
  };
}

/**
 * Runs the sources as they are, for tests, whose figures do not matter.
 *
 * @param scenario the module of the scenario (URL)
 */
export function sourceProgram(scenario: string): Program {
  const child = fileURLToPath(new URL("child.ts", import.meta.url));
  return { child, scenario, execArgv: ["--import", "tsx"] };
}
