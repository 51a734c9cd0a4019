/**
 * `npm run bench`: measures one scenario, or the main ones in a short run, and prints tables, or with `--json` one
 * object.
 */
import { answerHelp } from "../scripts/help.ts";
import { measure, type Report } from "./measure.ts";
import {
  type CommandLine,
  chooseSystems,
  parseCommandLine,
  resolveBench,
  USAGE,
  UsageError,
} from "./options.ts";
import { compileProgram } from "./program.ts";
import { describeFaults, grouped, renderTable } from "./report.ts";
import { loadScenario, scenarioUrl } from "./scenarios.ts";
import { judge, SHORT_RUNS, SHORT_SCENARIOS } from "./short-run.ts";

answerHelp(USAGE);

async function main(args: readonly string[]): Promise<void> {
  const wished = parseCommandLine(args);
  if (wished.scenario === null) {
    await runShort(wished);
    return;
  }
  const { report, table } = await runScenario(wished.scenario, wished);
  console.log(wished.json ? JSON.stringify(report) : `\n${table}`);
}

/** Runs the main scenarios, each with fewer messages than when it runs alone, and prints a verdict. */
async function runShort(wished: CommandLine): Promise<void> {
  const reports: Report[] = [];
  for (const { scenario, messages, systems = [] } of SHORT_SCENARIOS) {
    const { report, table } = await runScenario(scenario, {
      ...wished,
      systems,
      messages: wished.messages ?? messages,
      runs: wished.runs ?? SHORT_RUNS,
    });
    reports.push(report);
    if (!wished.json) console.log(`\n${table}\n`);
  }
  const { ok, text } = judge(reports);
  console.log(wished.json ? JSON.stringify({ ok, reports }) : text);
  if (!ok) process.exitCode = 1;
}

async function runScenario(
  name: string,
  wished: CommandLine,
): Promise<{ readonly report: Report; readonly table: string }> {
  const scenario = await loadScenario(scenarioUrl(name));
  for (const option of ["size", "subscribers"] as const) {
    if (wished[option] !== null && scenario.defaults[option] === null) {
      console.error(`note: --${option} does not apply to ${scenario.name}`);
    }
  }
  const systems = chooseSystems(scenario.systems, wished);
  const options = resolveBench(scenario.defaults, wished);
  const measurement = { scenario, program: compileProgram(scenario.name), options, systems };
  const report = await measure(measurement, (system, { messagesPerSecond }) => {
    if (!wished.json) console.error(`  ${system}: ${grouped(messagesPerSecond)} messages/s`);
  });
  for (const fault of describeFaults(report)) console.error(fault);
  return { report, table: renderTable(report, scenario) };
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`bench: ${error.message}`);
    process.exitCode = 2;
  } else {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
