/** The last process: merges the workers' summaries until every record is accounted for. */
import { Pull } from "../../lib/index.ts";
import { type Parcel, runSink } from "../../patterns/pipeline.ts";
import { type Job, withJob } from "./job.ts";
import { type Role, runRole, throttled } from "./role.ts";

await runRole((role) => withJob(role.task.job, (job) => sink(job, role)));

async function sink<Item, Part>(job: Job<Item, Part>, role: Role): Promise<void> {
  await using results = new Pull<Parcel<Part>>();
  const address = await results.bind("tcp://127.0.0.1:*");
  role.report({ kind: "bound", address });

  const summary = job.summary();
  const onProgress = throttled((count) => role.report({ kind: "done", count }));
  const take = (part: Part) => summary.merge(part);
  const count = await runSink({ results, take, onProgress });
  role.report({ kind: "result", count, table: summary.table(), repeated: 0 });
}
