/** One of the processes in the middle: makes a partial summary of each chunk of records. */
import { Pull, Push } from "../../../lib/index.ts";
import { type Job, withJob } from "../job.ts";
import type { DurableTask } from "../messages.ts";
import { type Role, runRole, whenAborted } from "../role.ts";
import type { Chunk, ChunkResult } from "./chunks.ts";

/** Chunks that are worked on at the same time, which hides the sink's waits for its disk (count). */
const CONCURRENCY = 8;

await runRole<DurableTask>((role) => withJob(role.task.job, (job) => worker(job, role)));

async function worker<Item, Part>(job: Job<Item, Part>, role: Role<DurableTask>): Promise<void> {
  await using work = new Pull<Chunk<Item>>({ reliable: true, prefetch: CONCURRENCY * 2 });
  await using results = new Push<ChunkResult<Part>>({ reliable: true, confirm: "processed" });
  const addresses = await role.addresses;
  results.connect(addresses.results);
  work.connect(addresses.work);
  // What comes a second time may still be on its way to a sink that has everything and is gone.
  whenAborted(role.stop, () => void Promise.all([work.close(), results.close()]));

  const each = async ({ chunk, records, isFatal }: Chunk<Item>) => {
    const summary = job.summary();
    for (const record of records) summary.add(record);
    // The chunk is acknowledged when the sink has its result on disk: no earlier moment will do.
    await results.send({ chunk, count: records.length, part: summary.part() });
    // The worst moment to die: the result is counted, and the source does not know.
    if (isFatal && role.task.isVictim && !role.spare.aborted) await holdFor(role, chunk);
  };
  await work.run(each, { concurrency: CONCURRENCY });
}

/** Waits to be killed. */
function holdFor(role: Role<DurableTask>, chunk: number): Promise<never> {
  role.report({ kind: "holding", chunk });
  return new Promise(() => {});
}
