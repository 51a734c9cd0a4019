/** One process of a measurement: runs the sending or the receiving program of one system. */
import { ControlLink, type Job } from "./control.ts";
import { Run } from "./run.ts";
import { loadScenario } from "./scenarios.ts";

const link = new ControlLink();

async function main(job: Job): Promise<void> {
  const scenario = await loadScenario(job.scenario);
  const system = scenario.systems.find(({ name }) => name === job.system);
  if (system === undefined) throw new Error(`${scenario.name} has no system ${job.system}`);
  const run = new Run(link, scenario, job);
  await (job.role === "sender" ? system.send(run) : system.receive(run));
}

// Without the parent the figures are of no use: an orphan must not keep running.
process.on("disconnect", () => process.exit(1));
// The parent may have ended while this process was loading.
if (process.connected === false) process.exit(1);
try {
  await main(JSON.parse(process.argv[2] ?? "null") as Job);
} catch (error) {
  const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
  link.post({ kind: "failed", reason });
}
