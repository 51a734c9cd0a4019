/** The first process: reads the file and distributes its records among the workers. */
import { BrokerlessError, Push } from "../../lib/index.ts";
import { type End, runSource } from "../../patterns/pipeline.ts";
import { type Job, withJob } from "./job.ts";
import { readRecords } from "./records.ts";
import { type Role, runRole, throttled } from "./role.ts";

await runRole((role) => withJob(role.task.job, (job) => source(job, role)));

async function source<Item, Part>(job: Job<Item, Part>, role: Role): Promise<void> {
  await using work = new Push<Item>();
  await using results = new Push<End>();
  const address = await work.bind("tcp://127.0.0.1:*");
  role.report({ kind: "bound", address });
  results.connect((await role.addresses).results);

  // Without this wait the first worker to connect would get the records of the others.
  await work.ready({ peers: role.task.workers });
  role.report({ kind: "started" });

  let count = 0;
  const check = (value: unknown): Item => {
    count++;
    return job.check(value);
  };
  const onRead = throttled((bytes) => role.report({ kind: "read", bytes }));
  const values = readRecords(role.task.path, { check, onRead });
  try {
    await runSource({ values, work, results, signal: role.stop });
  } catch (error) {
    if (!(error instanceof BrokerlessError)) throw error;
    throw new Error(`${role.task.path}: record ${count} cannot be sent: ${error.message}`);
  }
}
