/** The last process: counts every chunk once, however often its result arrives. */
import { join } from "node:path";
import { Pull } from "../../../lib/index.ts";
import { type Job, withJob } from "../job.ts";
import type { DurableTask } from "../messages.ts";
import { type Role, runRole, throttled, whenAborted } from "../role.ts";
import type { ChunkResult, LastChunk } from "./chunks.ts";
import { Ledger } from "./ledger.ts";

await runRole<DurableTask>((role) => withJob(role.task.job, (job) => sink(job, role)));

async function sink<Item, Part>(job: Job<Item, Part>, role: Role<DurableTask>): Promise<void> {
  const ledger = await Ledger.open(join(role.task.directory, "sink"), job);
  const results = new Pull<ChunkResult<Part> | LastChunk>({ reliable: true });
  role.report({ kind: "bound", address: await results.bind(role.task.bind) });
  whenAborted(role.stop, () => void results.close());

  const onProgress = throttled((count) => role.report({ kind: "done", count }));
  let chunks: number | null = null;
  let isReported = false;
  // Taking the next batch acknowledges the previous one, which is on disk by then.
  for await (const messages of results.batches()) {
    const fresh: ChunkResult<Part>[] = [];
    for (const message of messages) {
      if ("part" in message) fresh.push(message);
      else chunks = message.chunks;
    }
    await ledger.add(fresh);
    const { count, repeated, summary } = ledger;
    onProgress(count);
    if (isReported || chunks === null || ledger.chunks < chunks) continue;
    isReported = true;
    role.report({ kind: "result", count, repeated, table: summary.table() });
  }
  await results.close();
  await ledger.close();
}
