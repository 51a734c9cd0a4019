/** `npm run bench`: measures one scenario and prints a table, or with `--json` one object. */
import { measure } from "./measure.ts";
import { chooseSystems, parseCommandLine, resolveBench, USAGE, UsageError } from "./options.ts";
import { compileProgram } from "./program.ts";
import { describeFaults, grouped, renderTable } from "./report.ts";
import { loadScenario, scenarioUrl } from "./scenarios.ts";

async function main(args: readonly string[]): Promise<void> {
  const wished = parseCommandLine(args);
  const scenario = await loadScenario(scenarioUrl(wished.scenario));
  for (const name of ["size", "subscribers"] as const) {
    if (wished[name] !== null && scenario.defaults[name] === null) {
      console.error(`note: --${name} does not apply to ${scenario.name}`);
    }
  }
  const systems = chooseSystems(scenario.systems, wished);
  const options = resolveBench(scenario.defaults, wished);
  const measurement = { scenario, program: compileProgram(scenario.name), options, systems };
  const report = await measure(measurement, (system, { messagesPerSecond }) => {
    if (!wished.json) console.error(`  ${system}: ${grouped(messagesPerSecond)} messages/s`);
  });
  for (const fault of describeFaults(report)) console.error(fault);
  console.log(wished.json ? JSON.stringify(report) : `\n${renderTable(report, scenario)}`);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`bench: ${error.message}`);
    if (process.argv.length <= 2) console.error(USAGE);
    process.exitCode = 2;
  } else {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
