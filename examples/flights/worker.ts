/** One of the worker processes: computes a partial summary of each batch of records. */
import { Pull, Push } from "../../lib/index.ts";
import { type Portion, runStage } from "../../patterns/pipeline.ts";
import { type Job, withJob } from "./job.ts";
import { type Role, runRole } from "./role.ts";

await runRole((role) => withJob(role.task.job, (job) => worker(job, role)));

async function worker<Item, Part>(job: Job<Item, Part>, role: Role): Promise<void> {
  await using work = new Pull<Item>();
  await using results = new Push<Portion<Part>>();
  const addresses = await role.addresses;
  results.connect(addresses.results);
  await results.ready();
  // Records arrive as soon as the source is connected to this worker, so its output is connected first.
  work.connect(addresses.work);

  const step = (records: Item[]): Part => {
    const summary = job.summary();
    for (const record of records) summary.add(record);
    return summary.part();
  };
  await runStage({ work, results, step, signal: role.stop });
}
