/** One of the worker processes: computes a partial summary of each chunk of records. */
import { Pull, Push } from "../../../lib/index.ts";
import { type Job, withJob } from "../job.ts";
import type { DurableTask } from "../messages.ts";
import { type Role, runRole, whenAborted } from "../role.ts";
import type { Chunk, ChunkResult } from "./chunks.ts";

/** Chunks that are processed at the same time, which hides the waits for the sink's disk (count). */
const CONCURRENCY = 8;

await runRole<DurableTask>((role) => withJob(role.task.job, (job) => worker(job, role)));

async function worker<Item, Part>(job: Job<Item, Part>, role: Role<DurableTask>): Promise<void> {
  await using work = new Pull<Chunk<Item>>({ reliable: true, prefetch: CONCURRENCY * 2 });
  await using results = new Push<ChunkResult<Part>>({ reliable: true, confirm: "processed" });
  const addresses = await role.addresses;
  results.connect(addresses.results);
  work.connect(addresses.work);
  // A repeated chunk may still be in flight to a sink that has everything and has ended.
  whenAborted(role.stop, () => void Promise.all([work.close(), results.close()]));

  const each = async ({ chunk, records, isFatal }: Chunk<Item>) => {
    const summary = job.summary();
    for (const record of records) summary.add(record);
    // The chunk is acknowledged when the sink has its result on disk, and not earlier.
    await results.send({ chunk, count: records.length, part: summary.part() });
    // The worst moment to die: the result is counted, and the source does not know it.
    if (isFatal && role.task.isVictim && !role.spare.aborted) await holdFor(role, chunk);
  };
  await work.run(each, { concurrency: CONCURRENCY });
}

/** Waits to be killed. */
function holdFor(role: Role<DurableTask>, chunk: number): Promise<never> {
  role.report({ kind: "holding", chunk });
  return new Promise(() => {});
}
